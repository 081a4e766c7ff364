//go:build e2e

package e2e

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/oidc"
)

// TestB1EveryClientIsAskedAboutBeforeTheProvider: a yes to one client is none to the
// next, and no address of a client's makes a browser visit the tenant's provider.
func TestB1EveryClientIsAskedAboutBeforeTheProvider(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "row-b1")
	fake := oidc.New(t)
	provider := h.provider(fake)
	visits := func() int { return fake.Asked("/authorize") + fake.Asked("/token") }

	first, second := h.client("First"), h.client("Second")
	p := h.stranger()
	page := h.open(p, h.origin+idpCallback(provider)+"?"+fake.Approve(h.leave(p, provider, first.AuthorizeURL())).Encode())
	form, err := page.Form("attempt", "decision")
	require.NoError(t, err)
	callback := h.post(p, form.Press("decision", "allow")).Location()
	require.NotEmpty(t, callback.Query().Get("code"))
	require.NoError(t, first.Redeem(t.Context(), callback))
	before := visits()
	require.Equal(t, 2, before, "one visit, one code")

	// The second client, in the browser that is signed in here and at the provider.
	page = h.open(p, second.AuthorizeURL())
	require.NoError(t, page.Expect(http.StatusOK))
	require.Contains(t, page.Text(), "Second")
	_, err = page.Form("attempt", "decision")
	require.NoError(t, err, "it is asked")
	// In one that is signed in nowhere here, or has to sign in anew: the choice is the person's.
	for _, address := range []string{second.AuthorizeURL(), second.AuthorizeURL() + "&prompt=login", second.AuthorizeURL() + "&prompt=none"} {
		for _, who := range []*httpflow.Person{h.stranger(), p} {
			answer, err := who.Browser.Get(t.Context(), address)
			require.NoError(t, err)
			answer, err = who.Browser.Follow(t.Context(), answer, func(u *url.URL) bool { return strings.HasPrefix(u.String(), second.RedirectURI) })
			require.NoError(t, err)
			require.NotContains(t, string(answer.Body), fake.Issuer)
			if to := answer.Location(); to != nil {
				require.Empty(t, to.Query().Get("code"), "only an error leaves without a page")
			}
		}
	}
	require.Equal(t, before, visits(), "the provider saw nothing of it")
}

func idpCallback(provider string) string {
	return "/callback" + strings.TrimPrefix(provider, "/sign-in")
}

// TestB2AnApprovalIsOneBrowsers: what one browser set out for, another cannot finish.
// The two are Chromium's; the provider's code is not redeemed for the wrong one.
func TestB2AnApprovalIsOneBrowsers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "row-b2")
	fake := oidc.New(t)
	fake.Before = func(w http.ResponseWriter, r *http.Request) bool {
		q := r.URL.Query()
		if r.URL.Path != "/authorize" || q.Has("decided") {
			return false
		}
		w.Header().Set("Content-Type", "text/html")
		back := q.Get("redirect_uri") + "?" + fake.Approve(fake.Issuer+"/authorize?"+r.URL.RawQuery+"&decided=1").Encode()
		_, _ = w.Write([]byte(`<!doctype html><title>provider</title><a id="back" href="` + html.EscapeString(back) + `">Yes, it is me</a>`)) // the script sees what is missing
		return true
	}
	provider := h.provider(fake)
	asked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(strconv.Itoa(fake.Asked("/token")))) // the script sees what is missing
	}))
	t.Cleanup(asked.Close)
	client := h.client("Scripted client")
	runDriver(t, "threats.mjs", map[string]any{
		"scene": "bindings", "chromium": requireProgram(t, "chromium", "chromium-browser", "google-chrome"),
		"authorize": client.AuthorizeURL(), "redirect": client.RedirectURI, "provider": provider, "callback": idpCallback(provider), "asked": asked.URL,
	})
}

