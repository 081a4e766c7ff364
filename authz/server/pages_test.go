package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/emcy/gateway/tenancy"
)

// requireSafe is B5 and B6's fence, on every HTML answer of every test: no framing,
// no script, no other content than our own, nothing kept, nothing told onward.
func requireSafe(t testing.TB, p page) {
	t.Helper()
	csp := p.header.Get("Content-Security-Policy")
	require.True(t, strings.HasPrefix(csp, "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"), csp)
	require.Equal(t, 6, strings.Count(csp, ";"), "no directive that the client wrote: %s", csp)
	require.Equal(t, "DENY", p.header.Get("X-Frame-Options"))
	require.Equal(t, "no-store", p.header.Get("Cache-Control"))
	require.Equal(t, "no-referrer", p.header.Get("Referrer-Policy"))
	require.Equal(t, "nosniff", p.header.Get("X-Content-Type-Options"))
	require.Equal(t, "noindex", p.header.Get("X-Robots-Tag"))
	require.Empty(t, p.header.Get("Access-Control-Allow-Origin"))
	require.NotContains(t, p.body, "<script")
	require.NotContains(t, p.body, " style=")
}

func TestB2AnotherBrowser(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		mine, theirs := tn.browser(), tn.browser()
		consent := a.consentPage(mine)
		attempt := consent.fields().Get("attempt")
		a.consentPage(theirs) // is signed in, too
		for _, path := range []string{"/sign-in?attempt=", "/consent?attempt="} {
			for br, says := range map[*browser]string{theirs: "other_browser", tn.browser(): "cookies_blocked"} {
				p := br.get(path + attempt)
				require.Equal(b.t, 403, p.status)
				require.Contains(b.t, p.body, says)
				require.NotContains(b.t, p.body, "Runtime tickets")
			}
		}
		require.Equal(b.t, 403, theirs.decide(consent, "allow").status)
		require.Equal(b.t, 403, theirs.submit("/sign-in", consent.fields("email", tn.owner.Email, "password", password)).status)
		require.Equal(b.t, 303, mine.decide(consent, "allow").status)
		for _, odd := range []string{"", "att_x", "\x00", "\xff", strings.Repeat("a", 5000)} {
			require.Equal(b.t, 404, mine.get("/consent?attempt="+url.QueryEscape(odd)).status, "%q", odd)
		}
	})
}

func TestB4TabsAndDoubleClicks(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		first := a.consentPage(br)
		second := a.consentPage(br)
		p := br.decide(first, "allow")
		require.Equal(b.t, 303, p.status, "the first tab still works")
		require.Equal(b.t, 303, br.decide(second, "allow").status)

		require.Equal(b.t, p.location, br.decide(first, "allow").location, "a double click")
		require.Equal(b.t, p.location, br.decide(first, "deny").location, "the first decision stands")
		attempt := first.fields().Get("attempt")
		require.Equal(b.t, p.location, br.get("/consent?attempt="+attempt).location)
		require.Equal(b.t, p.location, br.get("/sign-in?attempt="+attempt).location)
		require.Equal(b.t, int64(2), tn.count("codes", "client_id = ?", a.id))

		third := a.consentPage(br)
		all := parallel(12, func() tokens { return tokens{page: br.decide(third, "allow")} })
		for _, got := range all {
			require.Equal(b.t, all[0].location, got.location)
			require.Contains(b.t, got.location, "code=")
		}
		require.Equal(b.t, int64(3), tn.count("codes", "client_id = ?", a.id))
	})
}

