package grants_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// work runs the queue as a process does.
func (b *bundle) work(t *testing.T) {
	t.Helper()
	nothing := func(context.Context) error { return nil }
	require.NoError(t, b.queue.Start(context.WithoutCancel(t.Context()), jobs.Work{
		Probe: func(context.Context, tenancy.Handle, string) error { return nil }, ProbeAll: nothing, TurnKeys: nothing,
		RenewDocuments: nothing, DeliverNotifications: nothing, Sweep: nothing, Grants: jobs.WorkOn(b.service),
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, b.queue.Stop(ctx))
	})
}

func (b *bundle) revocations(t *testing.T, state string) (n int) {
	t.Helper()
	b.row(t, "select count(*) from grant_revocations where state = '"+state+"'", &n)
	return n
}

// TestDisconnect: over here at once, over at the provider by the queue; the tokens are
// gone with the answer. Somebody else's is not found, a second time is no error.
func TestDisconnect(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.work(t)
		g := b.connect(t, b.a, b.profile, ada)
		c, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
		require.NoError(t, err)
		requireKind(t, b.service.Disconnect(t.Context(), b.a, "acc_grace", g.ID), errs.NotFound)
		requireKind(t, b.service.Disconnect(t.Context(), b.b, ada, g.ID), errs.NotFound)
		require.True(t, b.works(t, c))
		for range 2 {
			require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, g.ID))
		}
		_, err = b.service.Resolve(t.Context(), b.a, b.query())
		requireKind(t, err, errs.NeedsConsent)
		require.Eventually(t, func() bool { return b.revocations(t, "done") == 1 }, patience, 10*time.Millisecond)
		require.False(t, b.works(t, c), "the provider knows")
		var sealed int
		b.row(t, "select count(*) from grant_revocations where tokens is not null", &sealed)
		require.Zero(t, sealed)
		require.Eventually(t, func() bool {
			_, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
			return errs.Is(err, errs.NeedsConsent)
		}, patience, 5*time.Millisecond)
	})
}

// TestARevocationIsTriedAgain until the provider takes it, a day at most.
func TestARevocationIsTriedAgain(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		b.provider.Fail("revoke", fake.Status(http.StatusServiceUnavailable), 3)
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, g.ID))
		for range 10 {
			require.NoError(t, b.service.RevokeDue(t.Context()))
			b.pass(t, 2*time.Minute)
		}
		require.Equal(t, 1, b.revocations(t, "done"))
		require.Equal(t, 4, b.provider.Asked("revoke"))

		b.provider.Fail("revoke", fake.Status(http.StatusServiceUnavailable), -1)
		g = b.connect(t, b.a, b.profile, "acc_grace")
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, "acc_grace", g.ID))
		for range 30 {
			require.NoError(t, b.service.RevokeDue(t.Context()))
			b.pass(t, time.Hour)
		}
		require.Equal(t, 1, b.revocations(t, "failed"))
		var sealed int
		b.row(t, "select count(*) from grant_revocations where tokens is not null", &sealed)
		require.Zero(t, sealed, "no token is kept for good")
	})
}

// TestAProviderWithoutRevocation: what it cannot do is not tried for ever.
func TestAProviderWithoutRevocation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.newProfile(t, b.a, "None", func(in *profiles.Input) { in.Endpoints.Revocation = "" })
		g := b.connect(t, b.a, p, ada)
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, g.ID))
		require.NoError(t, b.service.RevokeDue(t.Context()))
		require.Equal(t, 1, b.revocations(t, "unsupported"))
		require.Equal(t, grants.StateRevoked, b.get(t, b.a, g.ID).State)
	})
}

// TestAMassRevoke of a profile leaves the others alone, and reports.
func TestAMassRevoke(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		other := b.connect(t, b.a, b.newProfile(t, b.a, "Other"), ada)
		foreign := b.connect(t, b.b, b.newProfile(t, b.b, "Todo"), ada)
		for i := range 5 {
			b.connect(t, b.a, b.profile, fmt.Sprintf("acc_%d", i))
		}
		for _, bad := range []grants.Target{{}, {Kind: "tenant", ID: "x"}, {Kind: "profile"}, {Kind: "all"}} {
			_, err := b.service.RevokeAll(t.Context(), b.a, bad, "x")
			requireKind(t, err, errs.Invalid)
		}
		_, err := b.service.RevokeAll(t.Context(), b.b, grants.Target{Kind: grants.TargetProfile, ID: b.profile.ID}, "not theirs")
		requireKind(t, err, errs.NotFound)
		batch, err := b.service.RevokeAll(t.Context(), b.a, grants.Target{Kind: grants.TargetProfile, ID: b.profile.ID}, "drill")
		require.NoError(t, err)
		require.Equal(t, 5, batch.Total)
		require.Equal(t, 5, batch.Pending)
		require.NotNil(t, batch.ListedAt)
		require.Nil(t, batch.FinishedAt)
		require.NoError(t, b.service.RevokeDue(t.Context()))
		batch, err = b.service.Batch(t.Context(), b.a, batch.ID)
		require.NoError(t, err)
		require.Equal(t, 5, batch.Done)
		require.NotNil(t, batch.FinishedAt)
		require.Equal(t, 5, b.provider.Revocations())
		require.Equal(t, grants.StateConnected, b.get(t, b.a, other.ID).State)
		require.Equal(t, grants.StateConnected, b.get(t, b.b, foreign.ID).State)
		require.Len(t, b.told.of(grants.EventRevoked), 1)
		_, err = b.service.Batch(t.Context(), b.b, batch.ID)
		requireKind(t, err, errs.NotFound)

		batch, err = b.service.RevokeAll(t.Context(), b.a, grants.Target{Kind: grants.TargetTenant}, "breach")
		require.NoError(t, err)
		require.Equal(t, 1, batch.Total)
		list, err := b.service.Batches(t.Context(), b.a)
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, grants.StateConnected, b.get(t, b.b, foreign.ID).State)
	})
}

