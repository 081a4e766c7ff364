//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// bypasses are spellings that some browser or parser has taken for another host.
var bypasses = []string{
	"//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`, `\evil.example`, `/\/evil.example`, `//\evil.example`,
	"https://evil.example", "HTTPS://evil.example", "https:evil.example", "https:/evil.example", "https:///evil.example", "http:evil.example", "http://evil.example", `https:\\evil.example`, `https:\/evil.example`,
	"/%2fevil.example", "/%2f%2fevil.example", "%2f%2fevil.example", "/%5cevil.example", "/%252fevil.example", "/.//evil.example", "/..//evil.example", "/./..//evil.example", "/%2e//evil.example", "/%2e%2e//evil.example",
	"\t//evil.example", "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "\x00//evil.example", " //evil.example", "/ /evil.example", "/\u00a0/evil.example", "\u2028//evil.example",
	"javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\tscript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "blob:https://evil.example/x", "view-source:https://evil.example",
	"@evil.example", "/@evil.example", ".evil.example", "/.evil.example", ":80@evil.example", "?//evil.example", "#//evil.example", "/;//evil.example", "/evil.example//", "//evil.example/%2e%2e", "//evil%E3%80%82example",
	"／／evil.example", "//ｅvil.example", "https://localhost@evil.example", "https://localhost:80@evil.example", "https://localhost.evil.example", "x\r\nLocation: https://evil.example",
}

