package grants_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

func (b *bundle) jobs(t *testing.T, kind string) (n int) {
	t.Helper()
	b.row(t, "select count(*) from river_job where kind = '"+kind+"'", &n)
	return n
}

// TestTheQueueRenewsEarly: what is used is new before it ends, and nobody waits for it.
func TestTheQueueRenewsEarly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		idle := b.connect(t, b.a, b.profile, "acc_idle")
		first := b.token(t)
		require.NoError(t, b.service.ClaimDue(t.Context()))
		require.Zero(t, b.jobs(t, "grants.refresh"), "nothing is due")
		b.pass(t, 56*time.Minute)
		for range 3 {
			require.NoError(t, b.service.ClaimDue(t.Context()))
		}
		require.Equal(t, 2, b.jobs(t, "grants.refresh"), "each is asked for once")
		b.work(t)
		require.Eventually(t, func() bool { return b.provider.Refreshes() == 2 }, patience, 10*time.Millisecond)
		require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).Generation == g.Generation+1 }, patience, 10*time.Millisecond)
		next := b.token(t)
		require.NotEqual(t, first.Token.Reveal(), next.Token.Reveal())
		require.Equal(t, 2, b.provider.RefreshRequests(), "the call found it renewed")

		// A day later one of them was used, the other one was not.
		require.Eventually(t, func() bool { return b.get(t, b.a, idle.ID).Generation == idle.Generation+1 }, patience, 10*time.Millisecond)
		b.pass(t, 25*time.Hour)
		b.token(t)
		require.Nil(t, b.get(t, b.a, idle.ID).UsedAt)
		due := b.get(t, b.a, g.ID).RefreshDueAt
		require.WithinDuration(t, b.Clock.Now().Add(time.Hour), *due, 10*time.Minute)
		got, err := b.service.Refresh(t.Context(), b.a, idle.ID, idle.Generation+1, grants.ForSchedule)
		require.NoError(t, err)
		require.WithinDuration(t, b.Clock.Now().Add(24*time.Hour), *got.RefreshDueAt, 4*time.Hour, "it is only kept alive")
	})
}

// TestAJobThatComesLateDoesNothing: somebody renewed the grant since it was asked for.
func TestAJobThatComesLateDoesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		b.pass(t, 58*time.Minute)
		require.NoError(t, b.service.ClaimDue(t.Context()))
		got, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
		require.NoError(t, err)
		require.NoError(t, b.service.RefreshDue(t.Context(), b.a, g.ID))
		require.Equal(t, 1, b.provider.RefreshRequests())
		require.Equal(t, got.RefreshDueAt, b.get(t, b.a, g.ID).RefreshDueAt)
		requireKind(t, b.service.RefreshDue(t.Context(), b.b, g.ID), errs.NotFound)
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, g.ID))
		require.NoError(t, b.service.RefreshDue(t.Context(), b.a, g.ID), "there is nothing to renew any more")
	})
}

// TestAPersonAsksForARefresh: soon, whatever the schedule says, and not for what cannot
// be refreshed.
func TestAPersonAsksForARefresh(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		ask := func() error {
			return b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error { return b.service.RequestRefresh(tx, g.ID) })
		}
		require.NoError(t, ask())
		require.NoError(t, ask())
		require.Equal(t, 1, b.jobs(t, "grants.refresh_now"))
		b.work(t)
		require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).Generation == g.Generation+1 }, patience, 10*time.Millisecond)
		b.provider.TakeBack(fake.Ada.ID)
		require.NoError(t, b.service.RefreshNow(t.Context(), b.a, g.ID))
		require.Equal(t, grants.StateNeedsReconnect, b.get(t, b.a, g.ID).State)
		requireKind(t, ask(), errs.Invalid)
	})
}

// TestClaimingInBatches: in batches, each once, whoever claims at the same time.
func TestClaimingInBatches(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.many(t, 350)
		b.pass(t, 59*time.Minute)
		done := make(chan error, 3)
		for range cap(done) {
			go func() { done <- b.service.ClaimDue(t.Context()) }()
		}
		for range cap(done) {
			require.NoError(t, <-done)
		}
		require.Equal(t, 350, b.jobs(t, "grants.refresh"))
	})
}

// TestPeopleAreWarnedOnce of an end that no refresh moves, a week before.
func TestPeopleAreWarnedOnce(t *testing.T) {
	t.Parallel()
	fixed := fake.Answer(func(answer map[string]any) { answer["refresh_token_expires_in"] = int64(10 * 24 * 3600) })
	each(t, func(t *testing.T, b *bundle) {
		end := b.Clock.Now().Add(10 * 24 * time.Hour)
		g := b.connect(t, b.a, b.profile, ada)
		require.NotNil(t, g.RefreshExpiresAt, "the provider says when")
		got, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForSchedule)
		require.NoError(t, err)
		require.NotNil(t, got.RefreshExpiresAt)
		for range 2 {
			require.NoError(t, b.service.ClaimDue(t.Context()))
		}
		require.Empty(t, b.told.of(grants.EventExpiring), "it is long till then")
		b.statement(t, "update grants set refresh_extends = 'yes'", "update grants set refresh_extends = 'yes'")
		b.pass(t, 4*24*time.Hour)
		require.NoError(t, b.service.ClaimDue(t.Context()))
		require.Empty(t, b.told.of(grants.EventExpiring), "every refresh moves it")
		b.statement(t, "update grants set refresh_extends = 'no'", "update grants set refresh_extends = 'no'")
		for range 2 {
			require.NoError(t, b.service.ClaimDue(t.Context()))
		}
		notices := b.told.of(grants.EventExpiring)
		require.Len(t, notices, 1)
		require.Equal(t, []string{ada}, notices[0].Users)
		require.NotEmpty(t, notices[0].Data["expires_at"])
		require.WithinDuration(t, end, *got.RefreshExpiresAt, time.Minute)
	}, fixed)
}

// TestTheUseIsWrittenByTheHour.
func TestTheUseIsWrittenByTheHour(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		require.Nil(t, g.UsedAt)
		b.token(t)
		first := *b.get(t, b.a, g.ID).UsedAt
		b.pass(t, 30*time.Minute)
		b.token(t)
		require.Equal(t, first, *b.get(t, b.a, g.ID).UsedAt)
		b.pass(t, 31*time.Minute)
		b.token(t)
		require.True(t, b.get(t, b.a, g.ID).UsedAt.After(first))
	})
}

// TestWhatIsOverForLongIsSwept, and nothing else.
func TestWhatIsOverForLongIsSwept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		gone := b.connect(t, b.a, b.profile, ada)
		kept := b.connect(t, b.a, b.profile, "acc_kept")
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, gone.ID))
		require.NoError(t, b.service.RevokeDue(t.Context()))
		require.NoError(t, b.service.Sweep(t.Context()))
		b.get(t, b.a, gone.ID)
		b.Clock.Advance(91 * 24 * time.Hour)
		b.statement(t, "update grants set updated_at = '2026-11-22'", "update grants set updated_at = '2026-11-22 12:00:00+00:00'")
		require.NoError(t, b.service.Sweep(t.Context()))
		require.Error(t, b.DB.Read(t.Context(), b.a, func(tx *tenancy.Tx) error {
			_, err := grants.Get(tx, gone.ID)
			return err
		}))
		require.Zero(t, b.revocations(t, "done"))
		require.Equal(t, kept.Generation, b.get(t, b.a, kept.ID).Generation)
	})
}
