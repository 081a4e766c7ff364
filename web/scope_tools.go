package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web/forms"
)

func (k *Console) scopeTools(c echo.Context, v Visit) error {
	state, s, err := k.visited(c, v)
	if err != nil {
		return err
	}
	runtime, err := state.runtimeOf(c)
	if err != nil {
		return err
	}
	view, _ := toolChoice(state, s, runtime)
	return k.scopeToolsForm(c, v, http.StatusOK, view, s, runtime, "")
}

func (k *Console) scopeToolsForm(c echo.Context, v Visit, status int, view pages.ScopeToolsPage, s authz.Scope, runtime upstreams.Name, problem string) error {
	shell, err := k.tenantShell(c, v, pages.SectionScopes)
	if err != nil {
		return err
	}
	view.Shell, view.Scope, view.Title, view.Runtime, view.Summary = shell, s.Name, s.Title, runtime.Name, problem
	view.Edition, view.Href, view.Action = scopes.Edition(s), v.path("scopes", scopeID(s.Name)), v.path("scopes", scopeID(s.Name), "tools", runtime.Slug)
	return k.page(c, status, pages.ScopeTools(view))
}

func (k *Console) scopeToolsSave(c echo.Context, v Visit) error {
	state, s, err := k.visited(c, v)
	if err != nil {
		return err
	}
	runtime, err := state.runtimeOf(c)
	if err != nil {
		return err
	}
	in := forms.ReadScopeTools(v.Form)
	view, names := toolChoice(state, s, runtime)
	chosen := choose(&view, names, in)
	err = k.scopes.SetTools(c.Request().Context(), v.Handle, s.Name, in.Edition, runtime.ID, chosen)
	switch {
	case err == nil:
		return k.seeWith(c, v.Session, v.path("scopes", scopeID(s.Name)), "The tools are saved. Every edge follows within seconds.")
	case errs.Is(err, errs.Invalid):
		return k.scopeToolsForm(c, v, http.StatusUnprocessableEntity, view, s, runtime, errs.Public(err))
	case errs.Is(err, errs.Stale):
		return k.scopeToolsForm(c, v, http.StatusConflict, view, s, runtime, "Someone changed this scope meanwhile. Your choice is below; saving puts it in the place of the stored one.")
	}
	return err
}

func (k *Console) scopeHints(c echo.Context, v Visit) error {
	state, err := k.scopeState(c.Request().Context(), v.Handle)
	if err != nil {
		return err
	}
	runtime, err := state.runtimeOf(c)
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionScopes)
	if err != nil {
		return err
	}
	view := hintsPage(state, runtime)
	view.Shell, view.Action = shell, v.path("scopes", "hints", runtime.Slug)
	return k.page(c, http.StatusOK, pages.ScopeHints(view))
}

func (k *Console) scopeHintsMake(c echo.Context, v Visit) error {
	state, err := k.scopeState(c.Request().Context(), v.Handle)
	if err != nil {
		return err
	}
	runtime, err := state.runtimeOf(c)
	if err != nil {
		return err
	}
	err = k.scopes.FromHints(c.Request().Context(), v.Handle, runtime.ID, hinted(state, runtime.ID))
	message := "The tools of " + runtime.Name + " are sorted. Every edge follows within seconds."
	if errs.Is(err, errs.Invalid) {
		message, err = errs.Public(err), nil
	}
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("scopes"), message)
}
