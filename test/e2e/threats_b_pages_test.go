//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/shots/tour"
)

var linkOn = regexp.MustCompile(`href="([^"#]+)`)

// TestB5NoPageIsFramed: every page of the console and of a workspace's origin, errors
// included, refuses to be framed: by its headers, and in Chromium within a hostile page.
func TestB5NoPageIsFramed(t *testing.T) {
	t.Parallel()
	g := newGateway(t, sqlite, freePorts(t, 4), "EMCY_TRUSTED_PROXIES=127.0.0.0/8,::1/128")
	filled, err := tour.Walk(t.Context(), g.Console)
	require.NoError(t, err)
	t.Cleanup(filled.Close)

	// From the pages of the tour along every link, with the cookies of the page.
	type visit struct{ address, cookies string }
	var queue []visit
	for _, stop := range filled.Stops {
		var cookies []string
		for _, c := range stop.Cookies {
			cookies = append(cookies, c.Name+"="+c.Value)
		}
		queue = append(queue, visit{stop.URL, strings.Join(cookies, "; ")})
	}
	queue = append(queue, visit{g.Console + "/nothing", ""})
	seen, pages := map[string]bool{}, 0
	browser := httpflow.NewBrowser(from{func() string { return "192.0.2.5" }})
	for len(queue) > 0 {
		v := queue[0]
		queue = queue[1:]
		key, _, _ := strings.Cut(v.address, "?")
		if v.cookies == "" {
			key += " as a stranger"
		}
		if seen[key] || strings.Contains(v.address, "/-/stream") {
			continue
		}
		seen[key] = true
		page, err := browser.Send(request(t, http.MethodGet, v.address, "", "Cookie", v.cookies, "Sec-Fetch-Site", "none"))
		if err != nil {
			continue // an address that no request can be made of
		}
		if to := page.Location(); to != nil {
			queue = append(queue, visit{to.String(), v.cookies})
		}
		if !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") {
			continue
		}
		pages++
		require.Equal(t, "DENY", page.Header.Get("X-Frame-Options"), v.address)
		policies := page.Header.Values("Content-Security-Policy")
		require.Len(t, policies, 1, v.address)
		require.Contains(t, policies[0], "frame-ancestors 'none'", v.address)
		for _, link := range linkOn.FindAllStringSubmatch(string(page.Body), -1) {
			if to, err := page.URL.Parse(strings.ReplaceAll(link[1], "&amp;", "&")); err == nil && to.Host == page.URL.Host {
				queue = append(queue, visit{to.String(), v.cookies})
			}
		}
	}
	t.Logf("%d pages", pages)
	require.Greater(t, pages, 60)
	runDriver(t, "threats.mjs", map[string]any{"scene": "frames", "chromium": requireProgram(t, "chromium", "chromium-browser", "google-chrome"), "pages": filled.Stops})
}

