package grants_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// TestAGrantIsRefreshedWhenItEnds is the life of a grant: connected, used, refreshed,
// the rotated refresh token stored and used next time.
func TestAGrantIsRefreshedWhenItEnds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		require.Equal(t, grants.StateConnected, g.State)
		require.Equal(t, []string{"read", "write"}, g.Scopes)
		require.NotNil(t, g.RefreshDueAt)
		require.True(t, g.RefreshDueAt.Before(*g.ExpiresAt))
		first := b.token(t)
		require.True(t, b.works(t, first))
		require.Zero(t, b.provider.RefreshRequests())
		for n := range 3 {
			b.pass(t, time.Hour)
			next := b.token(t)
			require.NotEqual(t, first.Token.Reveal(), next.Token.Reveal())
			require.True(t, b.works(t, next))
			require.Equal(t, n+1, b.provider.RefreshRequests())
			first = next
		}
		got := b.get(t, b.a, g.ID)
		require.Equal(t, "yes", got.Rotates)
		require.Equal(t, g.Generation+3, got.Generation)
		require.Zero(t, b.provider.Reuses())
		require.Empty(t, b.told.notices)
	})
}

// TestTheCallerWhoSawAnOlderTokenAdoptsTheNewer: nothing is called for it.
func TestTheCallerWhoSawAnOlderTokenAdoptsTheNewer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		first, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
		require.NoError(t, err)
		again, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
		require.NoError(t, err)
		require.Equal(t, first.Generation, again.Generation)
		require.Equal(t, 1, b.provider.RefreshRequests())
		_, err = b.service.Refresh(t.Context(), b.b, g.ID, again.Generation, grants.ForCall)
		requireKind(t, err, errs.NotFound)
	})
}

// TestAProviderThatDoesNotRotate: the refresh token that is there goes on.
func TestAProviderThatDoesNotRotate(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		for range 3 {
			b.pass(t, time.Hour)
			require.True(t, b.works(t, b.token(t)))
		}
		require.Equal(t, "no", b.get(t, b.a, g.ID).Rotates)
		require.Equal(t, 3, b.provider.Refreshes())
	}, fake.Rotate(false))
}

// TestManyCallsAtExpiryMakeOneRefresh is F15 in one process: 250 calls at once, 200
// expiries, through the memory of the edge.
func TestManyCallsAtExpiryMakeOneRefresh(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.connect(t, b.a, b.profile, ada)
		const calls, expiries = 250, 200
		for n := range expiries {
			b.pass(t, time.Hour)
			seen := b.storm(t, calls)
			require.Lenf(t, seen, 1, "all calls of expiry %d get the one new token", n)
			require.Equal(t, n+1, b.provider.RefreshRequests())
		}
		require.Equal(t, expiries, b.provider.Refreshes())
		require.Zero(t, b.provider.Reuses())
	})
}

// storm asks for the credential many times at once, and gives the tokens that came.
func (b *bundle) storm(t *testing.T, calls int) map[string]bool {
	t.Helper()
	seen := map[string]bool{}
	var mu sync.Mutex
	var all sync.WaitGroup
	errors := make(chan error, calls)
	for range calls {
		all.Go(func() {
			c, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
			if err != nil {
				errors <- err
				return
			}
			mu.Lock()
			defer mu.Unlock()
			seen[c.Token.Reveal()] = true
		})
	}
	all.Wait()
	close(errors)
	for err := range errors {
		require.NoError(t, err)
	}
	return seen
}

// TestTwoNodesRefreshOnce: two services on one database, as two processes have them.
func TestTwoNodesRefreshOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.Postgres(t))
	other := *b
	other.open(t, b.DB)
	g := b.connect(t, b.a, b.profile, ada)
	release := make(chan struct{})
	b.provider.Fail("refresh", fake.Hold(release), 1)
	results := make(chan grants.Grant, 2)
	var all sync.WaitGroup
	for _, node := range []*bundle{b, &other} {
		all.Go(func() {
			got, err := node.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
			if err == nil {
				results <- got
			}
		})
	}
	require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).State == grants.StateRefreshing }, patience, 5*time.Millisecond)
	close(release)
	all.Wait()
	require.Len(t, results, 2)
	require.Equal(t, (<-results).Generation, (<-results).Generation)
	require.Equal(t, 1, b.provider.RefreshRequests())
}

// TestALeaseThatRanOut: a node froze in the middle of a refresh and another one took
// over. What the first one brings when it wakes up does not replace what is newer.
func TestALeaseThatRanOut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		other := *b
		other.open(t, b.DB)
		g := b.connect(t, b.a, b.profile, ada)
		b.pass(t, time.Hour)
		release := make(chan struct{})
		b.provider.Fail("refresh", fake.Hold(release), 1)
		got := make(chan grants.Grant, 2)
		refresh := func(s *grants.Service) {
			g, err := s.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
			if err != nil {
				t.Errorf("refresh: %v", err)
			}
			got <- g
		}
		go refresh(b.service)
		require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).State == grants.StateRefreshing }, patience, 5*time.Millisecond)
		b.pass(t, 16*time.Second)
		go refresh(other.service)
		taken := <-got // of the one that is not held
		stored := b.token(t)
		close(release)
		require.Equal(t, taken.Generation, (<-got).Generation)
		require.Equal(t, stored.Token.Reveal(), b.token(t).Token.Reveal())
		require.Zero(t, b.provider.Reuses())
		b.pass(t, time.Hour)
		require.True(t, b.works(t, b.token(t)))
	}, fake.Grace(time.Minute))
}

// TestASlowProviderHoldsUpItsOwn: no more calls are at one profile's provider than there
// are places for, and the others wait no longer than a refresh may take.
func TestASlowProviderHoldsUpItsOwn(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	const many = 40
	var all []grants.Grant
	for i := range many {
		all = append(all, b.connect(t, b.a, b.profile, fmt.Sprintf("acc_%02d", i)))
	}
	release := make(chan struct{})
	b.provider.Fail("refresh", fake.Hold(release), many)
	var running sync.WaitGroup
	done := make(chan error, many)
	for _, g := range all {
		running.Go(func() {
			_, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
			done <- err
		})
	}
	refreshing := func() (n int) {
		b.read(t, b.a, func(tx *tenancy.Tx) error {
			list, err := grants.List(tx, grants.Filter{State: grants.StateRefreshing})
			n = len(list)
			return err
		})
		return n
	}
	require.Eventually(t, func() bool { return refreshing() == 32 }, patience, 5*time.Millisecond)
	require.Empty(t, done)
	close(release)
	running.Wait()
	for range many {
		require.NoError(t, <-done)
	}
	require.Equal(t, many, b.provider.Refreshes())
}
