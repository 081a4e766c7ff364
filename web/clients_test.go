package web_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

var shownSecret = regexp.MustCompile(`id="client-secret">([A-Za-z0-9_-]{20,})<`)

func TestClientPages(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		get := func(path string) *answer { return b.send(t, p, http.MethodGet, path, nil, nil) }
		post := func(path string, form url.Values) *answer {
			form.Set("csrf", b.token(t, p, "/workspaces/new"))
			return b.send(t, p, http.MethodPost, path, form, nil)
		}
		list := func() (out []clients.Client) {
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				out, err = b.config.Clients.List(tx, clients.Filter{})
				return err
			}))
			return out
		}

		require.Contains(t, get("/acme/clients").body, "No client has come yet")
		refused := post("/acme/clients/new", url.Values{"name": {""}, "kind": {"app"}, "auth_method": {"none"}, "redirect_uris": {"javascript:alert(1)"}})
		require.Equal(t, http.StatusUnprocessableEntity, refused.status)
		require.Contains(t, refused.body, "Give the client a name.")
		require.Contains(t, refused.body, "javascript:alert(1)", "what was typed is still there, as text")
		require.NotContains(t, refused.body, `href="javascript`)

		made := post("/acme/clients/new", url.Values{"name": {"Nightly <b>job</b>"}, "kind": {"service"}, "auth_method": {"client_secret_basic"}})
		require.Equal(t, http.StatusOK, made.status, made.body)
		secret := shownSecret.FindStringSubmatch(made.body)
		require.NotNil(t, secret, made.body)
		require.NotContains(t, made.body, "<b>job")
		service := list()[0]
		require.True(t, service.Service())
		require.Equal(t, clients.KindPreregistered, service.Kind)
		page := "/acme/clients/" + base64.RawURLEncoding.EncodeToString([]byte(service.ID))
		require.NotContains(t, get(page).body, secret[1], "it is shown once")
		require.Contains(t, get("/acme/clients").body, strings.TrimPrefix(page, "/acme/"))
		require.Contains(t, get("/acme/clients?q=NIGHTLY").body, "1 client")
		require.Contains(t, get("/acme/clients?q=zzz").body, "No client matches")

		again := post(page+"/secret", url.Values{})
		require.Equal(t, http.StatusOK, again.status)
		require.NotEqual(t, secret[1], shownSecret.FindStringSubmatch(again.body)[1])
		require.Contains(t, get(page).body, "The one before works until")

		require.Equal(t, http.StatusSeeOther, post(page+"/status", url.Values{"status": {"blocked"}}).status)
		require.Equal(t, clients.Blocked, list()[0].Status)
		require.Contains(t, b.ended, service.ID)
		require.Contains(t, get("/acme/clients?status=blocked").body, "Blocked")
		require.Equal(t, http.StatusUnprocessableEntity, post(page+"/status", url.Values{"status": {"admin"}}).status)
		require.Equal(t, http.StatusSeeOther, post(page+"/status", url.Values{"status": {"active"}}).status)

		require.Equal(t, http.StatusSeeOther, post("/acme/clients/new", url.Values{"name": {"Portal"}, "kind": {"app"}, "auth_method": {"none"}, "redirect_uris": {"https://portal.example.com/cb\r\nhttp://127.0.0.1/cb"}}).status)
		portal := list()
		require.Len(t, portal, 2)
		i := 0
		if portal[0].Name != "Portal" {
			i = 1
		}
		edit := "/acme/clients/" + base64.RawURLEncoding.EncodeToString([]byte(portal[i].ID)) + "/edit"
		require.Contains(t, get(edit).body, "https://portal.example.com/cb")
		form := url.Values{"name": {"Portal 2"}, "kind": {"app"}, "auth_method": {"client_secret_post"}, "redirect_uris": {"https://portal.example.com/cb"}, "version": {"1"}}
		saved := post(edit, form)
		require.NotNil(t, shownSecret.FindStringSubmatch(saved.body), "a client that had no secret got one")
		require.Equal(t, http.StatusConflict, post(edit, form).status)

		require.Contains(t, get(page+"/delete").body, "What it was given ends at once")
		require.Equal(t, http.StatusSeeOther, post(page+"/delete", url.Values{}).status)
		require.Len(t, list(), 1)
		require.Equal(t, http.StatusNotFound, get(page).status)
		require.Equal(t, http.StatusNotFound, get("/acme/clients/%00%ff").status)

		viewer := b.person(t, "Vic")
		b.join(t, h, viewer, "developer")
		require.Equal(t, http.StatusOK, b.send(t, viewer, http.MethodGet, "/acme/clients", nil, nil).status)
		require.Equal(t, http.StatusForbidden, b.send(t, viewer, http.MethodGet, "/acme/clients/new", nil, nil).status)
	})
}
