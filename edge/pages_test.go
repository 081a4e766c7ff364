package edge_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
)

func pages(t testing.TB, list string) option {
	t.Helper()
	p, err := edge.ParsePages(list)
	require.NoError(t, err)
	return func(c *edge.Config) { c.Pages = p }
}

// TestPages: which pages may call, by the installation's list, by the tenant's, and
// because they are the tenant's own. What they ask for is answered with what a page
// needs to read it, the refusals too.
func TestPages(t *testing.T) {
	t.Parallel()
	const (
		always     = "none, loopback, listed"
		loopback   = "loopback"
		listed     = "listed"
		never      = ""
		inspector  = "http://localhost:6274"
		playground = "https://playground.test"
	)
	lists := map[string]string{"none": "none", loopback: "loopback", listed: playground + ", HTTPS://Other.Test:443/"}
	for origin, want := range map[string]string{
		"http://globex.test":            always,
		"https://ours.test":             always, // the tenant's list
		inspector:                       loopback,
		"https://localhost":             loopback,
		"http://127.0.0.1:1":            loopback,
		"http://127.9.9.9:1":            loopback,
		"http://[::1]:1":                loopback,
		"http://acme.localhost:1":       loopback,
		playground:                      listed,
		"https://other.test":            listed,
		"https://other.test:443":        never, // no browser writes it so
		"https://globex.test":           never,
		"http://globex.test:81":         never,
		"http://sub.globex.test":        never,
		"http://globex.test/":           never,
		"http://localhost:6274/":        never,
		"http://localhost:6274?x":       never,
		"http://LOCALHOST:6274":         never,
		"http://localhost:80":           never,
		"http://localhost.evil.test":    never,
		"http://localhost:1@evil.test":  never,
		"http://evil.test#localhost":    never,
		"http://notlocalhost":           never,
		"https://playground.test.evil":  never,
		"http://playground.test":        never,
		"https://evil.test":             never,
		"ftp://localhost":               never,
		"chrome-extension://abcdefghij": never,
		"null":                          never,
	} {
		t.Run(origin, func(t *testing.T) {
			t.Parallel()
			for name, list := range lists {
				runtime := echoPong()
				b := setup(t, runtime, pages(t, list))
				next := *b.globex
				next.AllowedOrigins = []string{"https://ours.test"}
				b.store.Put(start, next.ID, &next)
				expectPage(t, b, runtime, origin, want == always || want == name)
			}
		})
	}
}

func expectPage(t *testing.T, b *bundle, runtime *answers, origin string, allowed bool) {
	t.Helper()
	const asked = "authorization, mcp-session-id, mcp-param-my.region"
	preflight, _ := b.do(b.requestTo(b.globex, "OPTIONS", "", "Origin", origin, "Authorization", "",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", asked))
	call, body := b.do(b.requestTo(b.globex, "POST", ping, "Origin", origin))
	stranger, _ := b.do(b.requestTo(b.globex, "POST", ping, "Origin", origin, "Authorization", ""))
	if !allowed {
		for _, one := range []*http.Response{preflight, call, stranger} {
			require.Equal(t, http.StatusForbidden, one.StatusCode, "the Origin comes before the token")
			require.Empty(t, one.Header.Get("Access-Control-Allow-Origin"))
		}
		require.Contains(t, body, `"jsonrpc":"2.0","id":null,"error"`)
		require.Empty(t, runtime.requests())
		require.Equal(t, "origin_not_allowed", b.events.list()[0].Reason)
		return
	}
	require.Equal(t, http.StatusNoContent, preflight.StatusCode)
	require.Equal(t, asked, preflight.Header.Get("Access-Control-Allow-Headers"))
	require.Equal(t, http.StatusOK, call.StatusCode)
	require.Equal(t, http.StatusUnauthorized, stranger.StatusCode)
	require.NotEmpty(t, stranger.Header.Get("WWW-Authenticate"))
	for _, one := range []*http.Response{preflight, call, stranger} {
		require.Equal(t, origin, one.Header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "www-authenticate, mcp-session-id, mcp-protocol-version, retry-after, x-request-id", one.Header.Get("Access-Control-Expose-Headers"))
		require.Contains(t, one.Header["Vary"], "Origin")
		require.Empty(t, one.Header.Get("Access-Control-Allow-Credentials"))
	}
	require.Empty(t, runtime.last().Values("Origin"))
}

func TestTwoOriginsAreNone(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime, pages(t, "loopback"))
	req := b.request("POST", ping)
	req.Header["Origin"] = []string{b.server.URL, b.server.URL}
	resp, _ := b.do(req)
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Empty(t, runtime.requests())
}

// TestPagesSeeWhatIsNotThere: an error at a path without a runtime can be read, too.
func TestPagesSeeWhatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong(), pages(t, "loopback"))
	b.publish(func(t *snapshot.Tenant) { t.Edges = nil })
	for origin, want := range map[string]string{"http://localhost:6274": "http://localhost:6274", "https://evil.test": ""} {
		for _, path := range []string{"/crm/mcp", "/crm/mcp/", "/crm//mcp"} {
			req := b.request("POST", ping, "Origin", origin)
			req.URL.Path = path
			resp, _ := b.do(req)
			require.Equal(t, http.StatusNotFound, resp.StatusCode, path)
			require.Equal(t, want, resp.Header.Get("Access-Control-Allow-Origin"), path)
		}
	}
}

func TestParsePages(t *testing.T) {
	t.Parallel()
	for _, list := range []string{"", "none", " none ", "loopback", "loopback,https://a.test", " https://a.test/ , http://b.test:81 ,"} {
		_, err := edge.ParsePages(list)
		require.NoError(t, err, list)
	}
	for _, list := range []string{"*", "none,loopback", "null", "a.test", "https://*.a.test", "https://a.test/x", "https://u@a.test", "Loopback", "https://a.test https://b.test"} {
		_, err := edge.ParsePages(list)
		require.Error(t, err, list)
	}
}
