package server_test

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/urltest"
)

// requireLocal is an answer that never leaves the origin.
func requireLocal(t testing.TB, p page, code string) {
	t.Helper()
	require.Equal(t, 400, p.status, p.body)
	require.Empty(t, p.location)
	require.Equal(t, "text/html; charset=utf-8", p.header.Get("Content-Type"))
	require.Contains(t, p.body, code)
}

func TestA1RedirectMutations(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		const registered = "https://app.example/oauth/cb?b=2&a=1"
		a := tn.app(registered)
		br := tn.browser()
		require.Equal(b.t, 302, a.authorize(br, "redirect_uri", registered).status)
		all := urltest.Mutations(registered)
		require.Greater(b.t, len(all), 200)
		for _, m := range all {
			v := a.query()
			v.Set("redirect_uri", m)
			requireLocal(b.t, br.get("/authorize?"+v.Encode()), "invalid_redirect_uri")
			// Nor is an error sent there.
			v.Set("response_type", "token")
			requireLocal(b.t, br.get("/authorize?"+v.Encode()), "invalid_redirect_uri")
		}
		for _, unknown := range []string{"", "cli_unknown", "\x00", "\xff", strings.Repeat("c", 300)} {
			v := a.query("redirect_uri", registered)
			v.Set("client_id", unknown)
			p := br.get("/authorize?" + v.Encode())
			requireLocal(b.t, p, "invalid_client")
			require.Contains(b.t, p.body, "Clear authentication")
		}
	})
}

// refused reads an error redirect, and checks that it is one of ours.
func refused(t testing.TB, tn *tenant, p page) url.Values {
	t.Helper()
	require.Equal(t, 302, p.status, p.body)
	require.True(t, strings.HasPrefix(p.location, callback+"?error="), p.location)
	u, err := url.Parse(p.location)
	require.NoError(t, err)
	require.Empty(t, u.Fragment)
	q := u.Query()
	require.Equal(t, []string{tn.issuer}, q["iss"], "RFC 9207, section 2")
	require.NotContains(t, q, "code")
	return q
}

func TestAuthorizeRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		s256 := challenge(a.verifier)
		for _, c := range []struct {
			want   string
			change []string
		}{
			// A4: no PKCE, another method, another length.
			{"invalid_request", []string{"code_challenge", "-"}},
			{"invalid_request", []string{"code_challenge", "-", "code_challenge_method", "-"}},
			{"invalid_request", []string{"code_challenge_method", "-"}},
			{"invalid_request", []string{"code_challenge_method", "plain"}},
			{"invalid_request", []string{"code_challenge_method", "plain", "code_challenge", a.verifier}},
			{"invalid_request", []string{"code_challenge_method", "S512"}},
			{"invalid_request", []string{"code_challenge_method", "s256"}},
			{"invalid_request", []string{"code_challenge", "abcde"}},
			{"invalid_request", []string{"code_challenge", s256[:42]}},
			{"invalid_request", []string{"code_challenge", s256 + "A"}},
			{"invalid_request", []string{"code_challenge", s256[:42] + "="}},
			// A17: everything but a code in the query.
			{"invalid_request", []string{"response_type", "-"}},
			{"unsupported_response_type", []string{"response_type", "token"}},
			{"unsupported_response_type", []string{"response_type", "id_token"}},
			{"unsupported_response_type", []string{"response_type", "id_token token"}},
			{"unsupported_response_type", []string{"response_type", "code id_token"}},
			{"unsupported_response_type", []string{"response_type", "none"}},
			{"invalid_request", []string{"response_mode", "fragment"}},
			{"invalid_request", []string{"response_mode", "form_post"}},
			{"invalid_request", []string{"response_mode", "jwt"}},
			{"unsupported_response_type", []string{"response_mode", "fragment", "response_type", "token"}},
			{"request_not_supported", []string{"request", "eyJhbGciOiJub25lIn0.e30."}},
			{"request_not_supported", []string{"request_uri", "https://evil.example/r"}},
			{"login_required", []string{"prompt", "none"}},
			{"login_required", []string{"prompt", "none login"}},
			{"invalid_target", []string{"resource", "https://other.example/"}},
			{"invalid_request", []string{"state", strings.Repeat("s", 4097)}},
		} {
			q := refused(b.t, tn, a.authorize(br, c.change...))
			require.Equal(b.t, c.want, q.Get("error"), c.change)
			require.NotEmpty(b.t, q.Get("error_description"))
			if c.change[0] != "state" {
				require.Equal(b.t, stateCanary, q.Get("state"), c.change)
			}
		}
		for _, state := range []string{"\x00", "\xff\xfe"} {
			q := refused(b.t, tn, a.authorize(br, "state", state))
			require.Equal(b.t, "invalid_request", q.Get("error"))
			require.Equal(b.t, state, q.Get("state"))
		}
		// What clients send beside, and what they leave out, locks nobody out.
		for _, fine := range [][]string{
			{"scope", "-"},
			{"scope", ""},
			{"scope", "everything under the sun"},
			{"max_age", "soon"},
			{"ui_locales", "x-?"},
			{"display", "y"},
			{"nonce", "n"},
			{"prompt", "consent"},
			{"response_mode", "query"},
			{"state", "-"},
			{"claims", "{}"},
			{"prompt", strings.Repeat("x", 9000)},
		} {
			p := a.authorize(br, fine...)
			require.Equal(b.t, 302, p.status)
			require.True(b.t, strings.HasPrefix(p.location, "/sign-in?attempt="), "%s %s", fine, p.location)
		}
	})
}

