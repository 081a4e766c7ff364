package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
)

// FuzzNarrow: whatever is asked for under whatever ceiling, what is given is known
// here, stays under the ceiling and opens a runtime.
func FuzzNarrow(f *testing.F) {
	for _, seed := range []string{"", "mcp", "offline_access", "mcp mcp offline_access", "read danger", "write", "admin write", "MCP", "mcp\u00a0offline_access", "\x00", "\xff", `a"b c\d`} {
		f.Add(seed, "read")
		f.Add("danger "+seed, seed)
	}
	f.Fuzz(func(t *testing.T, asked, limit string) {
		c := library(t)
		parsed := authz.ParseScopes(asked)
		for i, token := range parsed {
			require.NotContains(t, parsed[:i], token, "each counts once")
			require.True(t, authz.ValidScope(token))
		}
		require.Equal(t, parsed, authz.ParseScopes(parsed.String()))
		ceiling := append(authz.Scopes{}, authz.ParseScopes(limit)...) // never nil: an empty ceiling is one
		for _, top := range []authz.Scopes{nil, ceiling} {
			got := c.Narrow(parsed, top)
			require.True(t, got.Has(authz.ScopeMCP))
			require.Equal(t, parsed.Has(authz.ScopeOffline), got.Has(authz.ScopeOffline))
			for _, token := range got {
				if token == authz.ScopeMCP || token == authz.ScopeOffline {
					continue
				}
				_, known := c.Get(token)
				require.True(t, known)
				require.True(t, top == nil || c.Covers(top, authz.Scopes{token}))
				require.True(t, c.Covers(parsed.Union(c.Initial()), authz.Scopes{token}), "nothing that was not asked for")
			}
			require.Equal(t, got, c.Narrow(got, top))
			require.Equal(t, got, c.Keep(got, top))
			require.Equal(t, got, authz.ParseScopes(got.String()))
		}
	})
}
