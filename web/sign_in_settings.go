package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

func (k *Console) registerSignInSettings() {
	k.tenant(http.MethodGet, "/:workspace/sign-in", authz.ReadWorkspace, k.identity)
	k.tenant(http.MethodGet, "/:workspace/sign-in/new", authz.WriteSettings, k.providerNew)
	k.tenant(http.MethodGet, "/:workspace/sign-in/new/:provider", authz.WriteSettings, k.providerNewForm)
	k.tenant(http.MethodPost, "/:workspace/sign-in/new/:provider", authz.WriteSettings, k.providerCreate)
	k.tenant(http.MethodGet, "/:workspace/sign-in/users", authz.ReadWorkspace, k.endUsers)
	k.tenant(http.MethodPost, "/:workspace/sign-in/users/:user", authz.WriteSettings, k.endUserBlock)
	k.tenant(http.MethodGet, "/:workspace/sign-in/:provider", authz.ReadWorkspace, k.providerEdit)
	k.tenant(http.MethodPost, "/:workspace/sign-in/:provider", authz.WriteSettings, k.providerUpdate)
	k.tenant(http.MethodGet, "/:workspace/sign-in/:provider/remove", authz.WriteSettings, k.providerRemove)
	k.tenant(http.MethodPost, "/:workspace/sign-in/:provider/remove", authz.WriteSettings, k.providerRemoved)
}

func (k *Console) identity(c echo.Context, v Visit) error {
	var list []idp.Provider
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		list, err = idp.List(tx)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionIdentity)
	if err != nil {
		return err
	}
	view := pages.IdentityPage{Shell: settingsShell(shell, v)}
	for _, p := range list {
		view.Rows = append(view.Rows, providerRow(p))
	}
	return k.page(c, http.StatusOK, pages.Identity(view))
}

// providerNew settles the id of a provider to come: its callback URL has to be
// registered at the provider before there is a client id to type.
func (k *Console) providerNew(c echo.Context, v Visit) error {
	return k.see(c, v.path("sign-in", "new", idp.NewID()))
}

func (k *Console) providerNewForm(c echo.Context, v Visit) error {
	return k.providerForm(c, v, http.StatusOK, pages.ProviderFormPage{Values: pages.ProviderValues{Enabled: true}})
}

func (k *Console) providerForm(c echo.Context, v Visit, status int, view pages.ProviderFormPage) error {
	id := c.Param("provider")
	if !idp.ValidID(id) {
		return errs.E(errs.NotFound, "Not found.", nil)
	}
	shell, err := k.tenantShell(c, v, pages.SectionIdentity)
	if err != nil {
		return err
	}
	view.Shell, view.ID, view.Callback = settingsShell(shell, v), id, shell.Workspace.Origin+idp.CallbackPath(id)
	if view.Edit && view.Shell.ReadOnly == "" {
		ticket, err := k.cfg.Providers.NewTrial(c.Request().Context(), v.Handle, id)
		if err != nil {
			return err
		}
		view.TrialHref = shell.Workspace.Origin + "/sign-in/" + id + "?trial=" + ticket
	}
	return k.page(c, status, pages.ProviderForm(view))
}

func (k *Console) providerCreate(c echo.Context, v Visit) error {
	in, err := forms.ReadProvider(v.Form), errs.Fields(v.Form.Unreadable())
	if err == nil {
		_, err = k.cfg.Providers.Create(c.Request().Context(), v.Handle, c.Param("provider"), providerInput(in))
	}
	if err == nil {
		return k.seeWith(c, v.Session, v.path("sign-in", c.Param("provider")), in.Name+" is there. Test it before you tell people.")
	}
	return k.providerAgain(c, v, in, pages.ProviderFormPage{Values: typedProvider(in, idp.Provider{})}, err)
}

// providerAgain shows the form with what was typed.
func (k *Console) providerAgain(c echo.Context, v Visit, in forms.Provider, view pages.ProviderFormPage, err error) error {
	status, ok := k.again(c, err)
	if !ok {
		return err
	}
	view.Errors, view.Summary = errs.FieldsOf(err), errs.Public(err)
	if in.ClientSecret != "" && view.Errors["client_secret"] == "" {
		if view.Errors == nil {
			view.Errors = map[string]string{}
		}
		view.Errors["client_secret"] = "Type the secret again: it is not sent back to this page."
		if len(view.Errors) > 1 {
			view.Summary = "Some fields need attention."
		}
	}
	return k.providerForm(c, v, status, view)
}

func (k *Console) provider(ctx context.Context, v Visit, id string) (p idp.Provider, err error) {
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		p, err = idp.Get(tx, id)
		return err
	})
	return p, err
}

func (k *Console) providerEdit(c echo.Context, v Visit) error {
	p, err := k.provider(c.Request().Context(), v, c.Param("provider"))
	if err != nil {
		return err
	}
	return k.providerForm(c, v, http.StatusOK, pages.ProviderFormPage{Edit: true, Name: p.Name, Values: storedProvider(p)})
}

func (k *Console) providerUpdate(c echo.Context, v Visit) error {
	ctx := c.Request().Context()
	stored, err := k.provider(ctx, v, c.Param("provider"))
	if err != nil {
		return err
	}
	in, err := forms.ReadProvider(v.Form), errs.Fields(v.Form.Unreadable())
	if err == nil {
		err = k.cfg.Providers.Update(ctx, v.Handle, stored.ID, providerInput(in), in.Version)
	}
	view := pages.ProviderFormPage{Edit: true, Name: stored.Name, Values: typedProvider(in, stored)}
	switch {
	case err == nil:
		return k.seeWith(c, v.Session, v.path("sign-in", stored.ID), "The changes are saved.")
	case errs.Is(err, errs.Stale):
		// The form comes back over the stored version: sending it again is a decision for it.
		view.Values.Version, view.Summary = version(stored.Version), "Someone changed this provider while you were editing. Saving puts your values in the place of theirs."
		return k.providerForm(c, v, http.StatusConflict, view)
	}
	return k.providerAgain(c, v, in, view, err)
}

func (k *Console) providerRemove(c echo.Context, v Visit) error {
	return k.providerRemoveForm(c, v, http.StatusOK, "", "")
}

func (k *Console) providerRemoveForm(c echo.Context, v Visit, status int, typed, problem string) error {
	p, users, err := k.providerUsers(c.Request().Context(), v, c.Param("provider"))
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionIdentity)
	if err != nil {
		return err
	}
	return k.page(c, status, pages.ProviderRemove(pages.ProviderRemovePage{
		Shell: settingsShell(shell, v), ID: p.ID, Name: p.Name, Typed: typed, Error: problem, Impact: removeImpact(users),
	}))
}

func (k *Console) providerUsers(ctx context.Context, v Visit, id string) (p idp.Provider, users int64, err error) {
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		if p, err = idp.Get(tx, id); err != nil {
			return err
		}
		_, users, err = idp.Users(tx, idp.Page{ProviderID: id, Limit: 1})
		return err
	})
	return p, users, err
}

func (k *Console) providerRemoved(c echo.Context, v Visit) error {
	p, err := k.provider(c.Request().Context(), v, c.Param("provider"))
	if err != nil {
		return err
	}
	if typed := forms.ReadRemove(v.Form).Confirm; typed != p.Name {
		return k.providerRemoveForm(c, v, http.StatusUnprocessableEntity, typed, "This is not the provider's name.")
	}
	if err := k.cfg.Providers.Remove(c.Request().Context(), v.Handle, p.ID); err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("sign-in"), p.Name+" is removed, and its people are signed out.")
}
