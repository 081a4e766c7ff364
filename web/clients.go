package web

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

// clientsShown is how many clients a page lists; a search finds the others.
const clientsShown = 200

// clientKey stands for a client's id in an address: an id may be a URL.
func clientKey(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

func clientID(key string) string {
	id, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return "" // which no client has
	}
	return string(id)
}

func (k *Console) clients(c echo.Context, v Visit) error {
	filter := clients.Filter{Text: strings.TrimSpace(c.QueryParam("q")), Kind: clients.Kind(c.QueryParam("kind")), Status: clients.Status(c.QueryParam("status")), Limit: clientsShown}
	var list []clients.Client
	var use map[string]server.Use
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		if list, err = k.cfg.Clients.List(tx, filter); err != nil {
			return err
		}
		ids := make([]string, len(list))
		for i, one := range list {
			ids[i] = one.ID
		}
		use, err = server.UseOf(tx, ids)
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionClients)
	if err != nil {
		return err
	}
	view := pages.ClientsPage{Shell: settingsShell(shell, v), Query: filter.Text, Kind: string(filter.Kind), Status: string(filter.Status), More: len(list) == clientsShown}
	for _, one := range list {
		view.Rows = append(view.Rows, clientRow(one, use[one.ID]))
	}
	return k.page(c, http.StatusOK, pages.Clients(view))
}

func (k *Console) oneClient(ctx context.Context, v Visit, key string) (one clients.Client, use server.Use, err error) {
	err = k.cfg.DB.Read(ctx, v.Handle, func(tx *tenancy.Tx) error {
		if one, err = k.cfg.Clients.Get(tx, clientID(key)); err != nil {
			return err
		}
		counts, err := server.UseOf(tx, []string{one.ID})
		use = counts[one.ID]
		return err
	})
	return one, use, err
}

func (k *Console) client(c echo.Context, v Visit) error {
	return k.clientPage(c, v, http.StatusOK, c.Param("client"), "")
}

// clientPage shows a client, and the secret that it was just given.
func (k *Console) clientPage(c echo.Context, v Visit, status int, key, secret string) error {
	one, use, err := k.oneClient(c.Request().Context(), v, key)
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionClients)
	if err != nil {
		return err
	}
	return k.page(c, status, pages.Client(clientView(settingsShell(shell, v), one, use, secret)))
}

func (k *Console) clientNew(c echo.Context, v Visit) error {
	return k.clientForm(c, v, http.StatusOK, pages.ClientFormPage{Values: pages.ClientValues{Kind: "app", AuthMethod: clients.AuthNone}})
}

func (k *Console) clientForm(c echo.Context, v Visit, status int, view pages.ClientFormPage) error {
	shell, err := k.tenantShell(c, v, pages.SectionClients)
	if err != nil {
		return err
	}
	view.Shell = settingsShell(shell, v)
	return k.page(c, status, pages.ClientForm(view))
}

func clientSpec(in forms.Client) clients.Spec {
	return clients.Spec{
		Name: in.Name, Service: in.Service, Device: in.Device, RedirectURIs: in.RedirectURIs, AuthMethod: in.AuthMethod, JWKSURI: in.JWKSURI,
		Scope: strings.Fields(in.Scope), DPoPRequired: in.DPoP, PARRequired: in.PAR,
	}
}

// clientCreate shows the secret in its own answer: it is kept nowhere.
func (k *Console) clientCreate(c echo.Context, v Visit) error {
	in := forms.ReadClient(v.Form)
	var made clients.Client
	var secret string
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		made, secret, err = k.cfg.Clients.Preregister(tx, clientSpec(in))
		return err
	})
	if err != nil {
		return k.clientAgain(c, v, in, pages.ClientFormPage{}, err)
	}
	if secret == "" {
		return k.seeWith(c, v.Session, v.path("clients", clientKey(made.ID)), made.Name+" is entered.")
	}
	return k.clientPage(c, v, http.StatusOK, clientKey(made.ID), secret)
}

func (k *Console) clientAgain(c echo.Context, v Visit, in forms.Client, view pages.ClientFormPage, err error) error {
	status, ok := k.again(c, err)
	if errs.Is(err, errs.Stale) {
		status, ok = http.StatusConflict, true
	}
	if !ok {
		return err
	}
	view.Values = typedClient(in)
	view.Errors, view.Summary = errs.FieldsOf(err), errs.Public(err)
	if text := view.Errors["jwks"]; text != "" { // the form asks for their address only
		view.Errors["jwks_uri"] = text
		delete(view.Errors, "jwks")
	}
	return k.clientForm(c, v, status, view)
}

func (k *Console) clientEdit(c echo.Context, v Visit) error {
	one, _, err := k.oneClient(c.Request().Context(), v, c.Param("client"))
	if err != nil {
		return err
	}
	if one.Kind != clients.KindPreregistered {
		return errs.E(errs.NotFound, "This client describes itself: there is nothing to edit.", nil)
	}
	return k.clientForm(c, v, http.StatusOK, pages.ClientFormPage{Key: c.Param("client"), Values: storedClient(one)})
}

func (k *Console) clientUpdate(c echo.Context, v Visit) error {
	in := forms.ReadClient(v.Form)
	var secret string
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		_, secret, err = k.cfg.Clients.Update(tx, clientID(c.Param("client")), in.Version, clientSpec(in))
		return err
	})
	switch {
	case err != nil:
		return k.clientAgain(c, v, in, pages.ClientFormPage{Key: c.Param("client")}, err)
	case secret != "":
		return k.clientPage(c, v, http.StatusOK, c.Param("client"), secret)
	}
	return k.seeWith(c, v.Session, v.path("clients", c.Param("client")), "The changes are saved.")
}

func (k *Console) clientSecret(c echo.Context, v Visit) error {
	var secret string
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		secret, err = k.cfg.Clients.RotateSecret(tx, clientID(c.Param("client")))
		return err
	})
	if err != nil {
		return err
	}
	return k.clientPage(c, v, http.StatusOK, c.Param("client"), secret)
}

func (k *Console) clientStatus(c echo.Context, v Visit) error {
	status := clients.Status(forms.ReadStatus(v.Form))
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) error {
		return k.cfg.Clients.SetStatus(tx, clientID(c.Param("client")), status)
	})
	if err != nil {
		return err
	}
	said := map[clients.Status]string{clients.Active: "The client may sign people in.", clients.Held: "The client is held. What it was given ended.", clients.Blocked: "The client is blocked. What it was given ended."}
	return k.seeWith(c, v.Session, v.path("clients", c.Param("client")), said[status])
}

func (k *Console) clientDelete(c echo.Context, v Visit) error {
	one, use, err := k.oneClient(c.Request().Context(), v, c.Param("client"))
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionClients)
	if err != nil {
		return err
	}
	return k.page(c, http.StatusOK, pages.ClientDelete(clientView(settingsShell(shell, v), one, use, "")))
}

func (k *Console) clientDeleted(c echo.Context, v Visit) error {
	err := k.cfg.DB.Write(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) error { return k.cfg.Clients.Delete(tx, clientID(c.Param("client"))) })
	if err != nil {
		return err
	}
	return k.seeWith(c, v.Session, v.path("clients"), "The client is deleted, and what it was given ended.")
}
