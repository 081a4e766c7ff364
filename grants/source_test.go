package grants_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// TestMemoryNeedsNoDatabase: once it is known, a credential comes without one, until a
// minute is over.
func TestMemoryNeedsNoDatabase(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.connect(t, b.a, b.profile, ada)
		gone, cancel := context.WithCancel(t.Context())
		cancel()                            // nobody waits for the database with it
		require.Eventually(t, func() bool { // the notice of the connect may come in between
			first, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
			require.NoError(t, err)
			again, err := b.source.Get(gone, b.a.Tenant(), b.query())
			return err == nil && again.Token.Reveal() == first.Token.Reveal()
		}, patience, time.Millisecond)
		wider := b.query()
		wider.Scopes = []string{"read", "admin"}
		_, err := b.source.Get(t.Context(), b.a.Tenant(), wider)
		requireKind(t, err, errs.NeedsConsent)
		b.Clock.Advance(61 * time.Second)
		_, err = b.source.Get(gone, b.a.Tenant(), b.query())
		requireKind(t, err, errs.Canceled)
	})
}

// TestEveryNodeHears of a refresh, a reconnect and a disconnect on another one.
func TestEveryNodeHears(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		other := *b
		other.open(t, b.DB)
		g := b.connect(t, b.a, b.profile, ada)
		bystander := b.connect(t, b.a, b.profile, "acc_grace")
		quiet := grants.Query{ProfileID: b.profile.ID, Subject: "acc_grace"}
		token := func() string {
			c, err := other.source.Get(t.Context(), b.a.Tenant(), b.query())
			if err != nil {
				return errs.Public(err)
			}
			return c.Token.Reveal()
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel() // nobody waits for the database with it
		settled := func() bool {
			_, err := other.source.Get(t.Context(), b.a.Tenant(), quiet)
			require.NoError(t, err)
			_, err = other.source.Get(gone, b.a.Tenant(), quiet)
			return err == nil
		}
		b.write(t, b.a, func(tx *tenancy.Tx) error { tx.Notify(tenancy.GrantsTopic(tx.Tenant())); return nil })
		require.Eventually(t, settled, patience, 50*time.Millisecond, "the notices of the connects are heard")
		second := ""
		require.Eventually(t, func() bool { // a notice of the connects may be late, and is the first that a node hears
			first := token()
			now := b.get(t, b.a, g.ID)
			_, err := b.service.Refresh(t.Context(), b.a, g.ID, now.Generation, grants.ForPerson)
			require.NoError(t, err)
			require.Eventually(t, func() bool { second = token(); return second != first }, patience, time.Millisecond)
			_, err = other.source.Get(gone, b.a.Tenant(), quiet)
			if err != nil {
				settled()
			}
			return err == nil
		}, patience, 10*time.Millisecond, "what did not change stays in memory")
		b.connect(t, b.a, b.profile, ada)
		require.Eventually(t, func() bool { return token() != second }, patience, time.Millisecond)
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, g.ID))
		require.Eventually(t, func() bool { return token() == "Todo has to be connected first." }, patience, time.Millisecond)
		c, err := other.source.Get(t.Context(), b.a.Tenant(), quiet)
		require.NoError(t, err)
		require.Equal(t, bystander.ID, c.GrantID)
	})
}

// TestARuntimeRefusesTheToken: one refresh, and the call can be tried again; of a fresh
// token that is refused too there is none, however often.
func TestARuntimeRefusesTheToken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		get := func() grants.Credential {
			c, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
			require.NoError(t, err)
			return c
		}
		first := get()
		b.provider.ExpireAccess()
		require.False(t, b.works(t, first))
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				c, err := b.source.Suspect(t.Context(), b.a.Tenant(), b.query(), first)
				if err != nil || c.Token.Reveal() == first.Token.Reveal() {
					t.Errorf("the call cannot be tried again: %v", err)
				}
			})
		}
		all.Wait()
		require.Equal(t, 1, b.provider.RefreshRequests())
		second := get()
		require.True(t, b.works(t, second))

		for range 5 {
			_, err := b.source.Suspect(t.Context(), b.a.Tenant(), b.query(), second)
			requireKind(t, err, errs.DownstreamRejected)
			require.Equal(t, "refused_by_runtime", requireMissing(t, err).Reason)
		}
		require.Equal(t, 1, b.provider.RefreshRequests(), "a runtime that refuses everything does not make the provider rotate")
		require.NotNil(t, b.get(t, b.a, g.ID).SuspectAt)

		b.provider.TakeBack(fake.Ada.ID)
		b.pass(t, 2*time.Minute)
		_, err := b.source.Suspect(t.Context(), b.a.Tenant(), b.query(), second)
		requireKind(t, err, errs.DownstreamRejected)
		require.Equal(t, grants.StateNeedsReconnect, b.get(t, b.a, g.ID).State)
		_, err = b.service.Suspect(t.Context(), b.b.Tenant(), g.ID, g.Generation)
		requireKind(t, err, errs.NotFound)
	})
}