// TestB7NamesThatPose: what a client calls itself is shown clean, short, and never as
// more than it is.
func TestB7NamesThatPose(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "row-b7")
	p := h.stranger()
	for i, c := range []struct {
		name, redirect string
		shows, hides   []string
	}{
		{"\u202eedualC", "https://notes.example/cb", []string{"edualC", "notes.example", "not verified"}, []string{"\u202e"}},
		{"A\u0000B\u0007C", "https://notes.example/cb", []string{"ABC"}, []string{"\x00", "\x07"}},
		{strings.Repeat("\U0001F600", 10_000), "https://notes.example/cb", []string{"\U0001F600", "…"}, []string{strings.Repeat("\U0001F600", 65)}},
		{"a\u2066\u2067\u2069\u200b\u200d\ufeffb", "https://notes.example/cb", []string{"ab"}, []string{"\u2066", "\u2067", "\u200b", "\ufeff"}},
		{"Z" + strings.Repeat("\u0336\u0489", 500), "https://notes.example/cb", []string{"Z"}, []string{strings.Repeat("\u0336\u0489", 40)}},
		{"Cafe\u0301", "https://notes.example/cb", []string{"Caf\u00e9"}, []string{"Cafe\u0301"}},
		{"x\r\n\r\nAllowed by your administrator", "https://notes.example/cb", []string{"x Allowed by your administrator", "not verified"}, nil},
		{"Notes", "https://xn--80ak6aa92e.com/cb", []string{"xn--80ak6aa92e.com"}, []string{"\u0430\u0440\u0440\u04cf\u0435.com"}},
		{"Notes", "http://127.0.0.1:8899/cb", []string{"127.0.0.1:8899", "on this computer"}, nil},
		{"Notes", "com.example.notes:/cb", []string{"com.example.notes"}, nil},
		{"Cl\u0430ude", "https://notes.example/cb", []string{"Claude", "notes.example"}, []string{"Verified"}},
	} {
		raw, err := json.Marshal(map[string]any{"client_name": c.name, "redirect_uris": []string{c.redirect}})
		require.NoError(t, err)
		page := h.send(p, http.MethodPost, h.origin+"/register", string(raw), "Content-Type", "application/json", "X-Forwarded-For", fmt.Sprintf("10.7.0.%d", i))
		require.NoError(t, page.Expect(http.StatusCreated))
		client := httpflow.NewClient(h.runtime.MCPURL, nil)
		require.NoError(t, client.Discover(t.Context()))
		var registered struct {
			ID string `json:"client_id"`
		}
		require.NoError(t, json.Unmarshal(page.Body, &registered))
		client.ClientID, client.RedirectURI = registered.ID, c.redirect
		page = h.open(p, client.AuthorizeURL())
		if form, err := page.Form("attempt", "email", "password"); err == nil {
			h.post(p, form.Set("email", p.Email).Set("password", p.Password))
			page = h.open(p, client.AuthorizeURL())
		}
		require.NoError(t, page.Expect(http.StatusOK))
		text := page.Text()
		for _, shown := range c.shows {
			require.Contains(t, strings.ToLower(text), strings.ToLower(shown), "%q", c.name[:min(len(c.name), 40)])
		}
		for _, hidden := range c.hides {
			require.NotContains(t, text, hidden, "%q", c.name[:min(len(c.name), 40)])
		}
	}
	// A name in punycode that stands for plain letters is not decoded; what is not plain is refused.
	for _, redirect := range []string{"https://xn--example-.com/cb", "https://xn--a.com/cb", "https://xn--/cb", "https://\u0435xample.com/cb", "https://ex\u3002ample.com/cb", "https://example.com\u202e/cb"} {
		raw, err := json.Marshal(map[string]any{"client_name": "Notes", "redirect_uris": []string{redirect}})
		require.NoError(t, err)
		page := h.send(p, http.MethodPost, h.origin+"/register", string(raw), "Content-Type", "application/json", "X-Forwarded-For", "10.7.1.1")
		if page.Status == http.StatusCreated {
			require.Regexp(t, `^[ -~]+$`, redirect, "it is shown as it is written")
			require.Contains(t, string(page.Body), redirect)
			continue
		}
		require.NoError(t, page.Expect(http.StatusBadRequest), redirect)
		require.Contains(t, string(page.Body), "invalid_redirect_uri", redirect)
	}
}

// TestB8LoopbackIsAnybodysPort: a document of a vendor says nothing about who listens on
// this computer: it is said every time, and never answered by itself.
func TestB8LoopbackIsAnybodysPort(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "row-b8")
	require.NoError(t, h.owner.Authorization(t.Context(), h.slug, url.Values{"remember_consent": {"on"}, "cimd": {"any"}}))
	site := httptest.NewUnstartedServer(nil)
	site.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // the test sees what is missing
			"client_id": "http://" + r.Host + r.URL.Path, "client_name": "Claude Code", "redirect_uris": []string{"http://localhost/callback", "http://127.0.0.1/callback"}, "token_endpoint_auth_method": "none",
		})
	})
	site.Start()
	t.Cleanup(site.Close)
	p := h.stranger()
	client := httpflow.NewClient(h.runtime.MCPURL, nil)
	require.NoError(t, client.Discover(t.Context()))
	client.ClientID = site.URL + "/oauth/client-metadata"
	for i, redirect := range slices.Repeat([]string{"http://localhost:31337/callback", "http://127.0.0.1:31337/callback", "http://localhost:9/callback"}, 2) {
		client.RedirectURI = redirect
		page := h.open(p, client.AuthorizeURL())
		if i == 0 {
			form, err := page.Form("attempt", "email", "password")
			require.NoError(t, err)
			h.post(p, form.Set("email", p.Email).Set("password", p.Password))
			page = h.open(p, client.AuthorizeURL())
		}
		require.NoError(t, page.Expect(http.StatusOK))
		u, err := url.Parse(redirect)
		require.NoError(t, err)
		for _, shown := range []string{"on this computer", u.Host, strings.TrimPrefix(site.URL, "http://")} {
			require.Contains(t, page.Text(), shown)
		}
		require.NotContains(t, page.Text(), "Verified app")
		form, err := page.Form("attempt", "decision")
		require.NoError(t, err)
		require.Contains(t, h.post(p, form.Press("decision", "allow")).Location().String(), redirect+"?code=", "a yes, and yet it is asked again")
	}
}