func TestB4ForgedForms(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		other := a.consentPage(br)
		p := a.consentPage(br)
		const form = "application/x-www-form-urlencoded"
		for _, path := range []string{"/consent", "/sign-in", "/sign-out"} {
			good := p.fields("decision", "allow", "email", tn.owner.Email, "password", password).Encode()
			for _, header := range [][]string{
				{"Origin", "https://evil.example"},
				{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
				{"Sec-Fetch-Site", "cross-site"},
				{"Sec-Fetch-Site", "same-site"},
				{"Origin", "null", "Sec-Fetch-Site", "cross-site"},
				{"Origin", strings.ToUpper(tn.issuer)},
				{"Origin", "http://acme.mcp.test"},
				{"Origin", "https://other.mcp.test"},
			} {
				require.Equal(b.t, 403, br.request("POST", path, good, append(header, "Content-Type", form)...).status, "%s %s", path, header)
			}
			for _, token := range []string{"", "x", other.fields().Get("csrf"), p.fields().Get("csrf") + "x"} {
				require.Equal(b.t, 403, br.submit(path, p.fields("csrf", token, "decision", "allow")).status, path)
			}
			require.Equal(b.t, 403, br.request("POST", path, good, "Content-Type", "text/plain").status)
			require.Equal(b.t, 403, br.request("POST", path, good+"&csrf=x", "Content-Type", form).status)
			require.Equal(b.t, 403, br.request("POST", path+"?a=b", good, "Content-Type", form).status)
		}
		require.Equal(b.t, int64(0), tn.count("codes", "client_id = ?", a.id))
		// An old browser that sends its origin, and one that says "null" for it.
		for _, header := range [][]string{{"Origin", tn.issuer}, {"Origin", "null"}, {"Origin", "null", "Sec-Fetch-Site", "same-origin"}, {"Sec-Fetch-Site", "none"}, {}} {
			q := br.request("POST", "/consent", p.fields("decision", "allow").Encode(), append(header, "Content-Type", form)...)
			require.Equal(b.t, 303, q.status, header)
		}
	})
}

func TestConsent(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		for redirect, shows := range map[string][]string{
			"https://claude.ai/api/cb": {"claude.ai", "form-action 'self' https:", "Check that you know the host"},
			callback:                   {"127.0.0.1:33418", "form-action 'self' http://localhost:* http://127.0.0.1:* https:", "a program on this computer"},
			"http://[::1]:1/cb":        {"[::1]:1", "form-action 'self' http: https:", "a program on this computer"},
			"com.example.app:/cb":      {"com.example.app:", "form-action 'self' com.example.app:", "Any app can claim this scheme"},
		} {
			a := tn.app(redirect)
			br := tn.browser()
			p := a.consentPage(br, "redirect_uri", redirect)
			for _, text := range []string{"“Test App”", "This app is not verified", "Runtime tickets of acme", tn.mcp("tickets"), tn.owner.Email, "acme.mcp.test", shows[0], shows[2]} {
				require.Contains(b.t, p.body, text)
			}
			require.True(b.t, strings.HasSuffix(p.header.Get("Content-Security-Policy"), shows[1]), p.header.Get("Content-Security-Policy"))
			require.NotContains(b.t, p.body, "offline_access")
			require.Contains(b.t, a.consentPage(br, "redirect_uri", redirect, "scope", "mcp").body, "also when you are not there", "true of every client")
			require.Equal(b.t, 303, br.decide(p, "maybe").status)
			denied := br.decide(p, "deny")
			q, err := url.Parse(denied.location)
			require.NoError(b.t, err)
			require.True(b.t, strings.HasPrefix(denied.location, redirect+"?"), denied.location)
			require.Equal(b.t, "access_denied", q.Query().Get("error"))
			require.Equal(b.t, stateCanary, q.Query().Get("state"))
			require.Equal(b.t, tn.issuer, q.Query().Get("iss"))
			require.Equal(b.t, denied.location, br.decide(p, "allow").location, "no is no")
		}
		require.Equal(b.t, int64(0), tn.count("codes", "1 = 1"))
		require.Equal(b.t, int64(4), tn.count("audit_events", "action = ?", "consent.deny"))
	})
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		stranger := b.account("stranger")
		a := tn.app()
		br := tn.browser()
		p := br.get(a.authorize(br).location)
		require.Contains(b.t, p.body, "“Test App”")
		wrong, unknown := br.signIn(p, tn.owner.Email, "not the password"), br.signIn(p, "nobody@example.com", "not the password")
		require.Equal(b.t, 422, wrong.status)
		require.Equal(b.t, 422, unknown.status)
		require.Equal(b.t, strings.ReplaceAll(wrong.body, tn.owner.Email, "nobody@example.com"), unknown.body, "B13: the same answer")
		require.Equal(b.t, 422, br.signIn(p, "", "").status)
		require.Equal(b.t, 422, br.signIn(p, "\x00", "x").status)
		require.Equal(b.t, 422, br.signIn(p, "\xff@x", "x").status)

		refusedIn := br.signIn(p, stranger.Email, password)
		require.Equal(b.t, 422, refusedIn.status)
		require.Contains(b.t, refusedIn.body, "not a member of this workspace")
		require.Empty(b.t, refusedIn.header.Values("Set-Cookie"))
		require.Equal(b.t, int64(0), tn.count("end_user_sessions", "1 = 1"))

		// B10: another session at each sign-in, and the one before is over.
		in := br.signIn(p, tn.owner.Email, password)
		require.Equal(b.t, 303, in.status)
		require.Regexp(b.t, `^__Host-emcy_session=emc_es_[^;]+; Path=/; Max-Age=43200; HttpOnly; Secure; SameSite=Lax$`, in.header.Get("Set-Cookie"))
		again := br.signIn(p, tn.owner.Email, password)
		require.NotEqual(b.t, in.header.Get("Set-Cookie"), again.header.Get("Set-Cookie"))
		require.Equal(b.t, int64(1), tn.count("end_user_sessions", "1 = 1"))

		// prompt=login asks again; a second client of the day does not.
		require.Equal(b.t, 303, br.get(a.authorize(br).location).status)
		b.env.Clock.Advance(time.Second)
		login := br.get(a.authorize(br, "prompt", "login consent").location)
		require.Equal(b.t, 200, login.status)
		require.Equal(b.t, 303, br.submit("/consent", login.fields("decision", "allow")).status)
		require.Equal(b.t, int64(0), tn.count("codes", "1 = 1"), "consent before the new sign-in gives nothing")
		require.Equal(b.t, 200, br.get(br.signIn(login, tn.owner.Email, password).location).status)

		// "Not you?" ends the session and stays in the attempt.
		consent := a.consentPage(br)
		out := br.submit("/sign-out", consent.fields())
		require.Equal(b.t, "/sign-in?attempt="+consent.fields().Get("attempt"), out.location)
		require.Equal(b.t, int64(0), tn.count("end_user_sessions", "1 = 1"))
		require.Equal(b.t, 200, br.get(out.location).status)
		require.Equal(b.t, "/sign-in?attempt="+consent.fields().Get("attempt"), br.decide(consent, "allow").location)
	})
}

