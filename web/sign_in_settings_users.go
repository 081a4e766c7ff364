package web

import (
	"net/http"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

// shownUsers is the most that the list shows; who is not in it is found by searching.
const (
	shownUsers  = 100
	longestName = 254 // bytes, of what is searched
)

func (k *Console) endUsers(c echo.Context, v Visit) error {
	query := c.QueryParam("q")
	if len(query) > longestName || !utf8.ValidString(query) {
		query = ""
	}
	var users []idp.User
	var total int64
	names := map[string]string{}
	err := k.cfg.DB.Read(c.Request().Context(), v.Handle, func(tx *tenancy.Tx) (err error) {
		providers, err := idp.List(tx)
		if err != nil {
			return err
		}
		for _, p := range providers {
			names[p.ID] = p.Name
		}
		users, total, err = idp.Users(tx, idp.Page{Search: query, Limit: shownUsers})
		return err
	})
	if err != nil {
		return err
	}
	shell, err := k.tenantShell(c, v, pages.SectionIdentity)
	if err != nil {
		return err
	}
	view := pages.EndUsersPage{Shell: settingsShell(shell, v), Query: query, Found: foundUsers(len(users), total)}
	for _, u := range users {
		view.Rows = append(view.Rows, endUserRow(u, names[u.ProviderID]))
	}
	return k.page(c, http.StatusOK, pages.EndUsers(view))
}

func (k *Console) endUserBlock(c echo.Context, v Visit) error {
	blocked := forms.Blocked(v.Form)
	if err := k.cfg.Providers.SetBlocked(c.Request().Context(), v.Handle, c.Param("user"), blocked); err != nil {
		return err
	}
	message := "The person can sign in again."
	if blocked {
		message = "The person is blocked and signed out everywhere. Every edge follows within seconds."
	}
	return k.seeWith(c, v.Session, v.path("sign-in", "users"), message)
}
