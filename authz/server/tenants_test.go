package server_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/grants/profiles"
	downstream "github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/test/fakes/oidc"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

// cross is a browser whose cookies of one tenant are carried to another, which a
// real browser never does.
func (br *browser) cross(to *tenant) *browser {
	from, err := url.Parse(br.tn.issuer)
	require.NoError(br.tn.b.t, err)
	u, err := url.Parse(to.issuer)
	require.NoError(br.tn.b.t, err)
	other := to.browser()
	cookies := br.client.Jar.Cookies(from)
	for _, c := range cookies {
		c.Secure, c.Path = true, "/"
	}
	require.Len(br.tn.b.t, cookies, 2)
	other.client.Jar.SetCookies(u, cookies)
	return other
}

// TestTwoTenants walks every route: with A's real ids and tokens the request
// succeeds at A, the same request at B fails, and B's answer holds nothing of A's.
// A route without an entry fails.
func TestTwoTenants(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, a *tenant) {
		other := b.tenant("bravo")
		other.upstream("tickets")
		const name = "Canary App"
		registered := a.register(`{"client_name":"` + name + `","redirect_uris":["` + callback + `"]}`)
		require.Equal(b.t, 201, registered.status)
		client := a.app()
		here := a.browser()
		client.consentPage(here) // signed in
		there := here.cross(other)
		keys := here.get("/jwks").body
		kid := keys[strings.Index(keys, `"kid":"`)+7:][:43]
		canaries := []string{"acme", "Northwind", "Described", name, a.handle.Tenant(), a.owner.ID, a.owner.Email, a.owner.Name, kid, "Runtime tickets of acme"}

		form := func(br *browser, path string, v url.Values) page { return br.submit(path, v) }
		pageOf := func(path string) func(br *browser) page {
			consent := client.consentPage(here).fields()
			if path == "/sign-in" {
				b.env.Clock.Advance(time.Second)
				consent = here.get(client.authorize(here, "prompt", "login").location).fields()
			}
			return func(br *browser) page { return br.get(path + "?attempt=" + consent.Get("attempt")) }
		}
		post := func(path string) func(br *browser) page {
			v := client.consentPage(here).fields("decision", "allow", "email", a.owner.Email, "password", password)
			return func(br *browser) page { return form(br, path, v) }
		}
		own := func(path string) func(br *browser) page {
			v := here.get("/me/apps").fields("client", "cli_none")
			return func(br *browser) page { return form(br, path, v) }
		}
		code := client.code(here)
		live := client.tokens(here)
		a.change(func(s *settings.Settings) { s.Device = true })
		service, access := a.service()
		type entry struct {
			do       func(br *browser) page
			ok, fail int
			// public entries take no id: B answers about itself.
			public bool
		}
		public := func(path string) entry {
			return entry{func(br *browser) page { return br.get(strings.Replace(path, "{upstream}", "tickets", 1)) }, 200, 200, true}
		}
		managed := func(method string, ok int) entry {
			var made struct {
				ID    string `json:"client_id"`
				Token string `json:"registration_access_token"`
			}
			require.NoError(b.t, json.Unmarshal([]byte(a.register(`{"redirect_uris":["`+callback+`"]}`).body), &made))
			return entry{func(br *browser) page {
				return br.request(method, "/register/"+made.ID, `{"client_id":"`+made.ID+`","redirect_uris":["`+callback+`"]}`, "Content-Type", "application/json", "Authorization", "Bearer "+made.Token)
			}, ok, 401, false}
		}
		fake := oidc.New(b.t)
		provider := a.provider(fake)
		ticket, err := b.server.Providers().NewTrial(b.t.Context(), a.handle, provider.ID)
		require.NoError(b.t, err)
		trial := func(br *browser) page { return br.get("/sign-in/" + provider.ID + "?trial=" + ticket) }
		away := func(br *browser) page { return br.submit("/sign-in/"+provider.ID, trial(here).fields()) }
		behind := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		profile := a.profile(behind)
		a.attachFor(profile, profiles.NeededForNothing, "todos.read") // the other entries go on without
		described := a.loose(profiles.Input{
			Name: "Described", Kind: profiles.KindOAuth, Preset: "generic", Settings: profiles.Settings{Discovery: profiles.Manual, Endpoints: downstream.Endpoints{Authorization: behind.Authorization, Token: behind.Token, AuthMethods: []string{profiles.AuthKey}}},
			Client: profiles.ClientInput{Kind: profiles.CIMD, AuthMethod: profiles.AuthKey, KeyAlg: profiles.KeyES256},
		})
		card := func(br *browser) page { return br.get("/connect?profile=" + profile.ID) }
		connecting := func(br *browser) page { return br.submit("/connect", card(here).fields("decision", "connect")) }
		link := func() string { return a.link(profile, a.owner.ID, client.id) }
		used := link()
		linked := here.get(here.get(used).location)
		require.Equal(b.t, 200, linked.status, linked.body)
		done := here.get(back(profile, behind.Approve(b.t, here.away(linked)))).location
		document := func(path string) func(br *browser) page {
			return func(br *browser) page { return br.get(strings.Replace(path, "{profile}", described.ID, 1)) }
		}
		ending := func(br *browser) page { return br.get("/me/apps/disconnect?profile=" + profile.ID) }
		entries := map[string]entry{
			"GET /connect":  {card, 200, 303, false},
			"POST /connect": {connecting, 303, 403, false},
			"GET /connect/callback/{profile}": {func(br *browser) page {
				return br.get(back(profile, behind.Approve(b.t, connecting(here).location)))
			}, 303, 400, false},
			"GET /connect/done":                {func(br *browser) page { return br.get(done) }, 200, 303, false},
			"GET /connect/{token}":             {func(br *browser) page { return br.get(br.get(link()).location) }, 200, 303, false},
			"GET /oauth/client/{profile}":      {document("/oauth/client/{profile}"), 200, 404, false},
			"GET /oauth/client/{profile}/jwks": {document("/oauth/client/{profile}/jwks"), 200, 404, false},
			"GET /me/apps/disconnect":          {ending, 200, 303, false},
			"POST /me/apps/disconnect": {func(br *browser) page {
				return br.submit("/me/apps/disconnect", ending(here).fields())
			}, 303, 403, false},
			"GET /sign-in/{provider}":  {trial, 200, 404, false},
			"POST /sign-in/{provider}": {away, 303, 404, false},
			"GET /callback/{provider}": {func(br *browser) page {
				return br.get(idp.CallbackPath(provider.ID) + "?" + fake.Approve(away(here).location).Encode())
			}, 200, 400, false},
			"GET /register/{client}": managed("GET", 200), "PUT /register/{client}": managed("PUT", 200), "DELETE /register/{client}": managed("DELETE", 204),
			"GET /":     public("/"),
			"GET /jwks": public("/jwks"),
			"POST /device_authorization": {func(br *browser) page {
				return br.request("POST", "/device_authorization", "client_id="+client.id, "Content-Type", formType)
			}, 400, 404, false},
			"GET /device":  {func(br *browser) page { return br.get("/device") }, 200, 404, false},
			"POST /device": {func(br *browser) page { return br.submit("/device", url.Values{"user_code": {"BBBB-BBBB"}}) }, 403, 404, false},
			"POST /register": {func(br *browser) page {
				return br.request("POST", "/register", `{"redirect_uris":["`+callback+`"]}`, "Content-Type", "application/json")
			}, 201, 201, true},
			"GET /authorize":  {func(br *browser) page { return br.get("/authorize?" + client.query().Encode()) }, 302, 400, false},
			"POST /authorize": {func(br *browser) page { return br.get(form(br, "/authorize", client.query()).location) }, 302, 400, false},
			"POST /token": {func(br *browser) page {
				return form(br, "/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {client.id}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {client.verifier}})
			}, 200, 401, false},
			"POST /revoke": {func(br *browser) page {
				return form(br, "/revoke", url.Values{"client_id": {client.id}, "token": {live.Refresh}})
			}, 200, 401, false},
			"POST /par": {func(br *browser) page {
				return br.request("POST", "/par", client.query().Encode(), "Content-Type", formType)
			}, 201, 401, false},
			"POST /introspect": {func(br *browser) page {
				return br.request("POST", "/introspect", "token="+access.Access, "Content-Type", formType, "Authorization", service.authorization())
			}, 200, 401, false},
			"GET /done":                    {pageOf("/done"), 303, 404, false},
			"GET /me/apps":                 {func(br *browser) page { return br.get("/me/apps") }, 200, 303, false},
			"POST /me/apps/revoke":         {own("/me/apps/revoke"), 303, 403, false},
			"POST /me/apps/revoke-all":     {own("/me/apps/revoke-all"), 303, 403, false},
			"POST /me/sign-out-everywhere": {own("/me/sign-out-everywhere"), 200, 403, false},
			"POST /me/sign-out":            {own("/me/sign-out"), 303, 403, false}, // after the one before nobody is signed in
			"GET /sign-in":                 {pageOf("/sign-in"), 200, 404, false},
			"GET /consent":                 {pageOf("/consent"), 200, 404, false},
			"POST /sign-in":                {post("/sign-in"), 303, 404, false},
			"POST /consent":                {post("/consent"), 303, 404, false},
			"POST /sign-out":               {post("/sign-out"), 303, 404, false},
		}
		for _, kind := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
			for _, path := range []string{kind, kind + "/{upstream}/mcp", "/{upstream}/mcp" + kind} {
				entries["GET "+path] = public(path)
			}
		}
		routes := b.server.Routes()
		require.Len(b.t, entries, len(routes))
		for _, r := range routes {
			e, ok := entries[r.Method+" "+r.Path]
			require.True(b.t, ok, "%s %s has no entry here", r.Method, r.Path)
			if strings.Contains(r.Path, "sign-out") {
				continue // last: it ends the session that the others need
			}
			check(b.t, r.Method+" "+r.Path, e.do(here), e.do(there), e.ok, e.fail, canaries)
		}
		for _, name := range []string{"POST /me/sign-out-everywhere", "POST /me/sign-out", "POST /sign-out"} {
			e := entries[name]
			check(b.t, name, e.do(here), e.do(there), e.ok, e.fail, canaries)
		}

		// With a client of B's own, A's tokens are nothing either.
		guest := other.app()
		fresh := client.tokens(a.browser())
		unused := client.code(a.browser())
		for what, got := range map[string]tokens{
			"refresh":  guest.refresh(fresh.Refresh),
			"code":     guest.redeem(unused, "code_verifier", client.verifier),
			"resource": guest.refresh(fresh.Refresh, "resource", a.mcp("tickets")),
		} {
			require.Equal(b.t, "invalid_grant", got.Error, what)
		}
		for _, token := range []string{fresh.Refresh, fresh.Access} {
			require.Equal(b.t, http.StatusOK, guest.post("/revoke", url.Values{"client_id": {guest.id}, "token": {token}}).status)
		}
		require.Equal(b.t, 200, client.refresh(fresh.Refresh).status, "still alive at A")
		require.Equal(b.t, 200, client.redeem(unused).status)
		require.Equal(b.t, 404, a.browser().request("GET", "https://nobody.mcp.test/authorize", "").status)
	})
}

func check(t testing.TB, name string, a, b page, ok, fail int, canaries []string) {
	t.Helper()
	require.Equal(t, ok, a.status, "%s at A: %s", name, a.body)
	require.Equal(t, fail, b.status, "%s at B: %s", name, b.body)
	for _, canary := range canaries {
		require.NotContains(t, b.body, canary, name)
		for _, values := range b.header {
			require.NotContains(t, strings.Join(values, "\n"), canary, name)
		}
	}
}
