package trace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/tenancy"
)

// Config is what the recorder needs. Every field is required.
type Config struct {
	DB  *tenancy.DB
	Log *slog.Logger
}

const (
	maxQueue = 4096
	interval = 100 * time.Millisecond // from the first step in the queue until it is stored
	// writeTime bounds a write that an answer waits for: a trace is not worth a client's patience.
	writeTime = 2 * time.Second
	// dropsTold is the least time between two lines about steps that were left out.
	dropsTold = time.Minute
)

// Recorder stores the steps of connection attempts. A nil one records nothing.
type Recorder struct {
	db      *tenancy.DB
	log     *slog.Logger
	gate    *gate
	settled *settled
	dropped atomic.Uint64
	told    atomic.Int64 // when drops were last logged, in Unix seconds

	mu    sync.Mutex
	queue []queued
	wake  chan struct{}

	storing sync.Mutex // one flush at a time, so that steps are stored in their order
	stop    chan struct{}
	once    sync.Once
	done    chan struct{}
	started atomic.Bool
}

// queued is a step on its way to the database.
type queued struct {
	issuer string
	who    Origin
	event  Event
}

// New makes a recorder. Steps that nobody waits for are stored from Start on.
func New(cfg Config) (*Recorder, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("trace: no database")
	case cfg.Log == nil:
		return nil, errors.New("trace: no log")
	}
	return &Recorder{db: cfg.DB, log: cfg.Log, gate: newGate(), settled: newSettled(), wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}, nil
}

