package server_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/ids"
)

// TestA16SeeOther: no form's body is ever sent on.
func TestA16SeeOther(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, br := tn.app(), tn.browser()
		require.Equal(b.t, 303, br.request("POST", "/authorize", a.query().Encode(), "Content-Type", "application/x-www-form-urlencoded").status)
		signIn := br.get(a.authorize(br).location)
		require.Equal(b.t, 303, br.signIn(signIn, tn.owner.Email, password).status)
		consent := br.get("/consent?attempt=" + signIn.fields().Get("attempt"))
		for _, decision := range []string{"maybe", "proceed", "allow", "allow", "deny"} {
			p := br.decide(consent, decision)
			require.Equal(b.t, 303, p.status, decision)
			require.NotEmpty(b.t, p.location)
		}
		again := a.consentPage(br)
		require.Equal(b.t, 303, br.submit("/sign-out", again.fields()).status)
		own := br.own(tn.owner.Email)
		for _, path := range []string{"/me/apps/revoke", "/me/apps/revoke-all"} {
			require.Equal(b.t, 303, br.submit(path, own.fields("client", a.id, "runtime", "ups_x")).status, path)
		}
	})
}

// TestB9NowhereElse: no page leads to an address that a parameter names.
func TestB9NowhereElse(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		tn.app().consentPage(br)
		names := []string{"attempt", "return_to", "next", "to", "redirect", "redirect_uri", "done", "warned", "trial"}
		values := []string{
			"//evil.example", `/\evil.example`, `\\evil.example`, "https://evil.example", "https:evil.example", "http:/evil.example", "///evil.example", "/%2fevil.example", "/%5cevil.example",
			"javascript:alert(1)", "data:text/html,x", "\t//evil.example", "/\t/evil.example", "/.//evil.example", "@evil.example", ".evil.example", "evil.example", "me//evil.example", "me\r\nLocation: https://evil.example",
			"%0d%0aLocation:https://evil.example", "?attempt=//evil.example", "#//evil.example", "https://acme.mcp.test@evil.example", "https://acme.mcp.test.evil.example",
		}
		for _, path := range []string{"/sign-in", "/consent", "/me/apps", "/done", "/sign-in/idp_x", "/callback/idp_x", "/"} {
			for _, name := range names {
				for _, value := range values {
					p := br.get(path + "?" + url.Values{name: {value}}.Encode())
					require.NotContains(b.t, p.location, "evil", path+" "+name)
					require.False(b.t, strings.HasPrefix(p.location, "//"))
					require.NotContains(b.t, p.body, `href="//`)
				}
			}
		}
	})
}

// TestB10SessionFixation: what a browser brought is nobody's session after the sign-in.
func TestB10SessionFixation(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, br := tn.app(), tn.browser()
		p := br.get(a.authorize(br).location)
		planted := ids.Secret("emc_es")
		origin, err := url.Parse(tn.issuer)
		require.NoError(b.t, err)
		br.client.Jar.SetCookies(origin, []*http.Cookie{{Name: "__Host-emcy_session", Value: planted, Path: "/", Secure: true}})
		in := br.signIn(p, tn.owner.Email, password)
		require.Equal(b.t, 303, in.status)
		first := sessionOf(in)
		require.NotEqual(b.t, planted, first)
		second := sessionOf(br.signIn(p, tn.owner.Email, password))
		require.NotEqual(b.t, first, second)

		with := func(session string) page {
			other := tn.browser()
			other.client.Jar.SetCookies(origin, br.client.Jar.Cookies(origin))
			other.client.Jar.SetCookies(origin, []*http.Cookie{{Name: "__Host-emcy_session", Value: session, Path: "/", Secure: true}})
			return other.get("/me/apps")
		}
		require.Equal(b.t, 200, with(second).status)
		for _, dead := range []string{planted, first, "", second + "x"} {
			require.Equal(b.t, "/sign-in?attempt=me", with(dead).location)
		}
	})
}

func sessionOf(p page) string {
	for _, c := range (&http.Response{Header: p.header}).Cookies() {
		if strings.HasSuffix(c.Name, "emcy_session") {
			return c.Value
		}
	}
	return ""
}

// TestB11Cookies: every cookie is this host's alone, and a session of one tenant is none
// at another.
func TestB11Cookies(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		p := br.get("/me/apps")
		in := br.signIn(br.get(p.location), tn.owner.Email, password)
		for _, answer := range []page{p, in} {
			cookies := (&http.Response{Header: answer.header}).Cookies()
			require.NotEmpty(b.t, cookies)
			for _, c := range cookies {
				require.True(b.t, strings.HasPrefix(c.Name, "__Host-"), c.Name)
				require.Empty(b.t, c.Domain)
				require.Equal(b.t, "/", c.Path)
				require.True(b.t, c.Secure && c.HttpOnly && c.SameSite == http.SameSiteLaxMode, c.Name)
			}
		}
		other := b.tenant("other")
		theirs := other.browser()
		jar, err := cookiejar.New(nil)
		require.NoError(b.t, err)
		here, err := url.Parse(tn.issuer)
		require.NoError(b.t, err)
		there, err := url.Parse(other.issuer)
		require.NoError(b.t, err)
		jar.SetCookies(there, br.client.Jar.Cookies(here))
		theirs.client.Jar = jar
		require.Equal(b.t, 200, br.get("/me/apps").status)
		require.Equal(b.t, 303, theirs.get("/me/apps").status)
	})
}

// TestSessionsEnd: twelve hours at most, two when nobody uses it.
func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		idle, used := tn.browser(), tn.browser()
		idle.own(tn.owner.Email)
		used.own(tn.owner.Email)
		for range 6 {
			b.env.Clock.Advance(2*time.Hour - time.Minute)
			require.Equal(b.t, 200, used.get("/me/apps").status)
		}
		require.Equal(b.t, 303, idle.get("/me/apps").status)
		b.env.Clock.Advance(7 * time.Minute)
		require.Equal(b.t, 303, used.get("/me/apps").status, "twelve hours have passed")
	})
}
