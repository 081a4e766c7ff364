package jobs

import (
	"context"
	"errors"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
)

// waiting are the states that count as asked for already. River demands that a
// running job is among them; a probe that finds its runtime changed is tried again.
var waiting = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateScheduled, rivertype.JobStateRunning,
}

// round is a worker for what goes through all tenants by itself. The work is looked up
// when a job runs, because it is known at Start only.
type round[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	q    *Queue
	work func(Work) func(context.Context) error
}

func (w *round[T]) Work(ctx context.Context, _ *river.Job[T]) error {
	return outcome(w.work(w.q.work)(ctx))
}

// one is a worker for one row of one tenant, which its arguments name.
type one[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	q    *Queue
	row  func(T) (tenantID, id string)
	work func(Work) func(ctx context.Context, h tenancy.Handle, id string) error
}

func (w *one[T]) Work(ctx context.Context, job *river.Job[T]) error {
	tenantID, id := w.row(job.Args)
	h, err := w.q.db.ForJob(ctx, tenantID, job.Kind)
	if err != nil {
		return outcome(err)
	}
	return outcome(w.work(w.q.work)(ctx, h, id))
}

// register adds a worker for each kind of job.
func register(workers *river.Workers, q *Queue) error {
	return errors.Join(
		river.AddWorkerSafely(workers, &one[upstreams.ProbeArgs]{
			q: q, row: func(a upstreams.ProbeArgs) (string, string) { return a.TenantID, a.UpstreamID },
			work: func(w Work) func(context.Context, tenancy.Handle, string) error { return w.Probe },
		}),
		river.AddWorkerSafely(workers, &one[grants.RefreshArgs]{
			q: q, row: func(a grants.RefreshArgs) (string, string) { return a.TenantID, a.GrantID },
			work: func(w Work) func(context.Context, tenancy.Handle, string) error { return w.Grants.Refresh },
		}),
		river.AddWorkerSafely(workers, &one[grants.RefreshNowArgs]{
			q: q, row: func(a grants.RefreshNowArgs) (string, string) { return a.TenantID, a.GrantID },
			work: func(w Work) func(context.Context, tenancy.Handle, string) error { return w.Grants.RefreshNow },
		}),
		river.AddWorkerSafely(workers, &one[grants.RevokeArgs]{
			q: q, row: func(a grants.RevokeArgs) (string, string) { return a.TenantID, a.RevocationID },
			work: func(w Work) func(context.Context, tenancy.Handle, string) error { return w.Grants.Revoke },
		}),
		addRound[probeAllArgs](workers, q, func(w Work) func(context.Context) error { return w.ProbeAll }),
		addRound[turnKeysArgs](workers, q, func(w Work) func(context.Context) error { return w.TurnKeys }),
		addRound[renewDocumentsArgs](workers, q, func(w Work) func(context.Context) error { return w.RenewDocuments }),
		addRound[sweepArgs](workers, q, func(w Work) func(context.Context) error { return w.Sweep }),
		addRound[deliverArgs](workers, q, func(w Work) func(context.Context) error { return w.DeliverNotifications }),
		addRound[claimGrantsArgs](workers, q, func(w Work) func(context.Context) error { return w.Grants.ClaimDue }),
		addRound[revokeDueArgs](workers, q, func(w Work) func(context.Context) error { return w.Grants.RevokeDue }),
	)
}

func addRound[T river.JobArgs](workers *river.Workers, q *Queue, work func(Work) func(context.Context) error) error {
	return river.AddWorkerSafely(workers, &round[T]{q: q, work: work})
}

// The rounds have no arguments, only kinds.
type (
	probeAllArgs       struct{}
	turnKeysArgs       struct{}
	renewDocumentsArgs struct{}
	sweepArgs          struct{}
	deliverArgs        struct{}
	claimGrantsArgs    struct{}
	revokeDueArgs      struct{}
)

func (probeAllArgs) Kind() string       { return "upstreams.probe_all" }
func (turnKeysArgs) Kind() string       { return "keys.turn" }
func (renewDocumentsArgs) Kind() string { return "clients.renew" }
func (sweepArgs) Kind() string          { return "maintenance.sweep" }
func (deliverArgs) Kind() string        { return notify.JobKind }
func (claimGrantsArgs) Kind() string    { return "grants.claim_due" }
func (revokeDueArgs) Kind() string      { return "grants.revoke_due" }