// Record takes a step at a tenant's origin. It never waits; what there is no room for
// is dropped and counted.
func (r *Recorder) Record(issuer string, who Origin, e Event) {
	if r == nil {
		return
	}
	if e.FamilyID != "" && r.settled.has(e.FamilyID) {
		return
	}
	if e.FamilyID == "" && !r.gate.admit(issuer, who.Network, e.At) || e.FamilyID != "" && !r.gate.family(issuer, e.At) {
		r.drop()
		return
	}
	r.mu.Lock()
	full := len(r.queue) >= maxQueue
	if !full {
		r.queue = append(r.queue, queued{issuer, who, e})
	}
	r.mu.Unlock()
	if full {
		r.drop()
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Dropped counts the steps that were left out: too many of a network or a tenant, or
// a database that does not keep up.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

func (r *Recorder) drop() {
	n := r.dropped.Add(1)
	now, told := r.db.Clock().Now().Unix(), r.told.Load()
	if now-told >= int64(dropsTold/time.Second) && r.told.CompareAndSwap(told, now) {
		r.log.Info("steps of connection attempts are left out: too many of them", "left_out", n)
	}
}

// Start begins to store.
func (r *Recorder) Start() {
	if r.started.CompareAndSwap(false, true) {
		go r.run()
	}
}

// Stop stores what is there, as far as ctx allows. It is safe to call twice.
func (r *Recorder) Stop(ctx context.Context) error {
	r.once.Do(func() { close(r.stop) })
	if !r.started.Load() {
		return nil
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.Flush(ctx)
	return nil
}

func (r *Recorder) run() {
	defer close(r.done)
	for {
		select {
		case <-r.stop:
			return
		case <-r.wake:
		}
		pause := time.NewTimer(interval)
		select {
		case <-r.stop:
			pause.Stop()
			return
		case <-pause.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		r.Flush(ctx)
		cancel()
	}
}

// Flush stores what is in the queue now.
func (r *Recorder) Flush(ctx context.Context) {
	r.storing.Lock()
	defer r.storing.Unlock()
	r.mu.Lock()
	batch := r.queue
	r.queue = nil
	r.mu.Unlock()
	for len(batch) > 0 {
		issuer := batch[0].issuer
		var mine, rest []queued
		for _, q := range batch {
			if q.issuer == issuer {
				mine = append(mine, q)
			} else {
				rest = append(rest, q)
			}
		}
		if err := r.store(ctx, issuer, mine); err != nil {
			r.dropped.Add(uint64(len(mine)))
			r.log.WarnContext(ctx, "steps of connection attempts are not stored", logx.Err, err, "steps", len(mine))
		}
		batch = rest
	}
}

// perTransaction bounds how long the tenant's lock is held, and SQLite's one writer.
const perTransaction = 50

func (r *Recorder) store(ctx context.Context, issuer string, batch []queued) error {
	h, err := r.db.ForOrigin(ctx, issuer)
	if err != nil {
		return err
	}
	slices.SortStableFunc(batch, func(a, b queued) int {
		return cmp.Or(a.event.At.Compare(b.event.At), rank(a.event.Step)-rank(b.event.Step))
	})
	for part := range slices.Chunk(batch, perTransaction) {
		err := r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
			if err := take(tx); err != nil {
				return err
			}
			for _, q := range part {
				_, connected, err := keep(tx, "", q.who, q.event)
				if err != nil {
					return err
				}
				if connected {
					r.settled.add(q.event.FamilyID)
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("store steps: %w", err)
		}
	}
	return nil
}

// take is what every writing transaction begins with.
func take(tx *tenancy.Tx) error {
	if err := lock(tx); err != nil {
		return fmt.Errorf("lock traces: %w", err)
	}
	return makeRoom(tx)
}

// keep stores events of one trace, under the lock, and gives its id: "" where it is
// not to be kept. connected says that the family of the events needs no more of them.
func keep(tx *tenancy.Tx, id string, who Origin, events ...Event) (_ string, connected bool, _ error) {
	row, err := find(tx, id, who, events[0])
	if err != nil || row == nil {
		return "", false, err
	}
	if events[0].browser && row.BrowserNetwork == "" {
		row.BrowserNetwork = who.Network
	}
	if events[0].FamilyID != "" && row.FirstCallAt != nil {
		// It is connected: what its tokens do from now on stands in the log. What came before may arrive later, from
		// another node.
		late, err := missed(tx, row, events[0])
		if err != nil || !late {
			return row.ID, true, err
		}
	}
	tx.Notify(tenancy.TracesTopic(tx.Tenant()))
	return row.ID, false, add(tx, row, events)
}

// missed tells a step before the first call that the trace does not have.
func missed(tx *tenancy.Tx, row *traceRow, e Event) (bool, error) {
	if e.At.After(*row.FirstCallAt) {
		return false, nil
	}
	var n int64
	if err := tx.DB().Model(&stepRow{}).Where("trace_id = ? AND step = ?", row.ID, e.Step).Count(&n).Error; err != nil {
		return false, fmt.Errorf("look for a step: %w", err)
	}
	return n == 0, nil
}

// now stores events that an answer waits for, and gives their trace: "" where they
// could not be stored.
func (r *Recorder) now(ctx context.Context, v Visit, id string, who Origin, events ...Event) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	r.Flush(ctx)
	err := r.db.Write(ctx, v.Handle, func(tx *tenancy.Tx) (err error) {
		if err := take(tx); err != nil {
			return err
		}
		id, _, err = keep(tx, id, who, events...)
		return err
	})
	if err != nil {
		r.dropped.Add(uint64(len(events)))
		r.log.WarnContext(ctx, "steps of a connection attempt are not stored", logx.Err, err)
		return ""
	}
	return id
}

// begin finds or makes the trace of an event that has not happened yet.
func (r *Recorder) begin(ctx context.Context, v Visit, who Origin, e Event) (id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	r.Flush(ctx)
	err := r.db.Write(ctx, v.Handle, func(tx *tenancy.Tx) error {
		if err := take(tx); err != nil {
			return err
		}
		row, err := find(tx, "", who, e)
		if err != nil || row == nil {
			return err
		}
		id = row.ID
		return nil
	})
	if err != nil {
		r.log.WarnContext(ctx, "trace is not begun", logx.Err, err)
		return ""
	}
	return id
}

// ofAttempt is the trace of an authorization attempt.
func (r *Recorder) ofAttempt(ctx context.Context, v Visit, attempt string) string {
	var row attemptRow
	err := r.db.Read(ctx, v.Handle, func(tx *tenancy.Tx) error {
		return tx.DB().Where("id = ?", Clean(attempt, maxShort)).Limit(1).Find(&row).Error
	})
	if err != nil {
		r.log.WarnContext(ctx, "trace of an attempt is not read", logx.Err, err)
	}
	return row.TraceID
}
