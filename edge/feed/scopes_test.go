package feed

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/edge/snapshot"
)

// TestScopesReachTheEdge: by the ordinary notice of their change, and only at the runtimes that they are about.
func TestScopesReachTheEdge(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.tenant(t, "alpha")
		files, more := b.runtime(t, a, "files"), b.runtime(t, a, "more")
		b.start(t)
		b.until(t, "the runtimes", func(s *snapshot.Snapshot) bool { return len(b.edges(s, a)) == 2 })
		before := b.edges(b.store.Load(), a)["files"]
		require.Equal(t, []string{"mcp"}, before.Scopes)
		require.Empty(t, before.Initial)
		require.Nil(t, before.Gate, "without scopes a call costs nothing")

		s := scopes.New(b.DB)
		require.NoError(t, s.Create(t.Context(), a, scopes.Input{Name: "read", Title: "Read", Initial: true}))
		require.NoError(t, s.SetTools(t.Context(), a, "read", "", files.ID, []string{"search"}))
		require.NoError(t, s.Create(t.Context(), a, scopes.Input{Name: "all", Title: "All", Includes: authz.Scopes{"read"}, Initial: true}))
		require.NoError(t, s.SetTools(t.Context(), a, "all", "", more.ID, []string{authz.AnyTool}))
		b.until(t, "the scopes", func(s *snapshot.Snapshot) bool { return b.edges(s, a)["more"].Gate != nil })
		now := b.edges(b.store.Load(), a)
		require.Equal(t, []string{"read", "all"}, now["files"].Initial)
		require.Equal(t, "read", now["files"].Gate.Missing([]string{"mcp"}, "search"))
		require.Empty(t, now["files"].Gate.Missing([]string{"all"}, "search"), "hierarchy")
		require.Empty(t, now["files"].Gate.Missing([]string{"mcp"}, "lend"))
		require.Equal(t, []string{"all"}, now["more"].Initial, "read opens nothing there")
		require.Equal(t, "all", now["more"].Gate.Missing([]string{"mcp", "read"}, "anything"))

		require.NoError(t, s.Delete(t.Context(), a, "read"))
		b.until(t, "the end of read", func(s *snapshot.Snapshot) bool { return b.edges(s, a)["files"].Gate == nil })
	})
}
