package server

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/internal/urltest"
)

// FuzzSameResource: what is taken for an MCP URL differs from it in the letters of
// scheme and host and in one slash behind, and in nothing else.
func FuzzSameResource(f *testing.F) {
	const canonical = "https://acme.mcp.test/tickets/mcp"
	for _, seed := range append(urltest.Mutations(canonical), canonical, canonical+"/", "HTTPS://ACME.mcp.TEST/tickets/mcp") {
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

// FuzzFormTarget: no redirect URI that may be registered writes a directive of its own
// into the page's Content-Security-Policy.
func FuzzFormTarget(f *testing.F) {
	for _, seed := range []string{"https://claude.ai/cb", "http://localhost:1/", "cursor://x", "com.a:/b", "https://x;sandbox/", "https://[::1]:443/"} {
		f.Add(seed)
		for _, m := range urltest.Mutations(seed) {
			f.Add(m)
		}
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if clients.Registrable(uri) {
			require.NotRegexp(t, `[;,']`, formTarget(uri))
		}
	})
}

// FuzzVerifyS256: only the verifier itself opens a challenge.
func FuzzVerifyS256(f *testing.F) {
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636, appendix B
	for _, seed := range append(urltest.Mutations(verifier), verifier, challenge, strings.Repeat("a", 129)) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, presented string) {
		require.Equal(t, presented == verifier, verifyS256(challenge, presented))
		require.False(t, verifyS256(presented, presented))
		require.False(t, verifyS256("", presented))
	})
}
