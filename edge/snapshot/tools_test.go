package snapshot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
)

func TestHints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hints                 snapshot.Hints
		readOnly, destructive bool
	}{
		{0, false, true}, // the specification's default
		{snapshot.ReadOnlySaid, false, true},
		{snapshot.ReadOnlySaid | snapshot.SaysReadOnly, true, false},
		{snapshot.DestructiveSaid, false, false},
		{snapshot.DestructiveSaid | snapshot.SaysDestructive, false, true},
		{snapshot.ReadOnlySaid | snapshot.SaysReadOnly | snapshot.DestructiveSaid | snapshot.SaysDestructive, true, false},
	} {
		require.Equal(t, c.readOnly, c.hints.ReadOnly(), "%b", c.hints)
		require.Equal(t, c.destructive, c.hints.Destructive(), "%b", c.hints)
	}
}

func TestToolsThatWereNeverListed(t *testing.T) {
	t.Parallel()
	var none *snapshot.Tools
	_, known := none.Get("a")
	require.False(t, known)
	some := &snapshot.Tools{ByName: map[string]snapshot.Tool{"a": {Hints: snapshot.ReadOnlySaid}}}
	got, known := some.Get("a")
	require.True(t, known)
	require.Equal(t, snapshot.ReadOnlySaid, got.Hints)
	_, known = some.Get("A")
	require.False(t, known)
}
