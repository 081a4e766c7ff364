package grants_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// refusal is a refresh at the end of the access token that fails, and what the caller gets.
func (b *bundle) refusal(t *testing.T) error {
	t.Helper()
	_, err := b.service.Resolve(t.Context(), b.a, b.query())
	require.Error(t, err)
	return err
}

// TestAProviderInTrouble is F13: down, 500, 429, a page, a redirect, half an answer. The
// grant is kept, the token that is in time is used, the caller is told when to come
// again, and when the provider is well again the grant is too.
func TestAProviderInTrouble(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fake.Fault{
		"500":        fake.Status(http.StatusInternalServerError),
		"503":        fake.Status(http.StatusServiceUnavailable),
		"a page":     fake.HTML(http.StatusOK),
		"a 502 page": fake.HTML(http.StatusBadGateway),
		"bad JSON":   fake.Refuse(http.StatusServiceUnavailable, "temporarily_unavailable", "Later"),
		"no answer":  fake.CutBefore(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				g := b.connect(t, b.a, b.profile, ada)
				b.provider.Fail("refresh", fault, -1)
				first := b.token(t)

				// Early, by the schedule: it fails, and the token goes on.
				b.pass(t, 58*time.Minute)
				require.NoError(t, b.service.RefreshDue(t.Context(), b.a, g.ID))
				got := b.get(t, b.a, g.ID)
				require.Equal(t, grants.StateRefreshFailing, got.State)
				require.NotEmpty(t, got.ReasonText)
				require.Equal(t, 1, got.Failures)
				require.True(t, got.Refreshable)
				require.True(t, got.RefreshDueAt.After(b.Clock.Now()))
				require.Equal(t, first.Token.Reveal(), b.token(t).Token.Reveal(), "a token that is in time is used")
				b.pass(t, 115*time.Second)
				require.Equal(t, first.Token.Reveal(), b.token(t).Token.Reveal(), "to its last seconds, where no other one can be had")
				require.Equal(t, 2, b.get(t, b.a, g.ID).Failures)

				// Late: the call fails, with a time to come again; nothing is asked before it.
				b.pass(t, 3*time.Minute)
				err := b.refusal(t)
				requireKind(t, err, errs.Unavailable)
				asked := b.provider.RefreshRequests()
				err = b.refusal(t)
				requireKind(t, err, errs.Unavailable)
				require.Equal(t, asked, b.provider.RefreshRequests(), "nobody asks before the pause is over")

				b.provider.Heal()
				b.pass(t, 10*time.Minute)
				require.True(t, b.works(t, b.token(t)))
				got = b.get(t, b.a, g.ID)
				require.Equal(t, grants.StateConnected, got.State)
				require.Zero(t, got.Failures)
				require.Empty(t, got.ReasonText)
				require.Zero(t, b.provider.Reuses())
			})
		})
	}
}

// TestTooManyRequestsAreTheWholeProviders: its Retry-After holds for every grant there, and for
// as long as it says.
func TestTooManyRequestsAreTheWholeProviders(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		other := b.connect(t, b.a, b.newProfile(t, b.a, "Another profile of it"), "acc_grace")
		b.pass(t, time.Hour)
		b.provider.Fail("refresh", fake.Limited(2*time.Minute), 1)
		_, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
		requireKind(t, err, errs.Unavailable)
		_, err = b.service.Refresh(t.Context(), b.a, other.ID, other.Generation, grants.ForCall)
		requireKind(t, err, errs.Unavailable)
		_, err = b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForPerson)
		requireKind(t, err, errs.Unavailable)
		require.Equal(t, 1, b.provider.RefreshRequests())
		var pauses []grants.Pause
		b.read(t, b.a, func(tx *tenancy.Tx) (err error) {
			pauses, err = grants.Pauses(tx)
			return err
		})
		require.Len(t, pauses, 1)
		require.Equal(t, "rate_limited", pauses[0].Reason)

		b.pass(t, 119*time.Second)
		_, err = b.service.Refresh(t.Context(), b.a, other.ID, other.Generation, grants.ForCall)
		requireKind(t, err, errs.Unavailable)
		b.pass(t, 2*time.Second)
		_, err = b.service.Refresh(t.Context(), b.a, other.ID, other.Generation, grants.ForCall)
		require.NoError(t, err)
		require.True(t, b.works(t, b.token(t)))
		require.Equal(t, 3, b.provider.RefreshRequests())
	})
}

