package web_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/web"
)

func TestSignUpInAndOut(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ctx := t.Context()
		p := httpflow.NewPerson(b.server.URL, "Ana", b.server.Client().Transport)

		form, err := mustOpen(t, p, "/sign-up").Form("name", "email", "password")
		require.NoError(t, err)
		done, err := p.Browser.Submit(ctx, form.Set("name", p.Name).Set("email", p.Email).Set("password", p.Password))
		require.NoError(t, err)
		require.NoError(t, done.Expect(http.StatusSeeOther))
		require.Equal(t, "/workspaces/new", done.Location().Path, "a new account makes its workspace first")

		require.NoError(t, p.CreateWorkspace(ctx, "Acme", "acme"))
		require.Contains(t, mustOpen(t, p, "/workspaces").Text(), "https://acme.mcp.test")
		require.Contains(t, mustOpen(t, p, "/acme/runtimes").Text(), "Private addresses are allowed here.")
		require.NotContains(t, mustOpen(t, b.guest(), "/sign-in").Text(), "Private addresses")
		for _, path := range []string{"/", "/sign-in", "/sign-up"} {
			require.Equal(t, "/workspaces", b.send(t, p, "GET", path, nil, nil).header.Get("Location"), path)
		}
		require.Equal(t, "/acme/runtimes", b.send(t, p, "GET", "/acme", nil, nil).header.Get("Location"))

		out, err := mustOpen(t, p, "/workspaces").FormTo("/sign-out")
		require.NoError(t, err)
		before := p.Browser.Cookies(b.server.URL)
		gone, err := p.Browser.Submit(ctx, out)
		require.NoError(t, err)
		require.Equal(t, "/sign-in", gone.Location().Path)
		require.Len(t, p.Browser.Cookies(b.server.URL), len(before)-1, "the session's cookie is gone")
		require.Equal(t, "/sign-in?next=%2Facme%2Flogs%3Flive%3D1", b.send(t, p, "GET", "/acme/logs?live=1", nil, nil).header.Get("Location"))
		old := http.Header{"Cookie": {cookieHeader(before)}}
		require.Equal(t, http.StatusSeeOther, b.send(t, nil, "GET", "/acme/logs", nil, old).status, "the session is dead, not only forgotten by the browser")

		back, err := mustOpen(t, p, "/acme/logs?live=1").Form("email", "password", "next")
		require.NoError(t, err)
		in, err := p.Browser.Submit(ctx, back.Set("email", strings.ToUpper(p.Email)).Set("password", p.Password))
		require.NoError(t, err)
		require.Equal(t, "/acme/logs?live=1", in.Location().RequestURI())
	})
}

func mustOpen(t *testing.T, p *httpflow.Person, path string) *httpflow.Page {
	t.Helper()
	page, err := p.Browser.Open(t.Context(), p.Console+path)
	require.NoError(t, err)
	require.NoError(t, page.Expect(http.StatusOK))
	return page
}

func cookieHeader(cookies []*http.Cookie) string {
	var out []string
	for _, c := range cookies {
		out = append(out, c.Name+"="+c.Value)
	}
	return strings.Join(out, "; ")
}

var secretsOfPage = regexp.MustCompile(`nonce="[^"]*"|value="[A-Za-z0-9_-]{43}"|hx-nonce="[^"]*"`)

func TestKnownAndUnknownAddressesAreAnsweredTheSame(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		known := b.person(t, "Ana")
		stranger := b.guest()
		answers := map[string]string{}
		var headers []http.Header
		for _, email := range []string{known.Email, "nobody@example.com"} {
			form, err := mustOpen(t, stranger, "/sign-in").Form("email", "password")
			require.NoError(t, err)
			page, err := stranger.Browser.Submit(t.Context(), form.Set("email", email).Set("password", "wrong horse battery"))
			require.NoError(t, err)
			require.NoError(t, page.Expect(http.StatusUnprocessableEntity))
			require.NotContains(t, string(page.Body), "wrong horse battery")
			require.Contains(t, string(page.Body), email, "what was typed stays")
			answers[secretsOfPage.ReplaceAllString(strings.ReplaceAll(string(page.Body), email, "{email}"), "")] = email
			page.Header.Del("X-Request-Id")
			page.Header.Del("Content-Security-Policy")
			page.Header.Del("Date")
			page.Header.Del("Content-Length")
			headers = append(headers, page.Header)
		}
		require.Len(t, answers, 1)
		require.Equal(t, headers[0], headers[1])
	})
}

