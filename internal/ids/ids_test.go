package ids_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/ids"
)

func TestSecretChecksumRefusesEveryDamage(t *testing.T) {
	t.Parallel()
	s := ids.Secret("emc_rt")
	require.True(t, ids.ValidSecret("emc_rt", s))
	require.False(t, ids.ValidSecret("emc_at", s))
	for i := range len(s) {
		require.False(t, ids.ValidSecret("emc_rt", s[:i]), "truncated to %d", i)
		flipped := []byte(s)
		flipped[i] ^= 1
		require.False(t, ids.ValidSecret("emc_rt", string(flipped)), "flipped at %d", i)
	}
	require.False(t, ids.ValidSecret("emc_rt", s+"x"))
}

func TestNewAtSortsByTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	require.Less(t, ids.NewAt("evt", at), ids.NewAt("evt", at.Add(time.Millisecond)))
	require.True(t, strings.HasPrefix(ids.New("tnt"), "tnt_"))
	require.NotEqual(t, ids.New("tnt"), ids.New("tnt"))
}
