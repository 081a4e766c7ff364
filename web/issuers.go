package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/issuers"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

// issuers lists whose assertions are accepted (enterprise-managed authorization).
func (k *Console) issuers(c echo.Context, v Visit) error {
	var list []issuers.Issuer
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		list, err = issuers.List(tx)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionAuthorization)
	if err != nil {
		return err
	}
	view := pages.IssuersPage{Shell: settingsShell(shell, v)}
	for _, one := range list {
		view.Rows = append(view.Rows, pages.IssuerRow{ID: one.ID, Name: one.Name, Issuer: one.Issuer, Clients: len(one.Clients), Added: moment(one.CreatedAt)})
	}
	return k.page(c, http.StatusOK, pages.Issuers(view))
}

func (k *Console) issuerNew(c echo.Context, v Visit) error {
	return k.issuerForm(c, v, http.StatusOK, pages.IssuerFormPage{})
}

func (k *Console) issuerForm(c echo.Context, v Visit, status int, view pages.IssuerFormPage) error {
	shell, err := k.tenantShell(c, v, pages.SectionAuthorization)
	if err != nil {
		return err
	}
	view.Shell = settingsShell(shell, v)
	return k.page(c, status, pages.IssuerForm(view))
}

func (k *Console) issuerCreate(c echo.Context, v Visit) error {
	in := forms.ReadIssuer(v.Form)
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) error {
		_, err := issuers.Add(tx, k.cfg.URLs, issuerInput(in))
		return err
	})
	if err == nil {
		return k.seeWith(c, v.Session, v.path("authorization", "issuers"), in.Name+" is trusted from now on.")
	}
	return k.issuerAgain(c, v, in, pages.IssuerFormPage{}, err)
}

func (k *Console) issuerAgain(c echo.Context, v Visit, in forms.Issuer, view pages.IssuerFormPage, err error) error {
	status, ok := k.again(c, err)
	if !ok {
		return err
	}
	view.Values = pages.IssuerValues{Name: in.Name, Issuer: in.Issuer, JWKSURI: in.JWKSURI, Clients: strings.Join(in.Clients, "\n")}
	view.Errors, view.Summary = errs.FieldsOf(err), errs.Public(err)
	return k.issuerForm(c, v, status, view)
}

func issuerInput(in forms.Issuer) issuers.Input {
	return issuers.Input{Name: in.Name, Issuer: in.Issuer, JWKSURI: in.JWKSURI, Clients: in.Clients}
}

func (k *Console) issuer(ctx context.Context, v Visit, id string) (one issuers.Issuer, err error) {
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		one, err = issuers.Get(tx, id)
		return err
	})
	return one, err
}

func (k *Console) issuerEdit(c echo.Context, v Visit) error {
	one, err := k.issuer(c.Request().Context(), v, c.Param("issuer"))
	if err != nil {
		return err
	}
	return k.issuerForm(c, v, http.StatusOK, pages.IssuerFormPage{ID: one.ID, Values: pages.IssuerValues{
		Name: one.Name, Issuer: one.Issuer, JWKSURI: one.JWKSURI, Clients: strings.Join(one.Clients, "\n"),
	}})
}

func (k *Console) issuerUpdate(c echo.Context, v Visit) error {
	one, err := k.issuer(c.Request().Context(), v, c.Param("issuer"))
	if err != nil {
		return err
	}
	in := forms.ReadIssuer(v.Form)
	in.Issuer = one.Issuer
	err = k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) error { return issuers.Update(tx, k.cfg.URLs, one.ID, issuerInput(in)) })
	if err == nil {
		return k.seeWith(c, v.Session, v.path("authorization", "issuers"), "The changes are saved.")
	}
	return k.issuerAgain(c, v, in, pages.IssuerFormPage{ID: one.ID}, err)
}

// issuerRemoval says what ends, before it does.
func (k *Console) issuerRemoval(c echo.Context, v Visit) error {
	var one issuers.Issuer
	var given int
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		if one, err = issuers.Get(tx, c.Param("issuer")); err != nil {
			return err
		}
		given, err = server.GivenBy(tx, one.ID)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionAuthorization)
	if err != nil {
		return err
	}
	view := pages.IssuerRemovePage{Shell: settingsShell(shell, v), ID: one.ID, Name: one.Name}
	if given > 0 {
		view.Given = count(int64(given), "sign-in") + " that it gave " + yes(given == 1, "ends", "end")
	}
	return k.page(c, http.StatusOK, pages.IssuerRemove(view))
}

func (k *Console) issuerRemove(c echo.Context, v Visit) error {
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) error { return k.cfg.Issuers.RemoveIssuer(tx, c.Param("issuer")) })
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("authorization", "issuers"), "The issuer is trusted no more, and what it gave has ended.")
}