// TestTheBreakerLetsOneTrialThrough: after five failures in a row nobody calls for a
// while, then one does, and only when that one is answered do the others.
func TestTheBreakerLetsOneTrialThrough(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		var all []grants.Grant
		for _, subject := range []string{"acc_1", "acc_2", "acc_3", "acc_4", "acc_5", "acc_6", "acc_7"} {
			all = append(all, b.connect(t, b.a, b.profile, subject))
		}
		b.pass(t, time.Hour)
		b.provider.Fail("refresh", fake.Status(http.StatusInternalServerError), -1)
		refresh := func(i int) error {
			_, err := b.service.Refresh(t.Context(), b.a, all[i].ID, all[i].Generation, grants.ForCall)
			return err
		}
		for i := range 6 {
			requireKind(t, refresh(i), errs.Unavailable)
		}
		require.Equal(t, 5, b.provider.RefreshRequests(), "the sixth is not sent")
		b.pass(t, 31*time.Second)
		requireKind(t, refresh(5), errs.Unavailable)
		require.Equal(t, 6, b.provider.RefreshRequests(), "the trial")
		requireKind(t, refresh(6), errs.Unavailable)
		require.Equal(t, 6, b.provider.RefreshRequests(), "it failed, so it is a pause again")

		b.provider.Heal()
		b.pass(t, 61*time.Second)
		release := make(chan struct{})
		b.provider.Fail("refresh", fake.Hold(release), 1)
		trial := make(chan error, 1)
		go func() { trial <- refresh(0) }()
		require.Eventually(t, func() bool { return b.get(t, b.a, all[0].ID).State == grants.StateRefreshing }, patience, 5*time.Millisecond)
		requireKind(t, refresh(1), errs.Unavailable)
		close(release)
		require.NoError(t, <-trial)
		require.NoError(t, refresh(1), "the provider works, so everybody may")
		require.NoError(t, refresh(2))
	})
}

// TestADeadGrantIsDeadAtOnce: invalid_grant is asked once. The person is told, once;
// the call says what to do; the tokens are gone.
func TestADeadGrantIsDeadAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		_, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
		require.NoError(t, err)
		b.provider.TakeBack(fake.Ada.ID)
		_, err = b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForSchedule)
		requireKind(t, err, errs.DownstreamRejected)
		got := b.get(t, b.a, g.ID)
		require.Equal(t, grants.StateNeedsReconnect, got.State)
		require.Equal(t, "invalid_grant", got.Reason)
		require.False(t, got.Refreshable)
		require.Nil(t, got.RefreshDueAt)
		require.Eventually(t, func() bool { // the memory hears of it, though the token would have been in time
			_, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
			return errs.Is(err, errs.DownstreamRejected)
		}, patience, 5*time.Millisecond)
		for range 3 {
			err := b.refusal(t)
			requireKind(t, err, errs.DownstreamRejected)
			missing := requireMissing(t, err)
			require.Equal(t, grants.StateNeedsReconnect, missing.State)
			require.Equal(t, "Todo", missing.Profile)
		}
		require.Equal(t, 1, b.provider.RefreshRequests(), "never a second time")
		notices := b.told.of(grants.EventNeedsReconnect)
		require.Len(t, notices, 1)
		require.Equal(t, []string{ada}, notices[0].Users)

		again := b.connect(t, b.a, b.profile, ada)
		require.Equal(t, g.ID, again.ID)
		require.True(t, b.works(t, b.token(t)))
	})
}

// TestAProfileThatIsMisconfiguredKillsNothing: the client's secret is wrong for a while.
func TestAProfileThatIsMisconfiguredKillsNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		other := b.connect(t, b.a, b.profile, "acc_grace")
		b.pass(t, time.Hour)
		b.provider.Fail("refresh", fake.Refuse(http.StatusUnauthorized, "invalid_client", "Unknown client"), -1)
		for _, one := range []grants.Grant{g, other, g} {
			_, err := b.service.Refresh(t.Context(), b.a, one.ID, one.Generation, grants.ForCall)
			requireKind(t, err, errs.Unavailable)
		}
		require.Equal(t, 1, b.provider.RefreshRequests(), "the profile waits, with all of its grants")
		require.Len(t, b.told.of(grants.EventMisconfigured), 1)
		require.Equal(t, grants.StateRefreshFailing, b.get(t, b.a, g.ID).State)
		require.Empty(t, b.told.of(grants.EventNeedsReconnect))

		b.provider.Heal()
		_, err := b.service.Refresh(t.Context(), b.a, other.ID, other.Generation, grants.ForPerson)
		require.NoError(t, err, "a person may try whether it is repaired")
		require.True(t, b.works(t, b.token(t)), "and then it is for all")
	})
}