// TestB3AnEarlierYesIsNotRidden: where a workspace remembers, the page is left out only
// for a client that is vouched for, on the web, opened by the person, for no more than before.
func TestB3AnEarlierYesIsNotRidden(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "row-b3")
	web := h.preregistered("Web app", "https://app.example/callback")
	local := h.preregistered("Local app", "http://127.0.0.1:33418/callback")
	unknown := h.client("Unverified")
	unknown.RedirectURI = "https://unverified.example/callback"
	require.NoError(t, unknown.Register(t.Context()))
	p := h.stranger()
	allow := func(c *httpflow.Client) {
		callback, err := p.Allow(t.Context(), c.AuthorizeURL(), c.RedirectURI)
		require.NoError(t, err)
		require.NotEmpty(t, callback.Query().Get("code"))
	}
	// passes tells whether a code is given without a question.
	passes := func(c *httpflow.Client, change url.Values, header ...string) bool {
		at, err := url.Parse(c.AuthorizeURL())
		require.NoError(t, err)
		q := at.Query()
		for name, values := range change {
			q[name] = values
		}
		at.RawQuery = q.Encode()
		for range 3 {
			page := h.send(p, http.MethodGet, at.String(), "", header...)
			to := page.Location()
			if to == nil {
				_, err := page.Form("attempt", "decision")
				require.NoError(t, err, page.Text())
				return false
			}
			if strings.HasPrefix(to.String(), c.RedirectURI) {
				require.NotEmpty(t, to.Query().Get("code"), to)
				return true
			}
			at = to
		}
		require.Fail(t, "no end")
		return false
	}
	own := []string{"Sec-Fetch-Site", "none"}

	allow(web)
	require.False(t, passes(web, nil, own...), "nothing is remembered unless the workspace wants it")
	require.NoError(t, h.owner.Authorization(t.Context(), h.slug, url.Values{"remember_consent": {"on"}}))
	allow(local)
	allow(unknown)
	require.True(t, passes(web, nil, own...), "the one case")
	for _, site := range []string{"cross-site", "same-site", "", "None", "none, none"} {
		require.False(t, passes(web, nil, "Sec-Fetch-Site", site), "%q", site)
	}
	require.False(t, passes(web, nil), "no header at all")
	require.False(t, passes(web, url.Values{"prompt": {"consent"}}, own...))
	require.False(t, passes(local, nil, own...), "anybody can listen there")
	require.False(t, passes(unknown, nil, own...), "nobody vouches for it")

	_, err := h.owner.Probe(t.Context(), h.runtime)
	require.NoError(t, err)
	h.scope("files:write", "Change files")
	h.opens("files:write")
	require.False(t, passes(web, url.Values{"scope": {"mcp files:write"}}, own...), "wider than before")
	require.True(t, passes(web, url.Values{"scope": {"mcp"}}, own...), "what was there before still stands")
}

// TestB4FormsOfOthersAndTabs: every transaction has a token of its own, several are
// valid at once, and a form of another site is refused.
func TestB4FormsOfOthersAndTabs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "row-b4")
	client := h.client("Scripted client")
	p := h.stranger()
	signIn := h.open(p, client.AuthorizeURL())
	form, err := signIn.Form("attempt", "email", "password")
	require.NoError(t, err)
	signInForm := form.Set("email", p.Email).Set("password", p.Password)

	forged := [][]string{
		{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"},
		{"Origin", "null", "Sec-Fetch-Site", "cross-site"},
		{"Origin", h.gateway.Console, "Sec-Fetch-Site", "same-site"},
		{"Origin", h.origin, "Sec-Fetch-Site", "cross-site"},
		{"Origin", "https://evil.example"},
		{"Origin", h.origin + ".evil.example"},
		{"Sec-Fetch-Site", "same-site"},
	}
	refused := func(f *httpflow.Form) {
		for _, header := range forged {
			page := h.send(p, http.MethodPost, f.Action.String(), f.Values.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...)
			require.Equal(t, http.StatusForbidden, page.Status, "%v", header)
		}
		for _, token := range []string{"", "x", strings.Repeat("A", 43)} {
			values := url.Values{}
			for name, of := range f.Values {
				values[name] = of
			}
			values.Set("csrf", token)
			page := h.send(p, http.MethodPost, f.Action.String(), values.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", h.origin, "Sec-Fetch-Site", "same-origin")
			require.Equal(t, http.StatusForbidden, page.Status, "token %q", token)
		}
	}
	refused(signInForm)
	require.NoError(t, h.post(p, signInForm).Expect(http.StatusSeeOther))

	// Two tabs: opening the second takes nothing from the first.
	first, err := h.open(p, client.AuthorizeURL()).Form("attempt", "decision")
	require.NoError(t, err)
	second, err := h.open(p, client.AuthorizeURL()).Form("attempt", "decision")
	require.NoError(t, err)
	require.NotEqual(t, first.Values.Get("csrf"), second.Values.Get("csrf"), "a token for each")
	first.Press("decision", "allow")
	refused(first)
	mixed := first.Values.Get("csrf")
	first.Set("csrf", second.Values.Get("csrf"))
	require.Equal(t, http.StatusForbidden, h.post(p, first).Status, "another transaction's token")
	first.Set("csrf", mixed)

	// The first tab is answered, by many clicks at once: one answer.
	answers := make([]string, 20)
	var clicks sync.WaitGroup
	for i := range answers {
		clicks.Go(func() {
			if page, err := p.Browser.Submit(t.Context(), first); err == nil && page.Location() != nil {
				answers[i] = page.Location().String()
			}
		})
	}
	clicks.Wait()
	for _, answer := range answers {
		require.Equal(t, answers[0], answer)
	}
	require.Contains(t, answers[0], "code=")
	require.Equal(t, "access_denied", h.post(p, second.Press("decision", "deny")).Location().Query().Get("error"), "the second tab is still its own")
}
