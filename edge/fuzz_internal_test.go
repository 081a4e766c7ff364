package edge

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRoutePath: a path that is accepted is the same path to every reader.
func FuzzRoutePath(f *testing.F) {
	for _, seed := range []string{"/crm/mcp", "/crm/mcp?x=/../", "//", "/a/./b", "/a/..", "/%2e%2e/", "/%zz", "/%8X", "/caf%C3%A9", "/a;b", `/a\b`, "/a//", "*", "http://x/y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		got, ok := routePath(&http.Request{RequestURI: target})
		if !ok {
			return
		}
		require.True(t, strings.HasPrefix(target, got))
		require.Equal(t, strings.TrimSuffix(got, "/"), strings.TrimSuffix(path.Clean(got), "/"), "nothing to clean")
		plain, err := url.PathUnescape(got)
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(plain, "/"), strings.TrimSuffix(path.Clean(plain), "/"), "nor after unescaping")
		require.Equal(t, strings.Count(got, "/"), strings.Count(plain, "/"))
		require.NotContains(t, plain, "\x00")
		if slug, is := mcpSlug(got); is && slug != "" {
			require.Equal(t, "/"+slug+"/mcp", got)
		}
	})
}

// FuzzTokenKID: nothing makes it panic, and what it accepts has three parts.
func FuzzTokenKID(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImsifQ.e30.c2ln")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		if kid, ok := tokenKID(token); ok {
			require.NotEmpty(t, kid)
			require.Equal(t, 2, strings.Count(token, "."))
		}
	})
}
