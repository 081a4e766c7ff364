package feed

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// TestSessionsAreTheTenants: what was sealed for one tenant opens for no other, and a
// reload is no reason to open it anew.
func TestSessionsAreTheTenants(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		h, other := b.tenant(t, "alpha"), b.tenant(t, "beta")
		b.start(t)
		mine := b.store.Load().ByID(h.Tenant()).Sessions
		sealed := mine.Seal([]byte("their-id"), "a", "b")
		_, err := b.store.Load().ByID(other.Tenant()).Sessions.Open(sealed, "a", "b")
		require.ErrorIs(t, err, seal.ErrOpen)
		edition := b.store.Load().Edition
		b.runtime(t, h, "files")
		b.until(t, "the runtime", func(s *snapshot.Snapshot) bool { return s.Edition > edition && b.edges(s, h)["files"] != nil })
		require.Same(t, mine, b.store.Load().ByID(h.Tenant()).Sessions)
	})
}

// TestSessionsOpenInEveryProcess: what one process sealed for a client opens in
// another that has the same database and key, as it does after a restart.
func TestSessionsOpenInEveryProcess(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.Postgres(t))
	h := b.tenant(t, "alpha")
	b.start(t)
	mine := b.store.Load().ByID(h.Tenant()).Sessions
	sealed := mine.Seal([]byte("their-id"), "a", "b")
	b.feed.Stop()

	node, store := b.second(t), snapshot.NewStore()
	again := New(node.db, node.workspaces, store, slog.New(slog.DiscardHandler))
	require.NoError(t, again.Start(t.Context()))
	t.Cleanup(again.Stop)
	theirs := store.Load().ByID(h.Tenant()).Sessions
	require.NotSame(t, mine, theirs)
	plain, err := theirs.Open(sealed, "a", "b")
	require.NoError(t, err)
	require.Equal(t, "their-id", string(plain))
}