func TestManyWrongTriesHaveToWait(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p := b.person(t, "Ana")
	guest := b.guest()
	token := b.token(t, guest, "/sign-in")
	var last *answer
	for range 11 {
		last = b.send(t, guest, "POST", "/sign-in", url.Values{"csrf": {token}, "email": {p.Email}, "password": {"wrong wrong wrong"}}, nil)
	}
	require.Equal(t, http.StatusTooManyRequests, last.status)
	require.NotEmpty(t, last.header.Get("Retry-After"))
	require.Contains(t, last.body, p.Email, "the form is shown again")
	b.Clock.Advance(20 * time.Minute)
	require.Equal(t, http.StatusSeeOther, b.send(t, guest, "POST", "/sign-in", url.Values{"csrf": {token}, "email": {p.Email}, "password": {p.Password}}, nil).status)
}

func TestSigningInMakesANewSession(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p := b.person(t, "Ana")
		first := sessionCookie(t, b, p)
		// The browser is signed in as somebody whose session a stranger knows; signing in must replace it.
		guest := b.guest()
		guestToken := b.token(t, guest, "/sign-in")
		cookies := cookieHeader(guest.Browser.Cookies(b.server.URL)) + "; " + first.Name + "=" + first.Value
		in := b.send(t, nil, "POST", "/sign-in", url.Values{"csrf": {guestToken}, "email": {p.Email}, "password": {p.Password}}, http.Header{"Cookie": {cookies}})
		require.Equal(t, http.StatusSeeOther, in.status)
		set := (&http.Response{Header: in.header}).Cookies()
		require.Len(t, set, 1)
		require.NotEqual(t, first.Value, set[0].Value)
		require.Equal(t, http.StatusSeeOther, b.send(t, nil, "GET", "/workspaces", nil, http.Header{"Cookie": {first.Name + "=" + first.Value}}).status, "the old id is dead")
		require.Equal(t, http.StatusOK, b.send(t, nil, "GET", "/workspaces", nil, http.Header{"Cookie": {set[0].Name + "=" + set[0].Value}}).status)

		// A cookie that somebody else chose never becomes a session.
		planted := "emc_cs_" + strings.Repeat("A", 49)
		require.Equal(t, http.StatusSeeOther, b.send(t, nil, "GET", "/workspaces", nil, http.Header{"Cookie": {first.Name + "=" + planted}}).status)
		two := set[0].Name + "=" + set[0].Value + "; " + first.Name + "=" + planted
		require.Equal(t, http.StatusSeeOther, b.send(t, nil, "GET", "/workspaces", nil, http.Header{"Cookie": {two}}).status, "of two, neither is believed")
	})
}

func sessionCookie(t *testing.T, b *testBundle, p *httpflow.Person) *http.Cookie {
	t.Helper()
	for _, c := range p.Browser.Cookies(b.server.URL) {
		if strings.Contains(c.Name, "console") {
			return c
		}
	}
	require.Fail(t, "no session cookie")
	return nil
}

func TestASessionOfAnotherOriginIsRefused(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p := b.person(t, "Ana")
		elsewhere, err := b.config.Accounts.StartSession(t.Context(), b.account(t, p), "http://localhost:8081", "")
		require.NoError(t, err)
		name := sessionCookie(t, b, p).Name
		got := b.send(t, nil, "GET", "/workspaces", nil, http.Header{"Cookie": {name + "=" + elsewhere}})
		require.Equal(t, "/sign-in?next=%2Fworkspaces", got.header.Get("Location"))
	})
}

func TestSessionsEnd(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p := b.person(t, "Ana")
	require.Equal(t, http.StatusOK, b.send(t, p, "GET", "/workspaces", nil, nil).status)
	b.Clock.Advance(13 * time.Hour)
	require.Equal(t, http.StatusSeeOther, b.send(t, p, "GET", "/workspaces", nil, nil).status)
}

