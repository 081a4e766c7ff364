package grants

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestTheLadder: an answer comes before the lease ends, or not at all; whoever waits
// sees the end of the lease; what is handed out lives longer than what is kept back.
func TestTheLadder(t *testing.T) {
	t.Parallel()
	storing := time.Duration(len(pauses)) * writeTimeout
	for _, pause := range pauses {
		storing += pause
	}
	require.Less(t, callTimeout+storing, leaseLife, "nobody else takes the lease before the first tries to store are over")
	require.LessOrEqual(t, leaseLife, waitLimit)
	require.Less(t, writeTimeout, leaseLife, "a lease is renewed while a write is tried again")
	require.Less(t, maxRewrite+writeTimeout, leaseLife)
	require.Less(t, minSkew, minMargin, "the queue renews before calls have to")
	require.LessOrEqual(t, maxSkew, maxMargin)
	require.Less(t, claimAhead, claimAhead+claimedFor)
}

func TestWhenAGrantIsDue(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	row := func(life time.Duration) grantRow {
		end := start.Add(life)
		return grantRow{ID: "grt_1", Generation: 1, State: "connected", RefreshToken: []byte("x"), ConnectedAt: start, ExpiresAt: &end}
	}
	for life, want := range map[time.Duration][2]time.Duration{
		time.Hour:        {time.Hour - maxMargin*3/2, time.Hour - maxMargin},
		10 * time.Minute: {10*time.Minute - 90*time.Second, 9 * time.Minute},
		20 * time.Second: {20*time.Second - minMargin*3/2, 20*time.Second - minMargin},
		48 * time.Hour:   {21 * time.Hour, 24 * time.Hour}, // the daily refresh comes first
	} {
		r := row(life)
		due := r.due(start, 0)
		require.NotNil(t, due)
		require.False(t, due.Before(start.Add(want[0])), "%s: %s", life, due)
		require.False(t, due.After(start.Add(want[1])), "%s: %s", life, due)
		require.Equal(t, due, r.due(start, 0), "the same row gives the same time")
	}

	idle := row(time.Hour)
	later := start.Add(25 * time.Hour)
	require.True(t, idle.due(later, 0).After(start.Add(20*time.Hour)), "what nobody uses is only kept alive")
	used := later.Add(-time.Hour)
	idle.UsedAt = &used
	require.True(t, idle.due(later, 0).Before(start.Add(time.Hour)), "what is used is renewed in time")

	ends := row(time.Hour)
	end := start.Add(30 * time.Minute)
	ends.RefreshExpiresAt = &end
	require.False(t, ends.due(start, 0).After(start.Add(15*time.Minute)), "a refresh token that ends is renewed before")
	ends.Rotates = "no"
	require.True(t, ends.due(start, 0).After(start.Add(30*time.Minute)), "unless a refresh does not help")

	none := row(time.Hour)
	none.RefreshToken = nil
	require.Nil(t, none.due(start, 0))
	dead := row(time.Hour)
	dead.State = "needs_reconnect"
	require.Nil(t, dead.due(start, 0))
}

// TestGrantsOfOneMomentDriftApart: what was made at one moment is not due at one.
func TestGrantsOfOneMomentDriftApart(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for i := range int64(100) {
		seen[grantRow{ID: "grt_1", Generation: i}.jitter(time.Minute)] = true
	}
	require.Greater(t, len(seen), 90)
	require.Zero(t, grantRow{}.jitter(0))
	for failures := 1; failures < 40; failures++ {
		pause := grantRow{ID: "grt_1"}.backoff(failures)
		require.GreaterOrEqual(t, pause, minBackoff)
		require.LessOrEqual(t, pause, maxBackoff*3/2)
	}
}
