package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

func (k *Console) workspaces(c echo.Context, p Person) error {
	shell, err := k.personShell(c, p.Session)
	if err != nil {
		return err
	}
	for i, w := range shell.Workspaces {
		h, _, err := k.cfg.DB.ForMember(c.Request().Context(), p.Session.Account.ID, w.Slug)
		if errs.Is(err, errs.NotFound) {
			continue // left since the list was read
		}
		if err != nil {
			return err
		}
		if shell.Workspaces[i].Origin, err = k.edgeOrigin(c.Request().Context(), h); err != nil {
			return err
		}
		runtimes, err := k.runtimeNames(c.Request().Context(), h)
		if err != nil {
			return err
		}
		shell.Workspaces[i].Runtimes = count(int64(len(runtimes)), "runtime")
	}
	return k.page(c, http.StatusOK, pages.Workspaces(pages.WorkspacesPage{Shell: shell}))
}

func (k *Console) workspaceNew(c echo.Context, p Person) error {
	return k.workspaceForm(c, p, http.StatusOK, forms.Workspace{}, nil)
}

func (k *Console) workspaceForm(c echo.Context, p Person, status int, in forms.Workspace, problem error) error {
	shell, err := k.personShell(c, p.Session)
	if err != nil {
		return err
	}
	view := pages.WorkspaceNewPage{
		Shell: shell, Values: pages.WorkspaceValues{Name: in.Name, Slug: in.Slug},
		OriginPattern: k.cfg.Workspaces.Placement().Preview("{tenant}"),
	}
	if problem != nil {
		view.Errors, view.Summary = errs.FieldsOf(problem), errs.Public(problem)
	}
	return k.page(c, status, pages.WorkspaceNew(view))
}

func (k *Console) workspaceCreate(c echo.Context, p Person) error {
	in := forms.ReadWorkspace(p.Form)
	created, err := workspaces.Workspace{}, errs.Fields(p.Form.Unreadable())
	if err == nil {
		created, err = k.cfg.Workspaces.Create(c.Request().Context(), p.Session.Account.ID, in.Name, in.Slug)
	}
	if err != nil {
		if status, ok := k.again(c, err); ok {
			return k.workspaceForm(c, p, status, in, err)
		}
		return err
	}
	return k.seeWith(c, p.Session, "/"+created.Slug+"/runtimes", "The workspace "+created.Name+" is yours. Its address is "+created.Origin+".")
}

func (k *Console) workspace(c echo.Context, v Visit) error { return k.see(c, v.path("runtimes")) }
