package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/fakes/upstream"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
)

// TestAChangeAndItsJobShareOneTransaction: a row that is there has its job, and a
// job that is there has its row, whichever of the two comes first in the change.
func TestAChangeAndItsJobShareOneTransaction(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q, a := newQueue(t, env), tenancytest.Tenant(t, env, "alpha")
		boom := errors.New("boom")
		change := func(id string, jobFirst bool, end error) error {
			return env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
				row := func() error {
					return tx.DB().Create(&client{TenantID: tx.Tenant(), ID: id, Kind: "dcr", RedirectURIs: "[]", ApplicationType: "web", CreatedAt: tx.Now()}).Error
				}
				job := func() error { return q.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: id}) }
				steps := []func() error{row, job}
				if jobFirst {
					steps = []func() error{job, row}
				}
				for _, step := range steps {
					if err := step(); err != nil {
						return err
					}
				}
				return end
			})
		}
		rows := func() int { return tenancytest.Counts(t, env)["clients"] }
		for _, jobFirst := range []bool{false, true} {
			require.ErrorIs(t, change("cli_x", jobFirst, boom), boom)
			require.Zero(t, rows())
			require.Empty(t, listJobs(t, env))
		}
		require.NoError(t, change("cli_1", false, nil))
		require.NoError(t, change("cli_2", true, nil))
		require.Equal(t, 2, rows())
		require.Len(t, listJobs(t, env), 2)
		require.True(t, errs.Is(change("cli_1", true, nil), errs.Conflict), "a row that cannot be written takes its job along")
		require.Len(t, listJobs(t, env), 2)
		gone, cancel := context.WithCancel(t.Context())
		require.Error(t, env.DB.Write(gone, a, func(tx *tenancy.Tx) error {
			defer cancel()
			return q.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: "ups_gone"})
		}), "a caller that is gone before the commit")
		require.Len(t, listJobs(t, env), 2)

		w := newWork()
		start(t, q, w.jobs())
		eventually(t, "both jobs run", func() bool { return len(w.get().probed) == 2 })
		require.ElementsMatch(t, []upstreams.ProbeArgs{{TenantID: a.Tenant(), UpstreamID: "cli_1"}, {TenantID: a.Tenant(), UpstreamID: "cli_2"}}, w.get().probed)
		require.Equal(t, tenancy.Actor{Kind: "job", ID: "upstreams.probe"}, w.get().actors[0])
	})
}

// TestTheInsertIsTheTenants: on PostgreSQL the job is written with no more rights
// than the change itself, and the transaction's role and tenant survive it.
func TestTheInsertIsTheTenants(t *testing.T) {
	t.Parallel()
	env := tenancytest.Postgres(t)
	q, a := newQueue(t, env), tenancytest.Tenant(t, env, "alpha")
	require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
		who := func() (role, tenant string) {
			require.NoError(t, tx.Pgx(func(conn *pgx.Conn) error {
				return conn.QueryRow(tx.Context(), "select current_user, current_setting('app.tenant_id')").Scan(&role, &tenant)
			}))
			return role, tenant
		}
		for range 2 {
			role, tenant := who()
			require.Equal(t, "emcy_app", role)
			require.Equal(t, a.Tenant(), tenant)
			require.NoError(t, q.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: "ups_1"}))
		}
		return nil
	}))
	require.Len(t, listJobs(t, env), 1)
}

func TestAProbeThatWaitsIsNotAskedForTwice(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q := newQueue(t, env)
		a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
		ask := func(h tenancy.Handle, id string) {
			require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
				return q.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: id})
			}))
		}
		for range 3 {
			ask(a, "ups_1")
		}
		ask(a, "ups_2")
		ask(b, "ups_1")
		all := listJobs(t, env)
		require.Len(t, all, 3)
		for _, j := range all {
			require.Equal(t, 3, j.MaxAttempts)
			var args map[string]string
			require.NoError(t, json.Unmarshal([]byte(j.Args), &args))
			require.Len(t, args, 2, "ids only")
			require.True(t, strings.HasPrefix(args["tenant_id"], "tnt_") && strings.HasPrefix(args["upstream_id"], "ups_"), j.Args)
		}

		w := newWork()
		start(t, q, w.jobs())
		eventually(t, "all run", func() bool { return len(w.get().probed) == 3 })
		eventually(t, "all are done", func() bool {
			for _, j := range ofKind(listJobs(t, env), "upstreams.probe") {
				if j.State != "completed" {
					return false
				}
			}
			return true
		})
		ask(a, "ups_1")
		eventually(t, "what was done can be asked for again", func() bool { return len(w.get().probed) == 4 })
	})
}