// TestATokenForAnotherAudience is exchanged for the grant's, kept in memory until it
// ends, and nowhere else.
func TestATokenForAnotherAudience(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.connect(t, b.a, b.profile, ada)
		q := b.query()
		q.Audience = "https://reports.example.com"
		own, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
		require.NoError(t, err)
		c, err := b.source.Get(t.Context(), b.a.Tenant(), q)
		require.NoError(t, err)
		require.NotEqual(t, own.Token.Reveal(), c.Token.Reveal())
		for range 3 {
			again, err := b.service.Resolve(t.Context(), b.a, q)
			require.NoError(t, err)
			require.Equal(t, c.Token.Reveal(), again.Token.Reveal())
		}
		require.Equal(t, 1, b.exchanges())
		require.Empty(t, tenancytest.Find(t, b.Env, c.Token.Reveal()))

		next, err := b.source.Suspect(t.Context(), b.a.Tenant(), q, c)
		require.NoError(t, err)
		require.NotEqual(t, c.Token.Reveal(), next.Token.Reveal())
		b.pass(t, 2*time.Hour)
		_, err = b.source.Get(t.Context(), b.a.Tenant(), q)
		require.NoError(t, err)
		require.Equal(t, 3, b.exchanges())
		require.Equal(t, 1, b.provider.Refreshes())

		b.provider.Fail("token", fake.Status(http.StatusServiceUnavailable), 1)
		q.Audience = "https://other.example.com"
		_, err = b.source.Get(t.Context(), b.a.Tenant(), q)
		requireKind(t, err, errs.Unavailable)
	})
}

func (b *bundle) exchanges() int {
	n := 0
	for _, e := range b.provider.Ledger() {
		if e.Grant == "urn:ietf:params:oauth:grant-type:token-exchange" {
			n++
		}
	}
	return n
}

// TestAnAssertionIsExchanged for the people of a profile of that kind; nobody connects.
func TestAnAssertionIsExchanged(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		p := b.newProfile(t, b.a, "Exchange", func(in *profiles.Input) {
			in.Kind = profiles.KindExchange
			in.Exchange = profiles.ExchangeRule{SubjectToken: profiles.SubjectAssertion, Audience: "https://api.example.com", Scopes: []string{"read"}}
		})
		q := grants.Query{ProfileID: p.ID, Subject: ada}
		b.provider.Fail("token", fake.Refuse(http.StatusBadRequest, "invalid_request", "No"), 1)
		_, err := b.source.Get(t.Context(), b.a.Tenant(), q)
		requireKind(t, err, errs.UpstreamFailed)
		require.Equal(t, 1, b.exchanges())
		form := b.provider.Ledger()[len(b.provider.Ledger())-1].Form
		require.Equal(t, "https://api.example.com", form.Get("audience"))
		require.Equal(t, "urn:ietf:params:oauth:token-type:jwt", form.Get("subject_token_type"))
		require.Contains(t, form.Get("subject_token"), "."+ada+"."+b.provider.Issuer)
	})
}

// TestAProviderThatIsSlow is cut off in time, and holds up nobody else.
func TestAProviderThatIsSlow(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	g := b.connect(t, b.a, b.profile, ada)
	b.pass(t, time.Hour)
	b.provider.Fail("refresh", fake.Slow(30*time.Second), 1)
	started := time.Now()
	failed := make(chan error, 1)
	go func() {
		_, err := b.source.Get(t.Context(), b.a.Tenant(), b.query())
		failed <- err
	}()
	require.Eventually(t, func() bool { return b.get(t, b.a, g.ID).State == grants.StateRefreshing }, patience, 5*time.Millisecond)
	healthy := fake.New(t, fake.Now(b.Clock.Now))
	b.provider = healthy
	other := b.newProfile(t, b.a, "Healthy")
	b.connect(t, b.a, other, ada)
	q := b.query()
	q.ProfileID = other.ID
	b.pass(t, time.Hour)
	_, err := b.source.Get(t.Context(), b.a.Tenant(), q)
	require.NoError(t, err)
	require.Empty(t, failed, "the slow one still waits")
	select {
	case err = <-failed:
	case <-time.After(patience):
		require.FailNow(t, "it waits for the slow one")
	}
	requireKind(t, err, errs.Unavailable)
	require.Less(t, time.Since(started), 12*time.Second)
	require.Equal(t, grants.StateRefreshFailing, b.get(t, b.a, g.ID).State)
}

