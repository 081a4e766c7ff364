package server_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
)

// service asks for a token of the client's own.
func (a *app) service(more ...string) tokens {
	a.tn.b.t.Helper()
	v := url.Values{"grant_type": {oplib.GrantClientCredentials}}
	apply(v, more)
	return a.basic("/token", v)
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.change(func(s *settings.Settings) { s.ClientCredentials = true })
		a := tn.confidential("", oplib.GrantClientCredentials)
		got := a.service("scope", "mcp offline_access nonsense")
		require.Equal(b.t, 200, got.status, got.body)
		require.Empty(b.t, got.Refresh)
		require.NotContains(b.t, got.body, "refresh_token")
		require.Equal(b.t, "Bearer", got.Type)
		require.Equal(b.t, 3600, got.Expires)
		require.Equal(b.t, "mcp", got.Scope, "nothing renews it, and the rest is unknown")
		claims := got.claims()
		require.Equal(b.t, "client:"+a.id, claims["sub"], "no client can choose to be a person")
		require.Equal(b.t, a.id, claims["client_id"])
		require.Equal(b.t, tn.mcp("tickets"), claims["aud"])
		require.Equal(b.t, int64(1), tn.count("token_families", "origin = ? AND subject = ? AND id = ?", "client_credentials", "client:"+a.id, got.family()))

		// A secret in the body does as well, and the token can be ended.
		body := a.post("/token", url.Values{"grant_type": {oplib.GrantClientCredentials}, "client_id": {a.id}, "client_secret": {clientSecret}})
		require.Equal(b.t, 200, body.status, body.body)
		require.NotEqual(b.t, got.family(), body.family())
		p := a.http.request("POST", "/revoke", "token="+got.Access, "Content-Type", formType, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.id+":"+clientSecret)))
		require.Equal(b.t, 200, p.status, p.body)
		require.Equal(b.t, []string{got.family()}, tn.revoked())
	})
}

func TestA9ServiceTokenIsForOneResource(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.change(func(s *settings.Settings) { s.ClientCredentials = true })
		wiki := tn.upstream("wiki")
		a := tn.confidential("", oplib.GrantClientCredentials)
		for _, wrong := range [][]string{nil, {"https://other/"}, {tn.issuer}, {tn.issuer + "/"}, {wiki, tn.mcp("tickets")}, {wiki, wiki}, {tn.mcp("nothing")}} {
			v := url.Values{"grant_type": {oplib.GrantClientCredentials}, "resource": wrong}
			require.Equal(b.t, "invalid_target", a.basic("/token", v).Error, wrong)
		}
		require.Equal(b.t, wiki, a.service("resource", wiki).claims()["aud"])
		require.Zero(b.t, tn.count("token_families", "resource <> ?", wiki))
	})
}

// TestA17ServiceClientsProveThemselves: a client_id alone, a wrong secret and another
// way than the registered one give nothing.
func TestA17ServiceClientsProveThemselves(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.change(func(s *settings.Settings) { s.ClientCredentials = true })
		a := tn.confidential("", oplib.GrantClientCredentials)
		basic := func(userinfo string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo)) }
		for what, refused := range map[string]struct {
			form   url.Values
			header string
			status int
			code   string
		}{
			"client_id alone":     {url.Values{"client_id": {a.id}}, "", 401, "invalid_client"},
			"nothing":             {url.Values{}, "", 400, "invalid_request"},
			"an empty secret":     {url.Values{}, basic(a.id + ":"), 401, "invalid_client"},
			"a wrong secret":      {url.Values{}, basic(a.id + ":wrong"), 401, "invalid_client"},
			"no base64":           {url.Values{}, "Basic !", 401, "invalid_client"},
			"no colon":            {url.Values{}, basic(a.id), 401, "invalid_client"},
			"a broken escape":     {url.Values{}, basic(a.id + ":%zz"), 401, "invalid_client"},
			"header and id alone": {url.Values{"client_id": {a.id}}, "Basic !", 401, "invalid_client"},
			"two ways":            {url.Values{"client_secret": {clientSecret}}, basic(a.id + ":" + clientSecret), 400, "invalid_request"},
			"an assertion too":    {url.Values{"client_assertion": {"x"}}, basic(a.id + ":" + clientSecret), 400, "invalid_request"},
			"another client_id":   {url.Values{"client_id": {"cli_other"}}, basic(a.id + ":" + clientSecret), 400, "invalid_request"},
			"an unknown client":   {url.Values{}, basic("cli_other:" + clientSecret), 401, "invalid_client"},
		} {
			refused.form.Set("grant_type", oplib.GrantClientCredentials)
			header := []string{"Content-Type", formType}
			if refused.header != "" {
				header = append(header, "Authorization", refused.header)
			}
			p := a.http.request("POST", "/token", refused.form.Encode(), header...)
			require.Equal(b.t, refused.status, p.status, "%s: %s", what, p.body)
			require.Contains(b.t, p.body, `"error":"`+refused.code+`"`, what)
			require.Equal(b.t, []string{"no-store"}, p.header.Values("Cache-Control"))
			require.Equal(b.t, refused.status == 401 && refused.header != "", strings.HasPrefix(p.header.Get("WWW-Authenticate"), "Basic "), what)
		}
		require.Zero(b.t, tn.count("token_families", "1 = 1"))
		require.NotContains(b.t, tn.b.log.String(), clientSecret)
	})
}

func TestServiceCeilingAndBlock(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.change(func(s *settings.Settings) { s.ClientCredentials = true })
		tn.write(func(tx *tenancy.Tx) error { return defineScopes(tx, "tickets:read", "tickets:write") })
		free, bound := tn.confidential("", oplib.GrantClientCredentials), tn.confidential("mcp tickets:read", oplib.GrantClientCredentials)
		require.Equal(b.t, "mcp tickets:read tickets:write", free.service("scope", "tickets:write tickets:read").Scope)
		got := bound.service("scope", "tickets:write tickets:read")
		require.Equal(b.t, "mcp tickets:read", got.Scope)

		tn.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&serviceRow{}).Where("id = ?", bound.id).Update("status", "blocked").Error
		})
		refused := bound.service()
		require.Equal(b.t, 401, refused.status)
		require.Equal(b.t, "invalid_client", refused.Error)
	})
}
