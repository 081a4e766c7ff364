package web

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

func (k *Console) authorization(c echo.Context, v Visit) error {
	stored, err := k.settings(c, v)
	if err != nil {
		return err
	}
	return k.authorizationForm(c, v, http.StatusOK, pages.AuthorizationPage{Values: settingsValues(stored)})
}

func (k *Console) settings(c echo.Context, v Visit) (s settings.Settings, err error) {
	err = k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		s, err = settings.Load(tx)
		return err
	})
	return s, err
}

func (k *Console) authorizationForm(c echo.Context, v Visit, status int, view pages.AuthorizationPage) error {
	shell, err := k.tenantShell(c, v, pages.SectionAuthorization)
	if err != nil {
		return err
	}
	view.Shell = settingsShell(shell, v)
	return k.page(c, status, pages.Authorization(view))
}

func (k *Console) authorizationSave(c echo.Context, v Visit) error {
	in := forms.ReadAuthorization(v.Form)
	typed := typedSettings(in)
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) error { return settings.Save(tx, typed) })
	switch {
	case err == nil:
		return k.seeWith(c, v.Session, v.path("authorization"), "The settings are saved. Every edge follows within seconds.")
	case errs.Is(err, errs.Invalid):
		return k.authorizationForm(c, v, http.StatusUnprocessableEntity, pages.AuthorizationPage{
			Values: settingsValues(typed), Errors: errs.FieldsOf(err), Summary: errs.Public(err),
		})
	case errs.Is(err, errs.Stale):
		// The form comes back with what was typed, over the stored version: sending it again is a decision for it.
		now, loadErr := k.settings(c, v)
		if loadErr != nil {
			return loadErr
		}
		typed.Version = now.Version
		return k.authorizationForm(c, v, http.StatusConflict, pages.AuthorizationPage{
			Values: settingsValues(typed), Summary: "Someone changed these settings while you were editing. Saving puts your values in the place of theirs.",
		})
	}
	return err
}

func typedSettings(in forms.Authorization) settings.Settings {
	second := func(n int64) time.Duration {
		if n > int64(settings.LongestFamily/time.Second)+1 {
			return -1 // no life that Save takes; a product of it could be one
		}
		return time.Duration(n) * time.Second
	}
	return settings.Settings{
		CIMD: settings.Mode(in.CIMD), DCR: settings.Mode(in.DCR), DCRHosts: in.DCRHosts, Review: in.Review,
		Access: second(in.Access), RefreshIdle: second(in.RefreshIdle), Family: second(in.Family),
		DPoP: settings.Option(in.DPoP), PAR: settings.Option(in.PAR), ClientCredentials: in.ClientCredentials, Device: in.Device,
		RememberConsent: in.RememberConsent, SigningAlg: in.SigningAlg, Version: in.Version,
	}
}

func (k *Console) keys(c echo.Context, v Visit) error {
	view, err := k.keysView(c, v)
	if err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.SigningKeys(view))
}

func (k *Console) keysView(c echo.Context, v Visit) (pages.SigningKeysPage, error) {
	var list []keys.Info
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		list, err = keys.List(tx)
		return err
	})
	if err != nil {
		return pages.SigningKeysPage{}, err
	}
	shell, err := k.tenantShell(c, v, pages.SectionAuthorization)
	if err != nil {
		return pages.SigningKeysPage{}, err
	}
	view := pages.SigningKeysPage{Shell: settingsShell(shell, v), JWKS: shell.Workspace.Origin + "/jwks"}
	for _, info := range list {
		view.Keys = append(view.Keys, keyRow(info))
		view.Waiting = view.Waiting || info.State == keys.Next
	}
	return view, nil
}

func (k *Console) keysRotate(c echo.Context, v Visit) error {
	err := keys.Rotate(c.Request().Context(), k.cfg.DB, v.Handle)
	if errs.Is(err, errs.Conflict) {
		return k.seeWith(c, v.Session, v.path("authorization", "keys"), errs.Public(err))
	}
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("authorization", "keys"), "The next key is published. It signs in a day, when every client and runtime can know it.")
}

func (k *Console) keysReplace(c echo.Context, v Visit) error {
	return k.keysReplaceForm(c, v, http.StatusOK, "", "")
}

func (k *Console) keysReplaceForm(c echo.Context, v Visit, status int, typed, problem string) error {
	view, err := k.keysView(c, v)
	if err != nil {
		return err
	}
	view.Typed, view.Error = typed, problem
	return k.page(c, status, pages.SigningKeysReplace(view))
}

func (k *Console) keysReplaced(c echo.Context, v Visit) error {
	if in := forms.ReadRemove(v.Form); in.Confirm != v.Member.TenantSlug {
		return k.keysReplaceForm(c, v, http.StatusUnprocessableEntity, in.Confirm, "This is not the workspace's slug.")
	}
	if err := keys.Emergency(c.Request().Context(), k.cfg.DB, v.Handle); err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("authorization", "keys"), "A new key signs from now on. Access tokens of the old keys are refused; clients refresh by themselves.")
}
