package authz_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
)

// FuzzNarrow: whatever is asked for, what is given is known here and opens a runtime.
func FuzzNarrow(f *testing.F) {
	for _, seed := range []string{"", "mcp", "offline_access", "mcp mcp offline_access", "admin write", "MCP", "mcp\u00a0offline_access", "\x00", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		parsed := authz.ParseScopes(asked)
		for i, token := range parsed {
			require.NotContains(t, parsed[:i], token, "each counts once")
		}
		got := authz.Narrow(parsed)
		require.True(t, got.Has(authz.ScopeMCP))
		require.Equal(t, parsed.Has(authz.ScopeOffline), got.Has(authz.ScopeOffline))
		for _, token := range got {
			require.True(t, slices.Contains([]string{authz.ScopeMCP, authz.ScopeOffline}, token))
		}
		require.Equal(t, got, authz.ParseScopes(got.String()))
		require.Equal(t, got, authz.Narrow(got))
		require.True(t, got.Covers(authz.Scopes{authz.ScopeMCP}))
	})
}
