package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/emcy/gateway/notify"
)

// deliverEvery is how long an alert waits at most before it is sent, beside the time for
// which alerts are collected.
const deliverEvery = 10 * time.Second

type deliverArgs struct{}

func (deliverArgs) Kind() string { return notify.JobKind }

type deliverWorker struct {
	river.WorkerDefaults[deliverArgs]
	q *Queue
}

func (w *deliverWorker) Work(ctx context.Context, _ *river.Job[deliverArgs]) error {
	return outcome(w.q.work.DeliverNotifications(ctx))
}
