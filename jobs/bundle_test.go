package jobs_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/upstreams"
)

// patience is how long a test waits for a worker; it is a bound and not a pause.
const patience = 30 * time.Second

// client is a tenant's row, to see whether a change and its job share their fate.
type client struct {
	TenantID, ID, Kind, Name, ApplicationType string
	RedirectURIs                              string `gorm:"column:redirect_uris"`
	CreatedAt                                 time.Time
}

func (client) TableName() string { return "clients" }

// job is the queue's row, read as the tests need it.
type job struct {
	ID                        int64
	Kind, State, Args, Errors string
	MaxAttempts               int
}

func listJobs(t *testing.T, env tenancytest.Env) []job {
	t.Helper()
	var out []job
	pool, lite := env.DB.Native()
	scan := func(into func(...any) error) {
		var j job
		require.NoError(t, into(&j.ID, &j.Kind, &j.State, &j.Args, &j.Errors, &j.MaxAttempts))
		out = append(out, j)
	}
	if pool != nil {
		rows, err := pool.Query(t.Context(), "select id, kind, state::text, args::text, coalesce(errors::text, ''), max_attempts from river_job order by id")
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			scan(rows.Scan)
		}
		require.NoError(t, rows.Err())
		return out
	}
	rows, err := lite.QueryContext(t.Context(), "select id, kind, state, json(args), coalesce(json(errors), ''), max_attempts from river_job order by id")
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		scan(rows.Scan)
	}
	require.NoError(t, rows.Err())
	return out
}

func ofKind(all []job, kind string) []job {
	var out []job
	for _, j := range all {
		if j.Kind == kind {
			out = append(out, j)
		}
	}
	return out
}

func newQueue(t *testing.T, env tenancytest.Env) *jobs.Queue {
	t.Helper()
	q, err := jobs.New(env.DB, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return q
}

// work counts what the workers were asked to do.
type work struct {
	mu        sync.Mutex
	probed    []upstreams.ProbeArgs
	actors    []tenancy.Actor
	probeAll  int
	turned    int
	renewed   int
	sweep     int
	delivered int
	claimed   int
	revoked   int
	grants    []string
	answer    error
	seen      chan struct{}
}

func newWork() *work { return &work{seen: make(chan struct{}, 1000)} }

func (w *work) note(fn func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	fn()
	w.seen <- struct{}{}
	return w.answer
}

func (w *work) jobs() jobs.Work {
	return jobs.Work{
		Probe: func(_ context.Context, h tenancy.Handle, id string) error {
			return w.note(func() {
				w.probed = append(w.probed, upstreams.ProbeArgs{TenantID: h.Tenant(), UpstreamID: id})
				w.actors = append(w.actors, h.Actor())
			})
		},
		ProbeAll:       func(context.Context) error { return w.note(func() { w.probeAll++ }) },
		TurnKeys:       func(context.Context) error { return w.note(func() { w.turned++ }) },
		RenewDocuments: func(context.Context) error { return w.note(func() { w.renewed++ }) },
		Sweep:          func(context.Context) error { return w.note(func() { w.sweep++ }) },

		Grants: jobs.GrantsWork{
			ClaimDue:   func(context.Context) error { return w.note(func() { w.claimed++ }) },
			Refresh:    func(_ context.Context, h tenancy.Handle, id string) error { return w.grant("refresh", h, id) },
			RefreshNow: func(_ context.Context, h tenancy.Handle, id string) error { return w.grant("refresh_now", h, id) },
			RevokeDue:  func(context.Context) error { return w.note(func() { w.revoked++ }) },
			Revoke:     func(_ context.Context, h tenancy.Handle, id string) error { return w.grant("revoke", h, id) },
		},
		DeliverNotifications: func(context.Context) error { return w.note(func() { w.delivered++ }) },
	}
}

func (w *work) grant(what string, h tenancy.Handle, id string) error {
	return w.note(func() { w.grants = append(w.grants, what+" "+h.Tenant()+" "+id) })
}

func (w *work) get() work {
	w.mu.Lock()
	defer w.mu.Unlock()
	return work{probed: append([]upstreams.ProbeArgs{}, w.probed...), actors: append([]tenancy.Actor{}, w.actors...), probeAll: w.probeAll, turned: w.turned, renewed: w.renewed, sweep: w.sweep, claimed: w.claimed, revoked: w.revoked, grants: append([]string{}, w.grants...)}
}

func start(t *testing.T, q *jobs.Queue, w jobs.Work) {
	t.Helper()
	require.NoError(t, q.Start(context.WithoutCancel(t.Context()), w))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, q.Stop(ctx))
	})
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, patience, 20*time.Millisecond, what)
}
