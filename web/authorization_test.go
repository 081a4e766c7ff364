package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

func TestAuthorizationSettings(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		stored := func() (s settings.Settings) {
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				s, err = settings.Load(tx)
				return err
			}))
			return s
		}
		form := func(change url.Values) url.Values {
			out := url.Values{
				"csrf": {b.token(t, p, "/acme/authorization")}, "version": {"0"}, "cimd": {"known"}, "dcr": {"listed"}, "dcr_hosts": {"app.example.com\r\n b.example \n"},
				"review": {"on"}, "access": {"900"}, "refresh_idle": {"86400"}, "family": {"604800"}, "dpop": {"required"}, "par": {"off"}, "signing_alg": {"RS256"}, "device": {"on"},
			}
			for name, value := range change {
				out[name] = value
			}
			return out
		}

		page := b.send(t, p, http.MethodGet, "/acme/authorization", nil, nil)
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, page.body, `value="3600" selected`)
		require.Equal(t, settings.Defaults(), stored(), "looking changes nothing")

		refused := b.send(t, p, http.MethodPost, "/acme/authorization", form(url.Values{"dcr_hosts": {"https://x"}, "access": {"9223372036854775807"}, "family": {"x"}}), nil)
		require.Equal(t, http.StatusUnprocessableEntity, refused.status)
		require.Contains(t, refused.body, "is no host name")
		require.Contains(t, refused.body, "Choose from 5 minutes to 24 hours.")
		require.Contains(t, refused.body, "https://x", "what was typed is still there")
		require.Equal(t, settings.Defaults(), stored())

		saved := b.send(t, p, http.MethodPost, "/acme/authorization", form(nil), nil)
		require.Equal(t, http.StatusSeeOther, saved.status, saved.body)
		want := settings.Settings{
			CIMD: settings.Known, DCR: settings.Listed, DCRHosts: []string{"app.example.com", "b.example"}, Review: true, Access: 900e9, RefreshIdle: 86400e9, Family: 604800e9,
			DPoP: settings.Required, PAR: settings.Never, Device: true, SigningAlg: settings.RS256, Version: 1,
		}
		require.Equal(t, want, stored())

		conflict := b.send(t, p, http.MethodPost, "/acme/authorization", form(url.Values{"cimd": {"off"}}), nil)
		require.Equal(t, http.StatusConflict, conflict.status)
		require.Contains(t, conflict.body, "Someone changed these settings")
		require.Contains(t, conflict.body, `name="version" value="1"`)
		require.Equal(t, want, stored())

		viewer := b.person(t, "Vic")
		b.join(t, h, viewer, "developer")
		require.Contains(t, b.send(t, viewer, http.MethodGet, "/acme/authorization", nil, nil).body, "read-only")
		forbidden := b.send(t, viewer, http.MethodPost, "/acme/authorization", url.Values{"csrf": {b.token(t, viewer, "/workspaces/new")}, "version": {"1"}}, nil)
		require.Equal(t, http.StatusForbidden, forbidden.status)
		require.Equal(t, want, stored())
	})
}

func TestSigningKeysPage(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		list := func() (out []keys.Info) {
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				out, err = keys.List(tx)
				return err
			}))
			return out
		}
		if len(list()) == 0 {
			require.NoError(t, env.DB.Write(t.Context(), h, keys.Create))
		}
		first := list()
		require.Len(t, first, 1)
		require.Contains(t, b.send(t, p, http.MethodGet, "/acme/authorization/keys", nil, nil).body, first[0].KID)

		post := func(path string, form url.Values) *answer {
			form.Set("csrf", b.token(t, p, "/workspaces/new"))
			return b.send(t, p, http.MethodPost, path, form, nil)
		}
		require.Equal(t, http.StatusSeeOther, post("/acme/authorization/keys", url.Values{}).status)
		require.Len(t, list(), 2)
		require.Equal(t, keys.Next, list()[0].State)
		require.Equal(t, http.StatusSeeOther, post("/acme/authorization/keys", url.Values{}).status)
		require.Contains(t, b.send(t, p, http.MethodGet, "/acme/authorization/keys", nil, nil).body, "The next key is published already")
		require.Len(t, list(), 2)

		require.Equal(t, http.StatusUnprocessableEntity, post("/acme/authorization/keys/replace", url.Values{"confirm": {"other"}}).status)
		require.Len(t, list(), 2)
		require.Equal(t, http.StatusSeeOther, post("/acme/authorization/keys/replace", url.Values{"confirm": {"acme"}}).status)
		require.Len(t, list(), 1)
		require.NotEqual(t, first[0].KID, list()[0].KID)
	})
}
