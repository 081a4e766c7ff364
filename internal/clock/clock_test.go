package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimesAreWhatBothDatabasesKeep(t *testing.T) {
	t.Parallel()
	now := System{}.Now()
	require.Equal(t, time.UTC, now.Location())
	require.Zero(t, now.Nanosecond()%1000)
	require.WithinDuration(t, time.Now(), now, time.Minute)
}

func TestManualMovesOnlyWhenTold(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 13, 0, 0, 1234567, time.FixedZone("CET", 3600))
	m := NewManual(start)
	require.Equal(t, time.Date(2026, 11, 22, 12, 0, 0, 1234000, time.UTC), m.Now())
	require.Equal(t, m.Now(), m.Now())
	m.Advance(time.Hour)
	m.Advance(-time.Minute)
	require.Equal(t, time.Date(2026, 11, 22, 12, 59, 0, 1234000, time.UTC), m.Now())
}
