package web

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web/forms"
)

// scopeState is what the pages of scopes are made from.
type scopeState struct {
	catalogue authz.Catalogue
	runtimes  []upstreams.Name
	tools     map[string]*snapshot.Tools // by upstream
}

func (k *Console) scopeState(ctx context.Context, h tenancy.Handle) (s scopeState, err error) {
	err = k.cfg.DB.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if s.catalogue, err = scopes.Load(tx); err != nil {
			return err
		}
		if s.runtimes, err = upstreams.Names(tx); err != nil {
			return err
		}
		s.tools, err = upstreams.LoadTools(tx, nil)
		return err
	})
	return s, err
}

// visited is the state with the scope that the address names.
func (k *Console) visited(c echo.Context, v Visit) (scopeState, authz.Scope, error) {
	state, err := k.scopeState(c.Request().Context(), v.Handle)
	if err != nil {
		return state, authz.Scope{}, err
	}
	all := state.catalogue.All()
	i := slices.IndexFunc(all, func(s authz.Scope) bool { return scopeID(s.Name) == c.Param("scope") })
	if i < 0 {
		return state, authz.Scope{}, errs.E(errs.NotFound, "There is no such scope.", nil)
	}
	return state, all[i], nil
}

// listed are the tools that a runtime lists.
func (s scopeState) listed(upstreamID string) map[string]snapshot.Tool {
	if list := s.tools[upstreamID]; list != nil {
		return list.ByName
	}
	return nil
}

// runtimeOf is the runtime that the address names.
func (s scopeState) runtimeOf(c echo.Context) (upstreams.Name, error) {
	i := slices.IndexFunc(s.runtimes, func(r upstreams.Name) bool { return r.Slug == c.Param("runtime") })
	if i < 0 {
		return upstreams.Name{}, errs.E(errs.NotFound, "There is no such runtime.", nil)
	}
	return s.runtimes[i], nil
}

func (k *Console) scopesPage(c echo.Context, v Visit) error {
	state, err := k.scopeState(c.Request().Context(), v.Handle)
	if err != nil {
		return err
	}
	held, err := k.scopes.Holders(c.Request().Context(), v.Handle)
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionScopes)
	if err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.Scopes(pages.ScopesPage{Shell: shell, Rows: scopeRows(state, held, v), Runtimes: sortable(state, v)}))
}

func (k *Console) scopeNew(c echo.Context, v Visit) error {
	state, err := k.scopeState(c.Request().Context(), v.Handle)
	if err != nil {
		return err
	}
	return k.scopeForm(c, v, http.StatusOK, pages.ScopePage{New: true, Values: pages.ScopeValues{Initial: true}, Others: otherScopes(state, "", nil)})
}

func (k *Console) scopeForm(c echo.Context, v Visit, status int, view pages.ScopePage) error {
	shell, err := k.tenantShell(c, v, pages.SectionScopes)
	if err != nil {
		return err
	}
	view.Shell = shell
	return k.page(c, status, pages.Scope(view))
}

func (k *Console) scopeCreate(c echo.Context, v Visit) error {
	in := forms.ReadScope(v.Form)
	err := k.scopes.Create(c.Request().Context(), v.Handle, scopeInput(in))
	if errs.Is(err, errs.Invalid) {
		state, loadErr := k.scopeState(c.Request().Context(), v.Handle)
		if loadErr != nil {
			return loadErr
		}
		return k.scopeForm(c, v, http.StatusUnprocessableEntity, pages.ScopePage{
			New: true, Values: typedScope(in, ""), Errors: errs.FieldsOf(err), Summary: errs.Public(err), Others: otherScopes(state, "", in.Includes),
		})
	}
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("scopes", scopeID(in.Name)), "The scope "+in.Name+" is there. Choose what it opens.")
}

func (k *Console) scope(c echo.Context, v Visit) error {
	state, s, err := k.visited(c, v)
	if err != nil {
		return err
	}
	view := pages.ScopePage{Values: storedScope(s), Others: otherScopes(state, s.Name, s.Includes)}
	return k.scopeAgain(c, v, http.StatusOK, state, s, view)
}

// scopeAgain fills in what surrounds the form.
func (k *Console) scopeAgain(c echo.Context, v Visit, status int, state scopeState, s authz.Scope, view pages.ScopePage) error {
	held, err := k.scopes.Holders(c.Request().Context(), v.Handle)
	if err != nil {
		return err
	}
	aboutScope(&view, state, s, held[s.Name], v)
	return k.scopeForm(c, v, status, view)
}