// TestEveryActAsB is the fifth fence: as B with A's ids nothing is found, and A's grant stays as it is.
func TestEveryActAsB(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		c := b.token(t)
		ctx := t.Context()
		batch, err := b.service.RevokeAll(ctx, b.a, grants.Target{Kind: grants.TargetGrant, ID: "grt_none"}, "nothing")
		require.NoError(t, err)
		require.Zero(t, batch.Total)
		before := b.get(t, b.a, g.ID)
		for name, act := range map[string]func() error{
			"Refresh":    func() error { _, err := b.service.Refresh(ctx, b.b, g.ID, g.Generation, grants.ForPerson); return err },
			"RefreshDue": func() error { return b.service.RefreshDue(ctx, b.b, g.ID) },
			"RefreshNow": func() error { return b.service.RefreshNow(ctx, b.b, g.ID) },
			"Resolve":    func() error { _, err := b.service.Resolve(ctx, b.b, b.query()); return err },
			"Suspect":    func() error { _, err := b.service.Suspect(ctx, b.b.Tenant(), g.ID, g.Generation); return err },
			"Disconnect": func() error { return b.service.Disconnect(ctx, b.b, ada, g.ID) },
			"Batch":      func() error { _, err := b.service.Batch(ctx, b.b, batch.ID); return err },
			"Continue":   func() error { _, err := b.service.Continue(ctx, b.b, batch.ID); return err },
			"RevokeOne":  func() error { return b.service.RevokeOne(ctx, b.b, "rvk_1") },
			"RequestRefresh": func() error {
				return b.DB.Write(ctx, b.b, func(tx *tenancy.Tx) error { return b.service.RequestRefresh(tx, g.ID) })
			},
			"Get": func() error {
				return b.DB.Read(ctx, b.b, func(tx *tenancy.Tx) error { _, err := grants.Get(tx, g.ID); return err })
			},
			"Find": func() error {
				return b.DB.Read(ctx, b.b, func(tx *tenancy.Tx) error { _, err := grants.Find(tx, b.profile.ID, ada); return err })
			},
			"SaveKey": func() error {
				return b.DB.Write(ctx, b.b, func(tx *tenancy.Tx) error {
					_, err := b.service.SaveKey(tx, b.profile.ID, ada, secret.New("canary_x"))
					return err
				})
			},
			"Save": func() error {
				return b.DB.Write(ctx, b.b, func(tx *tenancy.Tx) error {
					_, err := b.service.Save(tx, grants.Connected{ProfileID: b.profile.ID, Subject: ada, Tokens: provider.Tokens{Access: secret.New("canary_x")}})
					return err
				})
			},
		} {
			requireKindOf(t, name, act(), errs.NotFound)
		}
		whole, err := b.service.RevokeAll(ctx, b.b, grants.Target{Kind: grants.TargetTenant}, "B's own")
		require.NoError(t, err)
		require.Zero(t, whole.Total)
		one, err := b.service.RevokeAll(ctx, b.b, grants.Target{Kind: grants.TargetGrant, ID: g.ID}, "A's")
		require.NoError(t, err)
		require.Zero(t, one.Total)
		require.Equal(t, before, b.get(t, b.a, g.ID))
		require.Equal(t, c.Token.Reveal(), b.token(t).Token.Reveal())
	})
}

func requireKindOf(t *testing.T, name string, err error, kind errs.Kind) {
	t.Helper()
	require.Error(t, err, name)
	require.Equalf(t, kind, errs.KindOf(err), "%s: %v", name, err)
}

// TestAHitAllocatesNothing: it is on the way of every call. No other test runs beside it.
func TestAHitAllocatesNothing(t *testing.T) { //nolint:paralleltest // it counts the process's allocations
	b := setup(t, tenancytest.SQLite(t))
	b.connect(t, b.a, b.profile, ada)
	ctx, tenant, q := t.Context(), b.a.Tenant(), b.query()
	_, err := b.source.Get(ctx, tenant, q)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, err = b.source.Get(ctx, tenant, q) }))
	require.NoError(t, err)
}

func BenchmarkGetFromMemory(t *testing.B) {
	b := setup(t, tenancytest.SQLite(t))
	b.connect(t, b.a, b.profile, ada)
	ctx, tenant, q := t.Context(), b.a.Tenant(), b.query()
	if _, err := b.source.Get(ctx, tenant, q); err != nil {
		t.Fatal(err)
	}
	t.ReportAllocs()
	t.ResetTimer()
	t.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := b.source.Get(ctx, tenant, q); err != nil {
				t.Error(err)
			}
		}
	})
}
