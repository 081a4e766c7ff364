package server

import (
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"
)

// FuzzSameResource: what is taken for an MCP URL differs from it in the letters of
// scheme and host and in one slash behind, and in nothing else.
func FuzzSameResource(f *testing.F) {
	const canonical = "https://acme.mcp.test/tickets/mcp"
	for _, seed := range append(Mutations(canonical), canonical, canonical+"/", "HTTPS://ACME.mcp.TEST/tickets/mcp") {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, requested string) {
		rest := strings.TrimSuffix(requested, "/")
		const path = "/tickets/mcp"
		origin, ok := strings.CutSuffix(rest, path)
		want := ok && strings.EqualFold(origin, "https://acme.mcp.test") && isASCII(origin) || requested == canonical
		require.Equal(t, want, sameResource(requested, canonical), "%q", requested)
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// FuzzRegistration: whatever a client sends, what is stored of it can be used and
// shown safely.
func FuzzRegistration(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"redirect_uris":["http://localhost/"],"client_name":"x"}`, `{"redirect_uris":["javascript:alert(1)","https://a.example/"],"scope":"admin"}`,
		"{\"redirect_uris\":[\"com.a:/b\"],\"client_name\":\"\u202e<b>\",\"client_uri\":\"javascript:x\",\"software_id\":\"\u0000\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var asked metadata
		if json.Unmarshal([]byte(body), &asked) != nil {
			return
		}
		out, refused := asked.accept()
		if refused != nil {
			require.Equal(t, "invalid_redirect_uri", refused.Code)
			return
		}
		require.NotEmpty(t, out.RedirectURIs)
		require.LessOrEqual(t, len(out.RedirectURIs), maxRedirects)
		for _, uri := range out.RedirectURIs {
			require.True(t, registrable(uri))
			require.Contains(t, asked.RedirectURIs, uri, "as it was sent")
		}
		require.Equal(t, "none", out.TokenEndpointAuthMethod)
		require.Equal(t, grantTypes, out.GrantTypes)
		require.Equal(t, []string{"code"}, out.ResponseTypes)
		require.Equal(t, "mcp offline_access", out.Scope)
		require.LessOrEqual(t, len([]rune(out.ClientName)), maxClientName)
		for _, text := range []string{out.ClientName, out.SoftwareID, out.SoftwareVersion} {
			require.True(t, storable(text))
			require.False(t, strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs) }), "%q", text)
		}
		if out.ClientURI != "" {
			u, err := url.Parse(out.ClientURI)
			require.NoError(t, err)
			require.Equal(t, "https", u.Scheme)
		}
	})
}

// FuzzVerifyS256: only the verifier itself opens a challenge.
func FuzzVerifyS256(f *testing.F) {
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
	for _, seed := range append(Mutations(verifier), verifier, challenge, strings.Repeat("a", 129)) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, presented string) {
		require.Equal(t, presented == verifier, verifyS256(challenge, presented))
		require.False(t, verifyS256(presented, presented))
		require.False(t, verifyS256("", presented))
	})
}