// TestALostAnswer is F14: the provider rotated and nobody heard. With a grace it gives
// the same again; without one the grant is dead, and its person is asked, once.
func TestALostAnswer(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fake.Fault{"cut": fake.Cut(), "half": fake.Half(), "unreadable": fake.BadJSON()} {
		t.Run(name+" with a grace", func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				g := b.connect(t, b.a, b.profile, ada)
				b.pass(t, time.Hour)
				b.provider.Fail("refresh", fault, 1)
				requireKind(t, b.refusal(t), errs.Unavailable)
				b.pass(t, 2*time.Second)
				require.True(t, b.works(t, b.token(t)))
				require.Zero(t, b.provider.Reuses())
				require.Equal(t, grants.StateConnected, b.get(t, b.a, g.ID).State)
				b.pass(t, time.Hour)
				require.True(t, b.works(t, b.token(t)), "and the family lives on")
			}, fake.Grace(30*time.Second))
		})
		t.Run(name+" without one", func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, b *bundle) {
				g := b.connect(t, b.a, b.profile, ada)
				b.pass(t, time.Hour)
				b.provider.Fail("refresh", fault, 1)
				requireKind(t, b.refusal(t), errs.Unavailable)
				b.pass(t, 2*time.Second)
				for range 3 {
					requireKind(t, b.refusal(t), errs.DownstreamRejected)
				}
				require.Equal(t, "lost_answer", b.get(t, b.a, g.ID).Reason)
				require.Equal(t, 2, b.provider.RefreshRequests(), "the stored token is tried once")
				require.Len(t, b.told.of(grants.EventNeedsReconnect), 1)
			})
		})
	}
}

// TestAStaleFlightIsTriedOnce: a process died in the middle of a refresh. The lease is
// waited for, and then the stored token is tried.
func TestAStaleFlightIsTriedOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		b.pass(t, time.Hour)
		b.statement(t,
			"update grants set lease_id = 'lse_dead', flight_started_at = clock_timestamp(), lease_until = clock_timestamp() + interval '1 second'",
			"update grants set lease_id = 'lse_dead', flight_started_at = '2026-11-22 13:00:00+00:00', lease_until = '2026-11-22 13:00:01+00:00'",
		)
		require.Equal(t, grants.StateRefreshing, b.get(t, b.a, g.ID).State)
		done := make(chan grants.Credential, 1)
		go func() {
			c, err := b.service.Resolve(t.Context(), b.a, b.query())
			if err == nil {
				done <- c
			}
		}()
		b.pass(t, 2*time.Second)
		select {
		case c := <-done:
			require.True(t, b.works(t, c))
		case <-time.After(patience):
			require.FailNow(t, "nobody took over")
		}
		require.Equal(t, 1, b.provider.RefreshRequests())
	})
}

// TestAClientSecretThatIsReplaced is a part of F17: the provider has another secret from
// one moment to the next. No grant dies, and with the new one typed in they all go on.
func TestAClientSecretThatIsReplaced(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		b.pass(t, time.Hour)
		fresh := b.provider.NewSecret()
		requireKind(t, b.refusal(t), errs.Unavailable)
		require.Equal(t, grants.StateRefreshFailing, b.get(t, b.a, g.ID).State)
		current, err := b.profiles.RotateClient(t.Context(), b.a, b.profile.ID, profiles.ClientInput{
			Kind: profiles.Preregistered, ID: b.provider.ClientID, AuthMethod: profiles.AuthBasic, Secret: secret.New(fresh),
		}, b.profile.Version)
		require.NoErrorf(t, err, "%v", errs.FieldsOf(err))
		require.Greater(t, current.Generation, b.profile.Generation)
		require.True(t, b.works(t, b.token(t)), "the pause was for the profile as it was")
		require.Equal(t, 1, b.provider.Refreshes())
		require.Zero(t, b.provider.Reuses())
	})
}