// TestARuntimeIsProbedByItsJob is the whole way: the registry's change, the queue,
// the worker with the tenant's handle, the real probe of a real MCP server.
func TestARuntimeIsProbedByItsJob(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q, a := newQueue(t, env), tenancytest.Tenant(t, env, "alpha")
		up := upstream.Start(upstream.Config{Stateless: true})
		defer up.Close()
		out := outbound.Config{AllowPrivate: true}
		registry := upstreams.New(env.DB, outbound.New(out), probe.New(probe.Config{Outbound: out, Clock: env.Clock, Version: "test"}), revoker{}, q)
		w := newWork().jobs()
		w.Probe = func(ctx context.Context, h tenancy.Handle, id string) error {
			_, err := registry.ProbeByID(ctx, h, id)
			return err
		}
		start(t, q, w)
		u, err := registry.Create(t.Context(), a, upstreams.Input{Name: "Files", Slug: "files", URL: up.URL()})
		require.NoError(t, err)
		require.Equal(t, upstreams.Waiting, u.State)
		eventually(t, "the runtime is ready", func() bool {
			u, err = registry.Get(t.Context(), a, "files")
			require.NoError(t, err)
			return u.State == upstreams.Ready
		})
		require.Equal(t, "fake upstream", u.Report.ServerName)

		// A job whose runtime or workspace is gone gives up at once.
		require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
			return errors.Join(
				q.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: "ups_gone"}),
				q.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: "tnt_gone", UpstreamID: u.ID}),
			)
		}))
		eventually(t, "both are cancelled", func() bool {
			n := 0
			for _, j := range listJobs(t, env) {
				if j.State == "cancelled" && (strings.Contains(j.Args, "ups_gone") || strings.Contains(j.Args, "tnt_gone")) {
					n++
				}
			}
			return n == 2
		})
	})
}

// TestADueRuntimeIsAskedForOnce: across tenants, with the rights of the system role, and not while it waits.
func TestADueRuntimeIsAskedForOnce(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q := newQueue(t, env)
		out := outbound.Config{AllowPrivate: true}
		registry := upstreams.New(env.DB, outbound.New(out), probe.New(probe.Config{Outbound: out, Clock: env.Clock}), revoker{}, q)
		for _, slug := range []string{"alpha", "beta"} {
			_, err := registry.Create(t.Context(), tenancytest.Tenant(t, env, slug), upstreams.Input{Name: "Files", Slug: "files", URL: "http://127.0.0.1:9/mcp"})
			require.NoError(t, err)
		}
		env.Clock.Advance(time.Hour)
		for range 2 {
			require.NoError(t, registry.ProbeDue(t.Context()))
		}
		require.Len(t, ofKind(listJobs(t, env), "upstreams.probe"), 2, "the first probes still wait")
		w := newWork()
		work := w.jobs()
		work.ProbeAll = func(context.Context) error { return nil }
		start(t, q, work)
		done := func(n int) func() bool {
			return func() bool {
				completed := 0
				for _, j := range ofKind(listJobs(t, env), "upstreams.probe") {
					if j.State == "completed" {
						completed++
					}
				}
				return completed == n
			}
		}
		eventually(t, "both are probed", done(2))
		require.NoError(t, registry.ProbeDue(t.Context()))
		eventually(t, "and both again", done(4))
	})
}

type revoker struct{}

func (revoker) RevokeUpstream(*tenancy.Tx, string, string) error { return nil }