func (k *Console) scopeUpdate(c echo.Context, v Visit) error {
	state, s, err := k.visited(c, v)
	if err != nil {
		return err
	}
	in := forms.ReadScope(v.Form)
	in.Name = s.Name
	err = k.scopes.Update(c.Request().Context(), v.Handle, in.Edition, scopeInput(in))
	view := pages.ScopePage{Values: typedScope(in, in.Edition), Others: otherScopes(state, s.Name, in.Includes)}
	switch {
	case err == nil:
		return k.seeWith(c, v.Session, v.path("scopes", scopeID(s.Name)), "The changes are saved. Every edge follows within seconds.")
	case errs.Is(err, errs.Invalid):
		view.Errors, view.Summary = errs.FieldsOf(err), errs.Public(err)
		return k.scopeAgain(c, v, http.StatusUnprocessableEntity, state, s, view)
	case errs.Is(err, errs.Stale):
		// The form comes back over the stored edition: sending it again is a decision for what was typed.
		view.Conflict, view.Values.Edition = true, scopes.Edition(s)
		return k.scopeAgain(c, v, http.StatusConflict, state, s, view)
	}
	return err
}

func (k *Console) scopeMove(c echo.Context, v Visit) error {
	_, s, err := k.visited(c, v)
	if err != nil {
		return err
	}
	if err := k.scopes.Move(c.Request().Context(), v.Handle, s.Name, forms.ReadMove(v.Form)); err != nil {
		return err
	}
	return k.see(c, v.path("scopes", scopeID(s.Name)))
}

func (k *Console) scopeDelete(c echo.Context, v Visit) error {
	state, s, err := k.visited(c, v)
	if err != nil {
		return err
	}
	return k.scopeDeleteForm(c, v, http.StatusOK, state, s, "", "")
}

func (k *Console) scopeDeleteForm(c echo.Context, v Visit, status int, state scopeState, s authz.Scope, typed, problem string) error {
	held, err := k.scopes.Holders(c.Request().Context(), v.Handle)
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionScopes)
	if err != nil {
		return err
	}
	impact, err := deleteImpact(state, s, held[s.Name])
	if err != nil {
		return err
	}
	return k.page(c, status, pages.ScopeDelete(pages.ScopeDeletePage{
		Shell: shell, Scope: s.Name, Title: s.Title, Href: v.path("scopes", scopeID(s.Name)), Impact: impact, Confirm: typed, Error: problem,
	}))
}

func (k *Console) scopeDeleted(c echo.Context, v Visit) error {
	state, s, err := k.visited(c, v)
	if err != nil {
		return err
	}
	if in := forms.ReadRemove(v.Form); in.Confirm != s.Name {
		return k.scopeDeleteForm(c, v, http.StatusUnprocessableEntity, state, s, in.Confirm, "This is not the scope's name.")
	}
	if err := k.scopes.Delete(c.Request().Context(), v.Handle, s.Name); err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("scopes"), "The scope "+s.Name+" is deleted.")
}

func (k *Console) registerScopes() {
	k.tenant(http.MethodGet, "/:workspace/scopes", authz.ReadWorkspace, k.scopesPage)
	k.tenant(http.MethodGet, "/:workspace/scopes/new", authz.WriteUpstreams, k.scopeNew)
	k.tenant(http.MethodPost, "/:workspace/scopes/new", authz.WriteUpstreams, k.scopeCreate)
	k.tenant(http.MethodGet, "/:workspace/scopes/hints/:runtime", authz.WriteUpstreams, k.scopeHints)
	k.tenant(http.MethodPost, "/:workspace/scopes/hints/:runtime", authz.WriteUpstreams, k.scopeHintsMake)
	k.tenant(http.MethodGet, "/:workspace/scopes/:scope", authz.ReadWorkspace, k.scope)
	k.tenant(http.MethodPost, "/:workspace/scopes/:scope", authz.WriteUpstreams, k.scopeUpdate)
	k.tenant(http.MethodPost, "/:workspace/scopes/:scope/move", authz.WriteUpstreams, k.scopeMove)
	k.tenant(http.MethodGet, "/:workspace/scopes/:scope/tools/:runtime", authz.WriteUpstreams, k.scopeTools)
	k.tenant(http.MethodPost, "/:workspace/scopes/:scope/tools/:runtime", authz.WriteUpstreams, k.scopeToolsSave)
	k.tenant(http.MethodGet, "/:workspace/scopes/:scope/delete", authz.WriteUpstreams, k.scopeDelete)
	k.tenant(http.MethodPost, "/:workspace/scopes/:scope/delete", authz.WriteUpstreams, k.scopeDeleted)
}
