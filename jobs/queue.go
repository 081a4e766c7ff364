package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
)

// Work is what the jobs call. Every field is required before Start.
type Work struct {
	Probe func(ctx context.Context, h tenancy.Handle, upstreamID string) error
	// ProbeAll asks for a probe of the runtimes that are due.
	ProbeAll func(ctx context.Context) error
	// TurnKeys changes the signing keys that are due.
	TurnKeys func(ctx context.Context) error
	// RenewDocuments reads the metadata documents anew that clients in use are known by.
	RenewDocuments func(ctx context.Context) error
	// DeliverNotifications sends alerts that are due.
	DeliverNotifications func(ctx context.Context) error
	// Grants is what the jobs of downstream grants call.
	Grants GrantsWork
	Sweep  func(ctx context.Context) error
}

const (
	claimEvery  = time.Minute
	turnEvery   = 15 * time.Minute
	renewEvery  = 5 * time.Minute
	sweepEvery  = time.Hour
	maxWorkers  = 10
	jobTimeout  = time.Minute
	rescueAfter = 5 * time.Minute
	// deliverEvery is how long an alert waits at most before it is sent, beside the time
	// for which alerts are collected.
	deliverEvery = 10 * time.Second
)

// client is what both of River's generic clients can do.
type client interface {
	Start(context.Context) error
	Stop(context.Context) error
	StopAndCancel(context.Context) error
}

// Queue inserts jobs, and works on them between Start and Stop.
type Queue struct {
	db       *tenancy.DB
	work     Work
	client   client
	postgres *river.Client[pgx.Tx]
	sqlite   *river.Client[*sql.Tx]

	mu      sync.Mutex
	started bool
}

// New makes a queue that can insert.
func New(db *tenancy.DB, log *slog.Logger) (*Queue, error) {
	q := &Queue{db: db}
	workers := river.NewWorkers()
	err := register(workers, q)
	if err != nil {
		return nil, fmt.Errorf("register workers: %w", err)
	}
	cfg := &river.Config{
		Logger:               log,
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: maxWorkers}, grantsQueue: {MaxWorkers: maxGrantsWorkers}},
		Workers:              workers,
		JobTimeout:           jobTimeout,
		RescueStuckJobsAfter: rescueAfter,
		PeriodicJobs: []*river.PeriodicJob{
			periodic(claimEvery, probeAllArgs{}),
			periodic(turnEvery, turnKeysArgs{}),
			periodic(renewEvery, renewDocumentsArgs{}),
			periodic(sweepEvery, sweepArgs{}),
			periodic(deliverEvery, deliverArgs{}),
			periodic(claimGrantsEvery, claimGrantsArgs{}),
			periodic(revokeGrantsEvery, revokeDueArgs{}),
		},
	}
	if pool, lite := db.Native(); pool != nil {
		q.postgres, err = river.NewClient(riverpgxv5.New(pool), cfg)
		q.client = q.postgres
	} else {
		q.sqlite, err = river.NewClient(riversqlite.New(lite), cfg)
		q.client = q.sqlite
	}
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return q, nil
}

func periodic(every time.Duration, args river.JobArgs) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(every), func() (river.JobArgs, *river.InsertOpts) {
		return args, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByPeriod: every}}
	}, &river.PeriodicJobOpts{RunOnStart: true}) // a schedule starts anew with the process; ByPeriod keeps restarts from repeating it
}

// Start begins to work on jobs.
func (q *Queue) Start(ctx context.Context, work Work) error {
	if work.Probe == nil || work.ProbeAll == nil || work.TurnKeys == nil || work.RenewDocuments == nil || work.Sweep == nil || work.DeliverNotifications == nil || !work.Grants.complete() {
		return errors.New("start queue: a kind of work is missing")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.started {
		return errors.New("start queue: it is started already")
	}
	q.work = work
	if err := q.client.Start(ctx); err != nil {
		return fmt.Errorf("start queue: %w", err)
	}
	q.started = true
	return nil
}

// Stop lets running jobs finish until ctx ends, then cancels them. It is safe to
// call twice, and before Start.
func (q *Queue) Stop(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.started {
		return nil
	}
	q.started = false
	if err := q.client.Stop(ctx); err == nil {
		return nil
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	return q.client.StopAndCancel(hard)
}

// EnqueueProbe asks for a probe in the transaction of the change that wants it. A
// probe that is already waiting is not asked for twice.
func (q *Queue) EnqueueProbe(tx *tenancy.Tx, args upstreams.ProbeArgs) error {
	return q.insert(tx, args, &river.InsertOpts{MaxAttempts: 3, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: waiting}})
}

func (q *Queue) insert(tx *tenancy.Tx, args river.JobArgs, opts *river.InsertOpts) error {
	var err error
	if q.sqlite != nil {
		_, err = q.sqlite.InsertTx(tx.Context(), tx.SQL(), args, opts)
	} else {
		err = tx.Pgx(func(conn *pgx.Conn) error {
			_, err := q.postgres.InsertTx(tx.Context(), &outerTx{conn: conn, points: new(int)}, args, opts)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", args.Kind(), err)
	}
	return nil
}

// outcome turns an error into River's terms: what cannot get better is cancelled,
// the rest is tried again.
func outcome(err error) error {
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Unauthenticated, errs.Forbidden, errs.NotFound, errs.NeedsConsent, errs.BudgetExceeded, errs.DownstreamRejected:
		return river.JobCancel(err)
	case errs.Conflict, errs.Stale, errs.RateLimited, errs.UpstreamFailed, errs.Unavailable, errs.Canceled, errs.Internal:
	}
	return err
}