func TestAttemptLimit(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		for range 1200 {
			require.Equal(b.t, 302, a.authorize(br).status)
		}
		p := a.authorize(br)
		require.Equal(b.t, 429, p.status)
		require.Equal(b.t, "3600", p.header.Get("Retry-After"))
		require.Equal(b.t, int64(1200), tn.count("attempts", "1 = 1"))
		b.env.Clock.Advance(time.Hour)
		require.Equal(b.t, 302, a.authorize(br).status)
	})
}

func TestScopesAreNarrowed(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		for asked, want := range map[string]string{"-": "mcp", "admin write": "mcp", "offline_access": "mcp offline_access"} {
			got := a.redeem(a.code(br, "scope", asked))
			require.Equal(b.t, want, got.Scope)
			require.NotEmpty(b.t, got.Refresh, "also without offline_access")
			require.Equal(b.t, want, a.refresh(got.Refresh, "scope", "admin").Scope, "a refresh never widens")
		}
	})
}

func TestAuthorizeByPost(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		p := br.submit("/authorize", a.query())
		require.Equal(b.t, 303, p.status, "A16")
		require.Empty(b.t, p.header.Values("Set-Cookie"), "a form from another site comes without cookies and must not replace them")
		require.Equal(b.t, "/authorize?"+a.query().Encode(), p.location)
		require.Equal(b.t, 302, br.get(p.location).status)
		requireLocal(b.t, br.request("POST", "/authorize", `{}`, "Content-Type", "application/json"), "invalid_request")
		requireLocal(b.t, br.request("POST", "/authorize?client_id="+a.id, a.query().Encode(), "Content-Type", "application/x-www-form-urlencoded"), "invalid_request")
	})
}

