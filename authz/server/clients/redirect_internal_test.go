package clients

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestA2LoopbackForms are the forms that the library behind us takes for a
// registered loopback address: only the port may differ.
func TestA2LoopbackForms(t *testing.T) {
	t.Parallel()
	registered := []string{"http://127.0.0.1:8899/callback"}
	require.True(t, MatchRedirect(registered, "http://127.0.0.1:8899/callback"))
	require.True(t, MatchRedirect(registered, "http://127.0.0.1:1/callback"))
	require.True(t, MatchRedirect(registered, "http://127.0.0.1/callback"))
	for _, form := range []string{
		"http://localhost:8899/callback", "https://127.0.0.1:8899/callback", "http://[::1]:8899/callback", "http://127.9.9.9:8899/callback",
		"http://user@127.0.0.1:8899/callback", "http://127.0.0.1:8899/callback#f", "http://127.0.0.1:8899/callback?a=b", "http://127.0.0.1:8899/callback/",
		"http://127.0.0.1:8899/CALLBACK", "HTTP://127.0.0.1:8899/callback", "http://127.0.0.1:/callback", "http://127.0.0.1:0/callback",
		"http://127.0.0.1:08899/callback", "http://127.0.0.1:65536/callback", "http://127.0.0.1.:8899/callback", "http://2130706433:8899/callback",
		"http://127.1:8899/callback", "http://0x7f000001:8899/callback", "http://127.0.0.1:8899\\@evil.example/callback", "http://127.0.0.1:8899@evil.example/callback",
	} {
		require.False(t, MatchRedirect(registered, form), form)
	}
	require.True(t, MatchRedirect([]string{"http://localhost/callback"}, "http://localhost:51234/callback"), "registered without a port")
	require.True(t, MatchRedirect([]string{"http://[::1]/cb"}, "http://[::1]:51234/cb"))
	require.False(t, MatchRedirect([]string{"https://localhost/cb"}, "https://localhost:51234/cb"), "https is exact")
	require.False(t, MatchRedirect([]string{"http://127.0.0.1:1/a", "http://localhost:1/b"}, "http://localhost:2/a"), "host and path of one and the same")
}

func TestA3Schemes(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"https://claude.ai/api/mcp/auth_callback", "http://localhost:33418/", "http://127.0.0.1/callback", "http://[::1]:1/cb", "https://h_o-st.example:8443/cb?x=y",
		"cursor://anysphere.cursor-mcp/oauth/callback", "vscode://vscode.github-authentication/did-authenticate", "com.example.app:/cb", "com.example.app://cb",
	} {
		require.True(t, Registrable(good), good)
	}
	for _, bad := range []string{
		"", "javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://x/y",
		"about:blank", "view-source:https://x", "ws://x/", "wss://x/", "ftp://x/", "intent://x", "chrome://settings", "myapp://cb", "http://example.com/cb", "http://127.9.9.9/cb",
		"http://localhost.evil.example/cb", "http://localhost@evil.example/", "https://u:p@x.example/cb", "https://x.example/cb#f", "https://x.example/cb#", "https:x.example", "https:///cb", "//x.example/cb", "/cb",
		"https://x.example\\@evil.example/", "https://x.example/\u202e", "https://ｅvil.example/", "https://%e4%bd%a0.example/", "https://x.example:/cb", "https://x.example:99999/cb",
		"https://x;script-src/cb", "https://x,y.example/cb", "https://x'.example/cb", "https://x*.example/cb", "https://*.example/cb", "https://[fe80::1%25lo]/cb", "https://[::1/cb", "HTTPS://x.example/cb",
		"https://x.example/a b", "https://x.example/\r\nSet-Cookie:a", "https://x.example/" + strings.Repeat("a", maxRedirectURI),
	} {
		require.False(t, Registrable(bad), "%q", bad)
	}
}
