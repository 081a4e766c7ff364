package edge_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
)

func TestNewNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := edge.New(edge.Config{})
	require.ErrorContains(t, err, "no snapshots")
	setup(t, echoPong(), func(c *edge.Config) {
		bad := *c
		bad.Via = "two words"
		_, err := edge.New(bad)
		require.ErrorContains(t, err, "Via")
	})
}

func TestUnknownOriginIsMisdirected(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	host := strings.TrimPrefix(b.server.URL, "http://")
	port := host[strings.LastIndexByte(host, ':'):]
	for name, text := range map[string]string{
		"other host":          "POST /crm/mcp HTTP/1.1\r\nHost: evil.test\r\n",
		"other port":          "POST /crm/mcp HTTP/1.1\r\nHost: 127.0.0.1:1\r\n",
		"no port":             "POST /crm/mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n",
		"https' port":         "POST /crm/mcp HTTP/1.1\r\nHost: globex.test:443\r\n",
		"trailing dot":        "POST /crm/mcp HTTP/1.1\r\nHost: globex.test.\r\n",
		"forwarded host":      "POST /crm/mcp HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: globex.test\r\nForwarded: host=globex.test\r\nX-Forwarded-Proto: http\r\n",
		"absolute form":       "POST http://globex.test/crm/mcp HTTP/1.1\r\nHost: globex.test\r\n",
		"absolute, two hosts": "POST http://globex.test/crm/mcp HTTP/1.1\r\nHost: 127.0.0.1" + port + "\r\n",
		"HTTP/1.0":            "POST /crm/mcp HTTP/1.0\r\n",
	} {
		answer := b.raw(text + "Connection: close\r\nContent-Length: 0\r\n\r\n")
		require.Contains(t, strings.SplitN(answer, "\r\n", 2)[0], " 421 ", name)
		require.Contains(t, answer, `{"error":"misdirected_request"`, name)
		require.NotContains(t, answer, "globex", name)
	}
	for name, text := range map[string]string{
		"no Host":   "",
		"two Hosts": "Host: " + host + "\r\nHost: globex.test\r\n",
		"user":      "Host: globex.test@" + host + "\r\n",
	} {
		require.Contains(t, b.raw("POST /crm/mcp HTTP/1.1\r\n"+text+"Connection: close\r\n\r\n"), " 400 ", name)
	}
	require.Empty(t, runtime.requests())
	require.Empty(t, b.events.list())
}

func TestOriginIsNormalised(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	for _, host := range []string{"globex.test", "GLOBEX.test", "globex.test:80", "GlObEx.TeSt:80"} {
		answer := b.raw("GET /.well-known/oauth-protected-resource/crm/mcp HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Proto: https\r\n\r\n")
		require.Contains(t, answer, " 200 OK", host)
		require.Contains(t, answer, `"resource":"http://globex.test/crm/mcp"`, host)
		require.NotContains(t, answer, "evil")
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	host := strings.TrimPrefix(b.server.URL, "http://")
	send := func(path string) string {
		return b.raw("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
	}
	for _, path := range []string{
		"//crm/mcp", "/crm//mcp", "/crm/mcp//", "/./crm/mcp", "/crm/./mcp", "/crm/mcp/.", "/crm/mcp/..", "/x/../crm/mcp", "/../crm/mcp",
		"/crm%2fmcp", "/crm%2Fmcp", "/crm/mcp%2f", "/crm/%6dcp", "/crm/mcp%00", "/crm%5cmcp", `/crm\mcp`, "/crm/mcp;x=1", "/crm;x/mcp", "/crm/mcp%3b",
		"/%2e%2e/crm/mcp", "/crm/%2e/mcp", "/crm/mcp%", "/crm/mcp%2", "/crm/mcp%25", "/crm/mcp/", "/nope/mcp", "/CRM/mcp", "//mcp", "/mcp/mcp",
		"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/", "/.well-known/oauth-protected-resource/crm",
		"/.well-known/oauth-protected-resource/crm/mcp/", "/.well-known/oauth-protected-resource/nope/mcp", "/.well-known/oauth-protected-resource//crm/mcp",
		"/.well-known/oauth-protected-resource/x/crm/mcp",
	} {
		answer := send(path)
		status := strings.SplitN(answer, "\r\n", 2)[0]
		require.True(t, strings.Contains(status, " 404 ") || strings.Contains(status, " 400 "), "%s: %s", path, status)
		require.NotContains(t, answer, "Location:", path)
		if strings.Contains(status, " 404 ") {
			require.Contains(t, answer, `{"error":"not_found"`, path)
		}
	}
	require.Empty(t, b.auth)
	for _, path := range []string{
		"/", "/authorize?x=//&y=..", "/sign-in", "/crm", "/mcp", "/.well-known/oauth-authorization-server/crm/mcp", "/crm/mcp/.well-known/openid-configuration",
		"/.well-known/oauth-protected-resources", "/caf%C3%A9",
	} {
		require.Contains(t, send(path), " 418 ", path)
		require.Equal(t, "acme", (<-b.auth).Slug, path)
	}
	require.Contains(t, send("/crm/mcp?x=/../y"), " 401 ", "a query does not change the route")
	require.Empty(t, runtime.requests())
}

func TestResourceMetadata(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	where := b.acme.Edges[slug].MetadataURL
	send := func(method string, header ...string) (*http.Response, string) {
		req, err := http.NewRequestWithContext(t.Context(), method, where, nil)
		require.NoError(t, err)
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		return b.do(req)
	}
	resp, body := send(http.MethodGet, "Origin", "https://anywhere.test")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, jsonType, resp.Header.Get("Content-Type"))
	require.Equal(t, "max-age=60", resp.Header.Get("Cache-Control"))
	require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
	require.JSONEq(t, fmt.Sprintf(`{"resource":%q,"authorization_servers":[%q],"scopes_supported":["mcp"],"bearer_methods_supported":["header"],"resource_name":"CRM of acme"}`,
		b.url(), b.server.URL), body)

	resp, body = send(http.MethodHead)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, body)

	resp, _ = send(http.MethodOptions, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "mcp-protocol-version")
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Equal(t, "*", resp.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "mcp-protocol-version", resp.Header.Get("Access-Control-Allow-Headers"))

	resp, _ = send(http.MethodPost)
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
	require.Equal(t, "GET, HEAD, OPTIONS", resp.Header.Get("Allow"))

	where = b.server.URL + "/.well-known/oauth-protected-resource"
	resp, body = send(http.MethodGet)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
	require.True(t, json.Valid([]byte(body)))
}

func TestHTTPSOriginBehindAPlainListener(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	tenant := b.tenant("tnt_c", "initech", "https://initech.test", newKey(t))
	b.store.Put(start, tenant.ID, tenant)
	for host, status := range map[string]int{"initech.test": http.StatusUnauthorized, "initech.test:443": http.StatusUnauthorized, "initech.test:80": http.StatusMisdirectedRequest} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/crm/mcp", nil)
		require.NoError(t, err)
		req.Host, req.RequestURI = host, "/crm/mcp"
		w := &statusOnly{header: http.Header{}}
		b.front.Handler("https").ServeHTTP(w, req)
		require.Equal(t, status, w.status, host)
	}
}

type statusOnly struct {
	header http.Header
	status int
}

func (w *statusOnly) Header() http.Header         { return w.header }
func (w *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
func (w *statusOnly) WriteHeader(status int)      { w.status = status }
