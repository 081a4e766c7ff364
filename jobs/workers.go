package jobs

import (
	"context"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/emcy/gateway/upstreams"
)

// waiting are the states that count as asked for already. River demands that a
// running job is among them; a probe that finds its runtime changed is tried again.
var waiting = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateScheduled, rivertype.JobStateRunning,
}

type probeWorker struct {
	river.WorkerDefaults[upstreams.ProbeArgs]
	q *Queue
}

func (w *probeWorker) Work(ctx context.Context, job *river.Job[upstreams.ProbeArgs]) error {
	h, err := w.q.db.ForJob(ctx, job.Args.TenantID, job.Kind)
	if err != nil {
		return outcome(err)
	}
	return outcome(w.q.work.Probe(ctx, h, job.Args.UpstreamID))
}

type probeAllArgs struct{}

func (probeAllArgs) Kind() string { return "upstreams.probe_all" }

type probeAllWorker struct {
	river.WorkerDefaults[probeAllArgs]
	q *Queue
}

func (w *probeAllWorker) Work(ctx context.Context, _ *river.Job[probeAllArgs]) error {
	return outcome(w.q.work.ProbeAll(ctx))
}

type turnKeysArgs struct{}

func (turnKeysArgs) Kind() string { return "keys.turn" }

type turnKeysWorker struct {
	river.WorkerDefaults[turnKeysArgs]
	q *Queue
}

func (w *turnKeysWorker) Work(ctx context.Context, _ *river.Job[turnKeysArgs]) error {
	return outcome(w.q.work.TurnKeys(ctx))
}

type renewDocumentsArgs struct{}

func (renewDocumentsArgs) Kind() string { return "clients.renew" }

type renewDocumentsWorker struct {
	river.WorkerDefaults[renewDocumentsArgs]
	q *Queue
}

func (w *renewDocumentsWorker) Work(ctx context.Context, _ *river.Job[renewDocumentsArgs]) error {
	return outcome(w.q.work.RenewDocuments(ctx))
}

type sweepArgs struct{}

func (sweepArgs) Kind() string { return "maintenance.sweep" }

type sweepWorker struct {
	river.WorkerDefaults[sweepArgs]
	q *Queue
}

func (w *sweepWorker) Work(ctx context.Context, _ *river.Job[sweepArgs]) error {
	return outcome(w.q.work.Sweep(ctx))
}