func TestSignInLimit(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		p := br.get(a.authorize(br).location)
		for range 10 {
			require.Equal(b.t, 422, br.signIn(p, tn.owner.Email, "wrong password").status)
		}
		limited := br.signIn(p, tn.owner.Email, password)
		require.Equal(b.t, 429, limited.status)
		require.Equal(b.t, "900", limited.header.Get("Retry-After"))
		require.Contains(b.t, limited.body, "Wait a few minutes")
	})
}

func TestAttemptsAndSessionsExpire(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		p := a.consentPage(br)
		b.env.Clock.Advance(10*time.Minute - time.Second)
		require.Equal(b.t, 200, br.get("/consent?attempt="+p.fields().Get("attempt")).status)
		b.env.Clock.Advance(time.Second)
		require.Equal(b.t, 404, br.get("/consent?attempt="+p.fields().Get("attempt")).status)
		require.Equal(b.t, 404, br.decide(p, "allow").status)
		require.Equal(b.t, 303, br.get(a.authorize(br).location).status, "still signed in")
		b.env.Clock.Advance(12 * time.Hour)
		require.Equal(b.t, 200, br.get(a.authorize(br).location).status, "not any more")

		done := a.redeem(a.code(tn.browser()))
		require.Equal(b.t, 200, done.status)
		require.NoError(b.t, b.server.Sweep(b.t.Context()))
		require.Equal(b.t, int64(1), tn.count("end_user_sessions", "1 = 1"))
		b.env.Clock.Advance(25 * time.Hour)
		require.NoError(b.t, b.server.Sweep(b.t.Context()))
		require.Equal(b.t, int64(0), tn.count("end_user_sessions", "1 = 1"))
		require.Equal(b.t, int64(0), tn.count("attempts", "1 = 1"))
		require.Equal(b.t, int64(0), tn.count("codes", "1 = 1"))
		require.Equal(b.t, 200, a.refresh(done.Refresh).status, "the sweep takes nothing that lives")
		b.env.Clock.Advance(90*24*time.Hour + time.Second)
		require.NoError(b.t, b.server.Sweep(b.t.Context()))
		require.Equal(b.t, int64(0), tn.count("token_families", "1 = 1"))
		require.Equal(b.t, int64(0), tn.count("refresh_tokens", "1 = 1"))
	})
}

