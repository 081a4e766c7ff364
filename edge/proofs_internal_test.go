package edge

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/dpop"
)

func TestProofsAreRememberedWithinABound(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := newProofs()
	p := dpop.Proof{Thumbprint: "t", ID: "1"}
	require.True(t, s.first(p, now))
	require.False(t, s.first(p, now.Add(proofLife-time.Second)))
	require.True(t, s.first(dpop.Proof{Thumbprint: "u", ID: "1"}, now), "of another key")
	require.False(t, s.first(p, now.Add(proofLife)), "the half before is still known")
	require.True(t, s.first(p, now.Add(4*proofLife)))
	for i := range 3 * maxProofs {
		require.True(t, s.first(dpop.Proof{Thumbprint: "v", ID: strconv.Itoa(i)}, now.Add(4*proofLife)))
	}
	require.LessOrEqual(t, len(s.young)+len(s.old), 2*maxProofs)
}