func TestA15Parameters(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		for name := range a.query() {
			if name == "resource" {
				continue
			}
			requireLocal(b.t, br.get("/authorize?"+a.query().Encode()+"&"+name+"=x"), "invalid_request")
		}
		requireLocal(b.t, br.get("/authorize?"+a.query().Encode()+"&x=%zz"), "invalid_request")
		requireLocal(b.t, br.get("/authorize?"+a.query().Encode()+";x=y"), "invalid_request")

		code := a.code(br)
		good := url.Values{"grant_type": {"authorization_code"}, "client_id": {a.id}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {a.verifier}}
		const form = "application/x-www-form-urlencoded"
		for name := range good {
			p := br.request("POST", "/token", good.Encode()+"&"+name+"=x", "Content-Type", form)
			require.Equal(b.t, 400, p.status, name)
			require.Contains(b.t, p.body, `"invalid_request"`)
		}
		for what, p := range map[string]page{
			"all in the query":  br.request("POST", "/token?"+good.Encode(), "", "Content-Type", form),
			"some in the query": br.request("POST", "/token?client_id="+a.id, good.Encode(), "Content-Type", form),
			"JSON":              br.request("POST", "/token", `{"grant_type":"authorization_code"}`, "Content-Type", "application/json"),
			"no content type":   br.request("POST", "/token", good.Encode()),
			"multipart":         br.request("POST", "/token", good.Encode(), "Content-Type", "multipart/form-data; boundary=x"),
			"too large":         br.request("POST", "/token", good.Encode()+"&x="+strings.Repeat("x", 70_000), "Content-Type", form),
			"unreadable":        br.request("POST", "/token", good.Encode()+"&x=%zz", "Content-Type", form),
			"two ways":          br.request("POST", "/token", good.Encode()+"&client_secret=s", "Content-Type", form, "Authorization", "Basic "+"Y2xpX3g6cw=="),
			"an assertion":      br.request("POST", "/token", good.Encode()+"&client_assertion=s", "Content-Type", form),
		} {
			require.Equal(b.t, 400, p.status, "%s: %s", what, p.body)
			require.Contains(b.t, p.body, `"invalid_request"`, what)
			require.NotContains(b.t, p.body, code, what)
		}
		get := br.get("/token?" + good.Encode())
		require.Equal(b.t, 405, get.status)
		require.Equal(b.t, "POST", get.header.Get("Allow"))

		// A secret of a client that has none, in the body and by Basic.
		got := a.redeem(code, "client_secret", "s")
		require.Equal(b.t, 401, got.status)
		require.Empty(b.t, got.header.Get("WWW-Authenticate"))
		basic := br.request("POST", "/token", good.Encode(), "Content-Type", form, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(a.id+":s")))
		require.Equal(b.t, 401, basic.status)
		require.Equal(b.t, `Basic realm="token"`, basic.header.Get("WWW-Authenticate"))
		require.Equal(b.t, 200, a.redeem(code).status, "none of it used the code up")
	})
}

// everyGrant and everyResponseType are those that exist, and some that do not.
var (
	everyGrant = []string{
		"authorization_code", "refresh_token", "password", "implicit", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer",
		"urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:uma-ticket",
		"AUTHORIZATION_CODE", " authorization_code", "authorization_code refresh_token", "nonsense", "\"\r\n", "\x00",
	}
	everyResponseType = []string{"code", "token", "id_token", "id_token token", "code id_token", "code token", "code id_token token", "none", "device_code", "CODE", "code code", "nonsense", "\x00"}
)

func TestA17GrantTypes(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		for _, grant := range everyGrant {
			if grant == "authorization_code" || grant == "refresh_token" {
				continue
			}
			got := a.post("/token", url.Values{"grant_type": {grant}, "client_id": {a.id}, "assertion": {"x"}, "subject_token": {"x"}, "device_code": {"x"}, "username": {"x"}, "password": {"x"}})
			require.Equal(b.t, 400, got.status)
			require.JSONEq(b.t, `{"error":"unsupported_grant_type","error_description":"grant_type must be authorization_code or refresh_token."}`, got.body, grant)
		}
		require.Equal(b.t, "invalid_request", a.post("/token", url.Values{"client_id": {a.id}}).Error)
		require.Equal(b.t, "invalid_client", a.refresh("x", "client_id", "cli_unknown").Error)
		require.Equal(b.t, "invalid_client", a.refresh("x", "client_id", "\x00").Error)
		require.Equal(b.t, "invalid_request", a.refresh("x", "client_id", "-").Error)
	})
}