func TestCookies(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	port := regexp.MustCompile(`\d+$`).FindString(b.server.URL)
	p := b.person(t, "Ana")
	require.Equal(t, "emcy_console_"+port, sessionCookie(t, b, p).Name)

	secure := b.config
	secure.PublicURL = "https://Console.Example.com:443/"
	console, err := web.New(secure)
	require.NoError(t, err)
	require.Equal(t, "https://console.example.com", console.Origin())
	visit := func(req *http.Request) *http.Response {
		req.Host = "console.example.com"
		rec := httptest.NewRecorder()
		console.ServeHTTP(rec, req)
		return rec.Result()
	}
	page := visit(httptest.NewRequest(http.MethodGet, "/sign-in", nil))
	require.Equal(t, "max-age=63072000", page.Header.Get("Strict-Transport-Security"))
	guest := page.Cookies()
	require.Len(t, guest, 1)
	require.Equal(t, "__Host-emcy_guest", guest[0].Name)
	body := page.Body
	token := tokenIn(t, body)
	form := url.Values{"csrf": {token}, "email": {p.Email}, "password": {p.Password}}
	req := httptest.NewRequest(http.MethodPost, "/sign-in", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://console.example.com")
	req.AddCookie(guest[0])
	set := visit(req).Cookies()
	require.Len(t, set, 1)
	require.Equal(t, "__Host-emcy_console", set[0].Name)
	for _, c := range append(guest, set...) {
		require.True(t, c.Secure, c.Name)
		require.True(t, c.HttpOnly, c.Name)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite, c.Name)
		require.Equal(t, "/", c.Path, c.Name)
		require.Empty(t, c.Domain, c.Name)
	}
	require.Equal(t, 7*24*60*60, set[0].MaxAge)
}

func TestNextStaysInTheConsole(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p := b.person(t, "Ana")
	for _, next := range []string{"//evil.example", `/\evil.example`, "https://evil.example", "/\tevil", "javascript:alert(1)", "/%2f%2fevil.example", "/sign-in"} {
		guest := b.guest()
		page := b.send(t, guest, "GET", "/sign-in?next="+url.QueryEscape(next), nil, nil)
		require.NotContains(t, page.body, "evil", next)
		require.NotContains(t, page.body, "alert(1)", next)
		token := b.token(t, guest, "/sign-in")
		in := b.send(t, guest, "POST", "/sign-in", url.Values{"csrf": {token}, "email": {p.Email}, "password": {p.Password}, "next": {next}}, nil)
		require.Equal(t, http.StatusSeeOther, in.status, next)
		require.Equal(t, "/workspaces", in.header.Get("Location"), next)
		require.Equal(t, "/workspaces", b.send(t, p, "GET", "/sign-in?next="+url.QueryEscape(next), nil, nil).header.Get("Location"), next)
	}
}

func TestFormsOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, _ := b.owner(t, "Ana", "acme")
		eve := b.person(t, "Eve")
		anas, eves := b.token(t, ana, "/workspaces/new"), b.token(t, eve, "/workspaces/new")
		create := func(token string, header http.Header) *answer {
			form := url.Values{"name": {"Planted"}, "slug": {"planted"}}
			if token != "" {
				form.Set("csrf", token)
			}
			return b.send(t, ana, "POST", "/workspaces/new", form, header)
		}
		for name, got := range map[string]*answer{
			"no token":       create("", nil),
			"eve's token":    create(eves, nil),
			"cut token":      create(anas[:len(anas)-1], nil),
			"another origin": create(anas, http.Header{"Origin": {"https://evil.example"}}),
			"opaque origin":  create(anas, http.Header{"Origin": {"null"}, "Sec-Fetch-Site": {"cross-site"}}),
			"other port":     create(anas, http.Header{"Origin": {"http://127.0.0.1:1"}, "Sec-Fetch-Site": {"same-site"}}),
			"cross-site":     create(anas, http.Header{"Sec-Fetch-Site": {"cross-site"}}),
			"same site":      create(anas, http.Header{"Sec-Fetch-Site": {"same-site"}}),
			"neither":        create(anas, http.Header{"Origin": nil, "Sec-Fetch-Site": nil}),
			"two origins":    create(anas, http.Header{"Origin": {b.server.URL, "https://evil.example"}}),
			"in the query":   b.send(t, ana, "POST", "/workspaces/new?csrf="+anas, url.Values{"name": {"Planted"}, "slug": {"planted"}}, nil),
			"in a header":    b.send(t, ana, "POST", "/workspaces/new", url.Values{"name": {"Planted"}, "slug": {"planted"}}, http.Header{"X-Csrf-Token": {anas}}),
		} {
			require.Equal(t, http.StatusForbidden, got.status, name)
		}
		require.NotContains(t, mustOpen(t, ana, "/workspaces").Text(), "Planted")
		require.Equal(t, http.StatusSeeOther, create(anas, http.Header{"Sec-Fetch-Site": nil}).status, "older browsers send Origin alone")

		// Signing somebody else in: the token belongs to the browser it was made for.
		victim, attacker := b.guest(), b.guest()
		_ = b.token(t, victim, "/sign-in")
		stolen := b.token(t, attacker, "/sign-in")
		login := url.Values{"csrf": {stolen}, "email": {eve.Email}, "password": {eve.Password}}
		got := b.send(t, victim, "POST", "/sign-in", login, nil)
		require.Equal(t, http.StatusForbidden, got.status)
		require.Empty(t, got.header.Get("Set-Cookie"))
		require.Equal(t, http.StatusForbidden, b.send(t, nil, "POST", "/sign-in", login, nil).status, "no cookie")
		require.Equal(t, http.StatusForbidden, b.send(t, nil, "POST", "/sign-up", login, nil).status, "no cookie")
		login.Del("csrf")
		require.Equal(t, http.StatusForbidden, b.send(t, victim, "POST", "/sign-in", login, nil).status)
		require.Equal(t, http.StatusForbidden, b.send(t, ana, "POST", "/sign-out", url.Values{}, nil).status)
		require.Equal(t, http.StatusOK, b.send(t, ana, "GET", "/workspaces", nil, nil).status, "still signed in")
	})
}

func TestRefusedFormsKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	guest := b.guest()
	token := b.token(t, guest, "/sign-up")
	got := b.send(t, guest, "POST", "/sign-up", url.Values{"csrf": {token}, "name": {"Ana Canary"}, "email": {"no address"}, "password": {"hunter2"}, "next": {"/acme"}}, nil)
	require.Equal(t, http.StatusUnprocessableEntity, got.status)
	for _, kept := range []string{"Ana Canary", "no address", `value="/acme"`, "does not look like an e-mail address"} {
		require.Contains(t, got.body, kept)
	}
	require.NotContains(t, got.body, "hunter2")

	known := b.person(t, "Bo")
	got = b.send(t, guest, "POST", "/sign-up", url.Values{"csrf": {token}, "name": {"Bo"}, "email": {known.Email}, "password": {"correct horse staple"}}, nil)
	require.Equal(t, http.StatusConflict, got.status)
	require.Contains(t, got.body, known.Email)

	session := b.token(t, known, "/workspaces/new")
	got = b.send(t, known, "POST", "/workspaces/new", url.Values{"csrf": {session}, "name": {"Kept Name"}, "slug": {"admin"}}, nil)
	require.Equal(t, http.StatusUnprocessableEntity, got.status)
	require.Contains(t, got.body, "Kept Name")
	require.Contains(t, got.body, "reserved")
}

// TestNoPortIsLeft: a machine that is full says so on the form.
func TestNoPortIsLeft(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)
	first, last, err := workspaces.ParsePorts(port + "-" + port)
	require.NoError(t, err)
	b := setup(t, tenancytest.SQLite(t), func(cfg *web.Config) {
		cfg.Workspaces = workspaces.New(cfg.DB, workspaces.Placement{FirstPort: first, LastPort: last}, func(*tenancy.Tx) error { return nil })
	})
	p := b.person(t, "Ana")
	got := b.send(t, p, "POST", "/workspaces/new", url.Values{"csrf": {b.token(t, p, "/workspaces/new")}, "name": {"Kept Name"}, "slug": {"kept-slug"}}, nil)
	require.Equal(t, http.StatusConflict, got.status)
	for _, shown := range []string{"Kept Name", "kept-slug", "EMCY_EDGE_PORTS"} {
		require.Contains(t, got.body, shown)
	}
}