// TestAFailureIsTriedAgain: what may get better is not given up.
func TestAFailureIsTriedAgain(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q, a := newQueue(t, env), tenancytest.Tenant(t, env, "alpha")
		w := newWork()
		w.answer = errs.E(errs.Conflict, "The runtime was changed while it was being probed.", nil)
		start(t, q, w.jobs())
		require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
			return q.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: "ups_1"})
		}))
		eventually(t, "it waits for its next attempt", func() bool {
			probes := ofKind(listJobs(t, env), "upstreams.probe")
			return len(probes) == 1 && (probes[0].State == "retryable" || len(w.get().probed) > 1)
		})
	})
}

// TestTheScheduleRunsAtStart: a process that is restarted more often than the
// schedule's period does its work all the same, and once per period.
func TestTheScheduleRunsAtStart(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		first, w := newQueue(t, env), newWork()
		start(t, first, w.jobs())
		eventually(t, "every kind ran", func() bool {
			got := w.get()
			return got.probeAll >= 1 && got.turned >= 1 && got.renewed >= 1 && got.sweep >= 1 && got.claimed >= 1 && got.revoked >= 1
		})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, first.Stop(ctx))
		ran := w.get()

		second := newQueue(t, env)
		start(t, second, w.jobs())
		a := tenancytest.Tenant(t, env, "alpha")
		require.NoError(t, env.DB.Write(ctx, a, func(tx *tenancy.Tx) error {
			return second.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: "ups_1"})
		}))
		eventually(t, "the second works", func() bool { return len(w.get().probed) == 1 })
		for _, kind := range []string{"upstreams.probe_all", "keys.turn", "clients.renew", "maintenance.sweep", "grants.claim_due", "grants.revoke_due"} {
			periods := map[string]bool{}
			for _, j := range ofKind(listJobs(t, env), kind) {
				require.Equal(t, "{}", j.Args)
				periods[j.State] = true
			}
			require.NotEmpty(t, periods, kind)
		}
		// The two starts may lie on both sides of a period's border, never more.
		require.LessOrEqual(t, w.get().sweep, ran.sweep+1)
		require.LessOrEqual(t, w.get().turned, ran.turned+1)
		require.LessOrEqual(t, w.get().renewed, ran.renewed+1)
		require.LessOrEqual(t, w.get().probeAll, ran.probeAll+1)
		require.LessOrEqual(t, w.get().revoked, ran.revoked+1)
	})
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q, w := newQueue(t, env), newWork()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		require.NoError(t, q.Stop(ctx), "before it was started")
		for _, half := range []jobs.Work{{}, {Probe: w.jobs().Probe}, {Probe: w.jobs().Probe, Sweep: w.jobs().Sweep}, {Probe: w.jobs().Probe, ProbeAll: w.jobs().ProbeAll, Sweep: w.jobs().Sweep}, {Probe: w.jobs().Probe, ProbeAll: w.jobs().ProbeAll, TurnKeys: w.jobs().TurnKeys, Sweep: w.jobs().Sweep}} {
			require.Error(t, q.Start(ctx, half))
		}
		require.NoError(t, q.Start(context.WithoutCancel(ctx), w.jobs()))
		require.Error(t, q.Start(ctx, w.jobs()), "twice")
		done := make(chan error, 2)
		for range cap(done) {
			go func() { done <- q.Stop(ctx) }()
		}
		for range cap(done) {
			require.NoError(t, <-done)
		}
		require.NoError(t, q.Stop(ctx))
	})
}

// TestStopCancelsWhatDoesNotEnd: a job that hangs is not waited for longer than the
// caller wants to, and it runs again later.
func TestStopCancelsWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q, a := newQueue(t, env), tenancytest.Tenant(t, env, "alpha")
		running := make(chan struct{})
		w := newWork().jobs()
		w.Probe = func(ctx context.Context, _ tenancy.Handle, _ string) error {
			close(running)
			<-ctx.Done()
			return ctx.Err()
		}
		require.NoError(t, q.Start(context.WithoutCancel(t.Context()), w))
		require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
			return q.EnqueueProbe(tx, upstreams.ProbeArgs{TenantID: tx.Tenant(), UpstreamID: "ups_1"})
		}))
		<-running
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, q.Stop(impatient))
		probes := ofKind(listJobs(t, env), "upstreams.probe")
		require.Len(t, probes, 1)
		require.NotContains(t, []string{"completed", "cancelled", "discarded"}, probes[0].State)
	})
}
