package grants_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/internal/errs"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// leased is longer than any lease.
const leased = 16 * time.Second

// refuseTokens makes the database refuse new tokens of grants, and everything else of
// them as well where all is set.
func (b *bundle) refuseTokens(t *testing.T, all bool) {
	t.Helper()
	on, when := "update of access_token", "new.access_token is distinct from old.access_token"
	lite := "new.access_token is not old.access_token"
	if all {
		on, when, lite = "update", "true", "true"
	}
	b.statement(t, `create function refuse_tokens() returns trigger language plpgsql as $$ begin raise exception 'no room'; end $$;
create trigger refuse_tokens before `+on+` on grants for each row when (`+when+`) execute function refuse_tokens()`,
		`create trigger refuse_tokens before `+on+` on grants when `+lite+` begin select raise(abort, 'no room'); end`)
}

func (b *bundle) allowTokens(t *testing.T) {
	t.Helper()
	b.statement(t, "drop trigger refuse_tokens on grants", "drop trigger refuse_tokens")
}

// TestTokensThatCannotBeStored is F16: the provider rotated, and the database does not
// take the new tokens. The request fails, the old refresh token is never sent again, by
// this node or another, and as soon as the database takes them they are there.
func TestTokensThatCannotBeStored(t *testing.T) {
	t.Parallel()
	for name, all := range map[string]bool{"tokens": false, "anything": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				other := *b
				other.open(t, b.DB)
				g := b.connect(t, b.a, b.profile, ada)
				b.pass(t, time.Hour)
				// The lease is taken before the database begins to refuse.
				release := make(chan struct{})
				b.provider.Fail("refresh", fake.Hold(release), 1)
				failed := make(chan error, 1)
				go func() {
					_, err := b.service.Resolve(t.Context(), b.a, b.query())
					failed <- err
				}()
				require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).State == grants.StateRefreshing }, patience, 5*time.Millisecond)
				b.refuseTokens(t, all)
				close(release)
				err := <-failed
				requireKind(t, err, errs.Unavailable)
				require.Equal(t, g.Generation, b.get(t, b.a, g.ID).Generation)

				require.Equal(t, 1, b.provider.Refreshes(), "the provider has rotated")
				for range 3 {
					requireKind(t, b.refusal(t), errs.Unavailable)
				}
				if !all { // whoever holds the tokens knows it longer than the lease lasts
					b.pass(t, leased)
				}
				requireKind(t, b.refusal(t), errs.Unavailable)
				require.Equal(t, 1, b.provider.RefreshRequests(), "the old token is not sent again")
				b.allowTokens(t)
				require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).Generation > g.Generation }, patience, 10*time.Millisecond)
				require.True(t, b.works(t, b.token(t)))
				b.pass(t, time.Hour)
				c, err := other.service.Resolve(t.Context(), b.a, b.query())
				require.NoError(t, err, "the stored refresh token is the new one")
				require.True(t, b.works(t, c))
				require.Zero(t, b.provider.Reuses())
			})
		})
	}
}

// TestAHiccupOfTheDatabase: a hiccup of the database is nobody's failure.
func TestAHiccupOfTheDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		b.pass(t, time.Hour)
		release := make(chan struct{})
		b.provider.Fail("refresh", fake.Hold(release), 1)
		got := make(chan grants.Credential, 1)
		go func() {
			if c, err := b.service.Resolve(t.Context(), b.a, b.query()); err == nil {
				got <- c
			}
		}()
		require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).State == grants.StateRefreshing }, patience, 5*time.Millisecond)
		b.refuseTokens(t, false)
		close(release)
		require.Eventually(t, func() bool { return b.provider.Refreshes() == 1 }, patience, time.Millisecond)
		b.allowTokens(t)
		select {
		case c := <-got:
			require.True(t, b.works(t, c))
		case <-time.After(patience):
			require.FailNow(t, "the call did not come back")
		}
		require.Equal(t, 1, b.provider.RefreshRequests())
	})
}

// TestDisconnectedInFlight: a grant that is taken back while the provider renews it
// stays taken back, and the new tokens are taken back too.
func TestDisconnectedInFlight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		b.pass(t, time.Hour)
		release := make(chan struct{})
		b.provider.Fail("refresh", fake.Hold(release), 1)
		failed := make(chan error, 1)
		go func() {
			_, err := b.service.Resolve(t.Context(), b.a, b.query())
			failed <- err
		}()
		require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).State == grants.StateRefreshing }, patience, 5*time.Millisecond)
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, g.ID))
		close(release)
		requireKind(t, <-failed, errs.NeedsConsent)
		got := b.get(t, b.a, g.ID)
		require.Equal(t, grants.StateRevoked, got.State)
		require.False(t, got.Refreshable)
		var waiting int
		b.row(t, "select count(*) from grant_revocations where state = 'pending'", &waiting)
		require.Equal(t, 2, waiting)
		require.NoError(t, b.service.RevokeDue(t.Context()))
		require.Equal(t, 2, b.provider.Asked("revoke"), "the tokens of before, and those that came too late")
		b.row(t, "select count(*) from grant_revocations where state = 'pending' or tokens is not null", &waiting)
		require.Zero(t, waiting)
	})
}

// TestConnectedInFlight: what the person connected meanwhile is newer than what the
// refresh brings.
func TestConnectedInFlight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		b.pass(t, time.Hour)
		release := make(chan struct{})
		b.provider.Fail("refresh", fake.Hold(release), 1)
		done := make(chan grants.Grant, 1)
		go func() {
			if got, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall); err == nil {
				done <- got
			}
		}()
		require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).State == grants.StateRefreshing }, patience, 5*time.Millisecond)
		newer := b.connect(t, b.a, b.profile, ada)
		connected := b.token(t)
		close(release)
		require.Equal(t, newer.Generation, (<-done).Generation)
		require.Equal(t, connected.Token.Reveal(), b.token(t).Token.Reveal())
	})
}
