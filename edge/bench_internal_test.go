package edge

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/seal"
)

// BenchmarkSession measures what a session's id costs: known is every call but a
// session's first, opened is that one, sealed is initialize.
func BenchmarkSession(b *testing.B) {
	key, err := seal.NewKey(1, bytes.Repeat([]byte("k"), 32))
	require.NoError(b, err)
	envelope, err := seal.NewEnvelope("mcp-session", key)
	require.NoError(b, err)
	const plain = "5f1e7a52-9d7b-4b52-8a3c-1d2f3e4a5b6c"
	a := &access{tenant: "tnt_a", subject: "acc_ada", client: "cli_1"}
	tenant := &snapshot.Tenant{Sessions: envelope}
	id := newSession(envelope, a, "ups_1", plain, false).sealed[0]
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if a.openSession(tenant, "ups_1", id) == nil {
				b.Fatal("not opened")
			}
		}
	})
	b.Run("opened", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if openSession(envelope, a, "ups_1", id) == nil {
				b.Fatal("not opened")
			}
		}
	})
	b.Run("sealed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			newSession(envelope, a, "ups_1", plain, false)
		}
	})
}

// TestKnownSessionCostsNothing: the steady state allocates nothing for it.
func TestKnownSessionCostsNothing(t *testing.T) { //nolint:paralleltest // allocations are counted for the whole process
	key, err := seal.NewKey(1, bytes.Repeat([]byte("k"), 32))
	require.NoError(t, err)
	envelope, err := seal.NewEnvelope("mcp-session", key)
	require.NoError(t, err)
	a := &access{tenant: "tnt_a", subject: "acc_ada", client: "cli_1"}
	tenant := &snapshot.Tenant{Sessions: envelope}
	id := newSession(envelope, a, "ups_1", "x", false).sealed[0]
	require.NotNil(t, a.openSession(tenant, "ups_1", id))
	require.Zero(t, testing.AllocsPerRun(100, func() { a.openSession(tenant, "ups_1", id) }))
}