// hostile are things that a client can call itself.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `'><svg/onload=alert(1)>`, `" autofocus onfocus=alert(1) x="`, `javascript:alert(1)`, `</title><script>x</script>`, `</strong><h1>Trusted`,
	`<!--`, `-->`, `]]>`, `<a href=//evil.example>click</a>`, `<form action=https://evil.example><input name=password>`, `<base href=//evil.example>`, `<meta http-equiv=refresh content=0>`, `&lt;script&gt;`, `&#60;script&#62;`,
	`{{constructor}}`, `${7*7}`, `<%= x %>`, "\u003cscript\u003e", "a\u0000<b>", "\u202e<b>", `<style>*{display:none}</style>`, `</body></html>`, `<input type="hidden" name="csrf" value="x"`, `'"<>&`,
	`<noscript><p title="</noscript><img src=x>">`, `<math><mi//xlink:href="data:x,<script>">`, `<iframe srcdoc=x>`, `<object data=x>`, `<link rel=stylesheet href=//evil.example>`, "`<b>`", strings.Repeat("<b>", 100),
}

// shape is a page's elements and their attributes, without what is data.
func shape(t testing.TB, body string) string {
	t.Helper()
	var out strings.Builder
	z := html.NewTokenizer(strings.NewReader(body))
	for z.Next() != html.ErrorToken {
		token := z.Token()
		if token.Type == html.TextToken {
			continue
		}
		_, _ = fmt.Fprint(&out, token.Type, token.Data)
		for _, attr := range token.Attr {
			_, _ = out.WriteString(" " + attr.Key)
			if attr.Key == "href" || attr.Key == "action" || attr.Key == "src" || attr.Key == "name" {
				_, _ = out.WriteString("=" + attr.Val)
			}
		}
	}
	return out.String()
}

func TestB6HostileNames(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		show := func(name, runtime, email string) (signIn, failed, consent string) {
			b.clientIP = func(*http.Request) netip.Addr {
				return netip.AddrFrom4([4]byte{10, byte(len(name)), byte(len(runtime)), byte(len(email))})
			}
			tn.write(func(tx *tenancy.Tx) error {
				return tx.DB().Model(&upstreamRow{}).Where("slug = ?", "tickets").Update("name", runtime).Error
			})
			body, err := json.Marshal(map[string]any{"client_name": name, "redirect_uris": []string{callback}})
			require.NoError(b.t, err)
			p := tn.register(string(body))
			require.Equal(b.t, 201, p.status, p.body)
			var out struct {
				ID string `json:"client_id"`
			}
			require.NoError(b.t, json.Unmarshal([]byte(p.body), &out))
			a := &app{tn: tn, id: out.ID, verifier: strings.Repeat("v", 43)}
			br := tn.browser()
			page := br.get(a.authorize(br).location)
			bad := br.signIn(page, email, "")
			good := br.signIn(page, tn.owner.Email, password)
			return shape(b.t, page.body), shape(b.t, bad.body), shape(b.t, br.get(good.location).body)
		}
		signIn, failed, consent := show("plain", "plain", "plain")
		for _, name := range hostile {
			s, f, c := show(name, strings.ReplaceAll(name, "\x00", ""), name)
			require.Equal(b.t, signIn, s, "%q", name)
			require.Equal(b.t, failed, f, "%q", name)
			require.Equal(b.t, consent, c, "%q", name)
		}
	})
}

func TestB7Names(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		for name, shown := range map[string]string{
			"Claude\u202eedoC": "“ClaudeedoC”", "\u3164": "“An app without a name”", "": "“An app without a name”", strings.Repeat("😀", 10_000): "“" + strings.Repeat("😀", 59) + "…”",
		} {
			body, err := json.Marshal(map[string]any{"client_name": name, "redirect_uris": []string{callback}})
			require.NoError(b.t, err)
			var out struct {
				ID string `json:"client_id"`
			}
			require.NoError(b.t, json.Unmarshal([]byte(tn.register(string(body)).body), &out))
			a := &app{tn: tn, id: out.ID, verifier: strings.Repeat("v", 43)}
			require.Contains(b.t, a.consentPage(tn.browser()).body, shown)
		}
	})
}

func TestB5Home(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		p := tn.browser().get("/")
		require.Equal(b.t, 200, p.status)
		require.Contains(b.t, p.body, "MCP")
		for _, path := range []string{"/sign-in", "/consent", "/authorize"} {
			require.Contains(b.t, tn.browser().get(path).header.Get("Content-Type"), "text/html") // do checks its headers
		}
	})
}