// TestTheBreachDrill takes 10,000 grants back in one go: all of them here, in
// transactions of bounded size; a process that ends halfway is gone on with; who
// connects meanwhile is not touched.
func TestTheBreachDrill(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const many = 10_000
		b.many(t, many)
		started := time.Now()
		batch, err := b.service.RevokeAll(t.Context(), b.a, grants.Target{Kind: grants.TargetTenant}, "breach")
		require.NoError(t, err)
		t.Logf("%d grants taken back in %s", batch.Total, time.Since(started).Round(time.Millisecond))
		require.Equal(t, many, batch.Total)
		require.Less(t, time.Since(started), 5*time.Minute)
		var left int
		b.row(t, "select count(*) from grants where access_token is not null or state <> 'revoked'", &left)
		require.Zero(t, left)
		require.Equal(t, many, b.revocations(t, "pending"))
		require.Zero(t, b.provider.Asked("revoke"), "the providers are told by the queue")
	})
}

// TestAMassRevokeGoesOn where a process left it.
func TestAMassRevokeGoesOn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.many(t, 450)
		stopped, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := b.service.RevokeAll(stopped, b.a, grants.Target{Kind: grants.TargetTenant}, "breach")
			done <- err
		}()
		require.Eventually(t, func() bool {
			var n int
			b.row(t, "select count(*) from grants where state = 'revoked'", &n)
			return n > 0
		}, patience, time.Millisecond)
		stop()
		first := <-done
		b.pass(t, 2*time.Minute)
		newer := b.connect(t, b.a, b.profile, "acc_new")
		b.provider.Fail("revoke", fake.Status(http.StatusServiceUnavailable), -1)
		require.NoError(t, b.service.RevokeDue(t.Context()))
		list, err := b.service.Batches(t.Context(), b.a)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equalf(t, 450, list[0].Total, "it was stopped with %v", first)
		require.NotNil(t, list[0].ListedAt)
		require.Equal(t, grants.StateConnected, b.get(t, b.a, newer.ID).State)
		require.Len(t, b.told.of(grants.EventRevoked), 1)
	})
}

// stored is a grant's row as a test writes it.
type stored struct {
	TenantID, ID, ProfileID, Subject, State         string
	AccessToken, RefreshToken                       []byte
	ExpiresAt, RefreshDueAt                         time.Time
	ConnectedAt, CreatedAt, UpdatedAt               time.Time
	ClientGeneration, Generation, Version, Failures int
}

func (stored) TableName() string { return "grants" }

// many makes grants without asking the provider, and faster than by saving each.
func (b *bundle) many(t *testing.T, n int) {
	t.Helper()
	b.write(t, b.a, func(tx *tenancy.Tx) error {
		now := tx.Now()
		rows := make([]stored, n)
		for i := range rows {
			r := stored{
				TenantID: tx.Tenant(), ID: ids.New("grt"), ProfileID: b.profile.ID, Subject: fmt.Sprintf("acc_%05d", i), State: "connected",
				ExpiresAt: now.Add(time.Hour), RefreshDueAt: now.Add(54 * time.Minute), ConnectedAt: now, CreatedAt: now, UpdatedAt: now,
				ClientGeneration: 1, Generation: 1, Version: 1,
			}
			var err error
			if r.AccessToken, err = tx.Seal("grants", "access_token", r.ID, []byte("canary_access")); err != nil {
				return err
			}
			if r.RefreshToken, err = tx.Seal("grants", "refresh_token", r.ID, []byte("canary_refresh")); err != nil {
				return err
			}
			rows[i] = r
		}
		return tx.DB().CreateInBatches(rows, 200).Error
	})
}