func TestBodiesThatAreNoForms(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p := b.person(t, "Ana")
	token := b.token(t, p, "/workspaces/new")
	post := func(kind, body string) *answer {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.URL+"/workspaces/new", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", kind)
		req.Header.Set("Origin", b.server.URL)
		for _, c := range p.Browser.Cookies(b.server.URL) {
			req.AddCookie(c)
		}
		return do(t, b.server, req)
	}
	const form = "application/x-www-form-urlencoded"
	require.Equal(t, http.StatusBadRequest, post(form, "csrf="+token+"&name=a&name=b&slug=acme").status)
	for _, name := range []string{"a%00b", "%ff"} {
		got := post(form, "csrf="+token+"&name="+name+"&slug=kept-slug")
		require.Equal(t, http.StatusUnprocessableEntity, got.status)
		require.Contains(t, got.body, "kept-slug")
		require.Contains(t, got.body, "cannot be read")
	}
	require.Equal(t, http.StatusForbidden, post(form, "csrf="+token+"%00&name=a&slug=acme").status)
	require.Equal(t, http.StatusBadRequest, post(form, "csrf="+token+"&%00=a").status)
	require.Equal(t, http.StatusUnsupportedMediaType, post("application/json", `{"csrf":"`+token+`"}`).status)
	require.Equal(t, http.StatusUnsupportedMediaType, post("multipart/form-data; boundary=x", "--x--").status)
	require.Equal(t, http.StatusRequestEntityTooLarge, post(form, "csrf="+token+"&name="+strings.Repeat("a", 65<<10)).status)
	chunked, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.URL+"/workspaces/new", struct{ *strings.Reader }{strings.NewReader("name=" + strings.Repeat("a", 65<<10))})
	require.NoError(t, err)
	chunked.ContentLength = -1
	chunked.Header.Set("Content-Type", form)
	chunked.Header.Set("Origin", b.server.URL)
	for _, c := range p.Browser.Cookies(b.server.URL) {
		chunked.AddCookie(c)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, do(t, b.server, chunked).status)
}

func TestOnlyTheOwnHostIsServed(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	for _, host := range []string{"evil.example", "localhost", "127.0.0.1", "127.0.0.1:1", strings.TrimPrefix(b.server.URL, "http://") + ".evil.example", "evil.example:80"} {
		got := b.send(t, nil, "GET", "/sign-in", nil, http.Header{"Host": {host}})
		require.Equal(t, http.StatusMisdirectedRequest, got.status, host)
		require.NotContains(t, got.body, "evil")
		require.Contains(t, got.body, b.server.URL, "says where the console is")
		require.Equal(t, http.StatusOK, b.send(t, nil, "GET", "/healthz", nil, http.Header{"Host": {host}}).status)
	}
	poisoned := b.send(t, nil, "GET", "/acme/logs", nil, http.Header{"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"https"}, "Forwarded": {"host=evil.example"}, "X-Original-Url": {"/evil"}})
	require.Equal(t, "/sign-in?next=%2Facme%2Flogs", poisoned.header.Get("Location"))
}

func TestForwardedAddressesCountFromTrustedPeersOnly(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		blocked bool
	}{
		"nobody is trusted": {nil, true},
		"the peer is":       {[]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}, false},
	} {
		b := setup(t, env, func(cfg *web.Config) { cfg.TrustedProxies = c.trusted })
		guest := b.guest()
		token := b.token(t, guest, "/sign-in")
		var last *answer
		for i := range 51 {
			header := http.Header{"X-Forwarded-For": {"1.1.1.1, 198.51.100." + itoa(i)}, "X-Real-Ip": {"198.51.100." + itoa(i)}}
			last = b.send(t, guest, "POST", "/sign-in", url.Values{"csrf": {token}, "email": {"nobody" + itoa(i) + "@example.com"}, "password": {"wrong wrong"}}, header)
		}
		require.Equal(t, c.blocked, last.status == http.StatusTooManyRequests, name)
	}
}