// TestB9NoParameterIsAnAddress: every route that redirects leads to this gateway or
// answers an error, whatever a parameter says.
func TestB9NoParameterIsAnAddress(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(bypasses), 60)
	h := newHouse(t, "row-b9")
	client := h.client("Scripted client")
	p := h.stranger()
	require.NoError(t, p.SignIn(t.Context()))
	h.connect(p, client)
	own := map[string]bool{h.origin: true, h.gateway.Console: true}
	redirects := 0
	check := func(what string, page *httpflow.Page) {
		t.Helper()
		require.NotContains(t, page.Header, "Refresh", what)
		require.Less(t, page.Status, 500, what)
		raw := page.Header.Get("Location")
		if raw == "" {
			return
		}
		redirects++
		to := page.Location()
		require.NotNil(t, to, "%s: %q", what, raw)
		require.True(t, own[to.Scheme+"://"+to.Host], "%s leads to %q", what, raw)
		require.NotContains(t, raw, `\`, what)
		require.False(t, strings.HasPrefix(raw, "//"), what)
	}
	guest := elsewhere(p)
	names := []string{"attempt", "next", "return_to", "redirect_uri"}
	for _, text := range bypasses {
		for i, name := range names {
			query := "?" + url.Values{name: {text}}.Encode()
			for _, path := range []string{"/sign-in", "/consent", "/me/apps", "/done", "/device", "/sign-in/idp_x", "/callback/idp_x"} {
				check(path+query, h.send(p, http.MethodGet, h.origin+path+query, ""))
			}
			if i > 1 {
				continue
			}
			for _, path := range []string{"/", "/sign-in", "/sign-up", "/" + h.slug} {
				check(path+query, h.send(p, http.MethodGet, h.gateway.Console+path+query, ""))
				check(path+query, h.send(guest, http.MethodGet, h.gateway.Console+path+query, ""))
			}
		}
		// The way here is a way back for somebody who has to sign in first.
		check("path "+text, h.send(guest, http.MethodGet, h.gateway.Console+"/"+h.slug+"/logs?live="+url.QueryEscape(text), ""))
		// A redirect URI that no client registered is no address at all.
		at := strings.Replace(client.AuthorizeURL(), url.QueryEscape(client.RedirectURI), url.QueryEscape(text), 1)
		page := h.send(p, http.MethodGet, at, "")
		require.Equal(t, http.StatusBadRequest, page.Status, "%q", text)
		require.Empty(t, page.Header.Get("Location"))
	}
	// A raw path that a careless router would clean and redirect.
	for _, path := range []string{"//evil.example", "//evil.example/%2e%2e", "/%5cevil.example", "/.//evil.example/"} {
		for base := range own {
			check(path, h.send(guest, http.MethodGet, base+path, ""))
		}
	}
	require.Greater(t, redirects, 300, "redirects were looked at")

	// The form that comes back after signing in.
	form, err := h.open(guest, h.gateway.Console+"/sign-in").Form("email", "password", "next")
	require.NoError(t, err)
	for _, text := range bypasses[:12] {
		to := h.post(guest, form.Set("email", p.Email).Set("password", p.Password).Set("next", text))
		check("next "+text, to)
		require.NoError(t, to.Expect(http.StatusSeeOther))
		require.Equal(t, "/workspaces", to.Location().Path)
	}
}

// TestB15CORS: which origins may read what, for every kind of endpoint.
func TestB15CORS(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "row-b15")
	mcp := strings.TrimPrefix(h.runtime.MCPURL, h.origin)
	routes := []struct{ base, method, path string }{
		{h.origin, http.MethodGet, "/.well-known/oauth-authorization-server"},
		{h.origin, http.MethodGet, "/.well-known/openid-configuration"},
		{h.origin, http.MethodGet, "/.well-known/oauth-protected-resource" + mcp},
		{h.origin, http.MethodGet, "/jwks"},
		{h.origin, http.MethodPost, "/register"},
		{h.origin, http.MethodPost, "/token"},
		{h.origin, http.MethodPost, "/revoke"},
		{h.origin, http.MethodPost, mcp},
		{h.origin, http.MethodGet, "/authorize"},
		{h.origin, http.MethodGet, "/consent"},
		{h.origin, http.MethodPost, "/consent"},
		{h.origin, http.MethodGet, "/sign-in"},
		{h.origin, http.MethodGet, "/me/apps"},
		{h.gateway.Console, http.MethodGet, "/sign-in"},
		{h.gateway.Console, http.MethodGet, "/workspaces"},
		{h.gateway.Console, http.MethodPost, "/sign-in"},
	}
	origins := []struct{ name, origin string }{{"own", ""}, {"loopback", "http://localhost:6274"}, {"foreign", "https://evil.example"}, {"null", "null"}}
	var got strings.Builder
	for _, route := range routes {
		where := "tenant "
		if route.base == h.gateway.Console {
			where = "console "
		}
		_, _ = fmt.Fprintf(&got, "%s%s %s\n", where, route.method, strings.Replace(route.path, mcp, "/{runtime}/mcp", 1)) // a strings.Builder
		for _, o := range origins {
			origin := o.origin
			if origin == "" {
				origin = route.base
			}
			answer := h.send(h.stranger(), route.method, route.base+route.path, "", "Origin", origin)
			preflight := h.send(h.stranger(), http.MethodOptions, route.base+route.path, "", "Origin", origin, "Access-Control-Request-Method", route.method, "Access-Control-Request-Headers", "authorization,content-type")
			_, _ = fmt.Fprintf(&got, "  %-8s %s; preflight %s\n", o.name, cors(answer), cors(preflight)) // a strings.Builder
			for _, page := range []*httpflow.Page{answer, preflight} {
				require.Empty(t, page.Header.Get("Access-Control-Allow-Credentials"), "%s %s", route.method, route.path)
				require.NotEqual(t, "null", page.Header.Get("Access-Control-Allow-Origin"))
			}
		}
	}
	golden := filepath.Join(root(), "test/e2e/testdata/cors.golden")
	if os.Getenv("EMCY_UPDATE_GOLDEN") == "true" {
		require.NoError(t, os.MkdirAll(filepath.Dir(golden), 0o750))
		require.NoError(t, os.WriteFile(golden, []byte(got.String()), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}

func cors(page *httpflow.Page) string {
	h := page.Header
	allowed := h.Get("Access-Control-Allow-Origin")
	if allowed == "" {
		return "none"
	}
	if allowed != "*" {
		allowed = "that origin"
	}
	if methods := h.Get("Access-Control-Allow-Methods"); methods != "" {
		allowed += " (" + methods + "; " + h.Get("Access-Control-Allow-Headers") + ")"
	}
	return allowed
}

// TestB16AWebPageCallsNoTool: what a form of any page can send reaches no runtime, with
// or without a token.
func TestB16AWebPageCallsNoTool(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "row-b16")
	client := h.client("Scripted client")
	p := h.stranger()
	h.connect(p, client)
	require.NoError(t, client.Initialize(t.Context()))
	call := `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"from a page"}}}`
	before := len(h.up.Requests())
	for _, token := range []string{"", client.Tokens.AccessToken} {
		for _, kind := range []string{"text/plain", "text/plain; charset=utf-8", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "application/json+x", "text/json"} {
			for _, origin := range []string{"https://evil.example", "null", "http://localhost.evil.example", "http://127.0.0.1.evil.example", ""} {
				var header []string
				if kind != "" {
					header = append(header, "Content-Type", kind)
				}
				if origin != "" {
					header = append(header, "Origin", origin, "Sec-Fetch-Site", "cross-site")
				}
				header = append(header, "Accept", "application/json, text/event-stream")
				if token != "" {
					header = append(header, "Authorization", "Bearer "+token, "Mcp-Session-Id", client.SessionID)
				}
				page := h.send(p, http.MethodPost, h.runtime.MCPURL, call, header...)
				want := []int{http.StatusForbidden, http.StatusUnsupportedMediaType}
				if token == "" {
					want = append(want, http.StatusUnauthorized)
				}
				require.Contains(t, want, page.Status, "%q from %q", kind, origin)
			}
		}
		// The right type is not enough from a foreign page.
		if token != "" {
			for _, origin := range []string{"https://evil.example", "null", h.gateway.Console + ".evil.example"} {
				page := h.send(p, http.MethodPost, h.runtime.MCPURL, call, "Content-Type", "application/json", "Accept", "application/json, text/event-stream", "Origin", origin, "Authorization", "Bearer "+token, "Mcp-Session-Id", client.SessionID)
				require.Equal(t, http.StatusForbidden, page.Status, origin)
			}
		}
	}
	require.Len(t, h.up.Requests(), before, "the runtime heard of none")
	_, err := client.CallTool(t.Context(), "echo", map[string]any{"text": "the client itself"})
	require.NoError(t, err)
	require.Equal(t, []string{"the client itself"}, h.up.Calls())
}
