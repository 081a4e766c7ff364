package usage

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/usage/event"
)

// Config is what the recorder needs. Limits may be left at zero.
type Config struct {
	DB *tenancy.DB
	// Dir is the spool's folder, inside the data folder. Several processes may share it.
	Dir    string
	Log    *slog.Logger
	Limits Limits
}

// Limits bound the recorder. Zero fields take the defaults.
type Limits struct {
	Batch    int           // events in one transaction; 2,000
	Interval time.Duration // between transactions while events come; 200 ms
	Queue    int           // events in memory; beyond it they are read back from the spool; 10,000
	Spool    int64         // bytes on disk while the database is away; 256 MiB
	Backoff  time.Duration // the longest wait after a failure; 5 s
	Adopt    time.Duration // between looks for what other processes left in the folder when they died; 10 s
}

func (l Limits) withDefaults() Limits {
	if l.Batch <= 0 {
		l.Batch = 2000
	}
	if l.Interval <= 0 {
		l.Interval = 200 * time.Millisecond
	}
	if l.Queue <= 0 {
		l.Queue = 10_000
	}
	if l.Spool <= 0 {
		l.Spool = 256 << 20
	}
	if l.Backoff <= 0 {
		l.Backoff = 5 * time.Second
	}
	if l.Adopt <= 0 {
		l.Adopt = 10 * time.Second
	}
	return l
}

// Recorder takes events and stores them in batches.
type Recorder struct {
	db     *tenancy.DB
	log    *slog.Logger
	limits Limits
	spool  *spool

	failures atomic.Uint64
	quiet    atomic.Int64 // no complaint about the spool before this time, in Unix seconds

	mu      sync.Mutex
	started bool
	stop    chan struct{}
	stopped bool
	done    chan struct{}
	cancel  context.CancelFunc
}

// New opens the spool. Record works from here on; nothing is stored before Start.
func New(cfg Config) (*Recorder, error) {
	switch {
	case cfg.DB == nil:
		return nil, errors.New("usage: no database")
	case cfg.Dir == "":
		return nil, errors.New("usage: no spool folder")
	case cfg.Log == nil:
		return nil, errors.New("usage: no log")
	}
	limits := cfg.Limits.withDefaults()
	s, err := openSpool(cfg.Dir, limits)
	if err != nil {
		return nil, err
	}
	return &Recorder{db: cfg.DB, log: cfg.Log, limits: limits, spool: s, stop: make(chan struct{}), done: make(chan struct{})}, nil
}

// Record takes an event. It never waits for the database; when it returns, the
// event survives the end of the process.
func (r *Recorder) Record(e event.Event) {
	err := r.spool.append(e)
	if err == nil {
		return
	}
	const complaintEvery = 10 // seconds; a full disk must not fill the log, too
	now, quiet := time.Now().Unix(), r.quiet.Load()
	if now >= quiet && r.quiet.CompareAndSwap(quiet, now+complaintEvery) {
		r.log.Error("usage event is not on disk", "error", err, "dropped", r.Dropped())
	}
}

// Dropped counts the events that are lost, because neither disk nor memory had room.
func (r *Recorder) Dropped() uint64 { return r.spool.dropped.Load() }

// Failures counts the attempts to store a batch that failed.
func (r *Recorder) Failures() uint64 { return r.failures.Load() }

// Start begins to store: first what dead processes left in the folder, then what
// is recorded. It does not wait for the database.
func (r *Recorder) Start() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started || r.stopped {
		return nil
	}
	orphans, err := r.orphans()
	if err != nil {
		return err
	}
	r.started = true
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go r.run(ctx, orphans)
	return nil
}

// orphans gives what dead processes left in the folder.
func (r *Recorder) orphans() ([]*segment, error) {
	found, err := r.spool.orphans()
	if len(found) > 0 {
		r.log.Info("storing usage events that another process left", "files", len(found))
	}
	return found, err
}

// Stop stores what is there, as far as ctx allows, and leaves the rest on disk for
// the next start. It is safe to call twice.
func (r *Recorder) Stop(ctx context.Context) error {
	r.mu.Lock()
	started := r.started
	if !r.stopped {
		r.stopped = true
		close(r.stop)
		if !started {
			r.spool.release(r.spool.rotate())
			close(r.done)
		}
	}
	r.mu.Unlock()
	if !started {
		return nil
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		r.cancel()
		<-r.done
		return ctx.Err()
	}
}

// run stores segments until it is told to stop. While the database is away, it
// keeps to the segment that it has: new events gather in the open one.
func (r *Recorder) run(ctx context.Context, pending []*segment) {
	defer close(r.done)
	defer r.cancel()
	ticker := time.NewTicker(r.limits.Interval)
	defer ticker.Stop()
	adopt := time.NewTicker(r.limits.Adopt)
	defer adopt.Stop()
	if !locks {
		adopt.Stop() // a file of this process could not be told from an orphan
	}
	wait := r.limits.Interval
	for {
		if len(pending) == 0 {
			select {
			case <-r.spool.full:
			case <-ticker.C:
			case <-adopt.C:
				var err error
				if pending, err = r.orphans(); err != nil {
					r.log.Error("look for usage events of dead processes", "error", err)
				}
				continue
			case <-r.stop:
			}
			stopping := r.stopping() // before the look, so that nothing recorded earlier is missed
			seg := r.spool.rotate()
			if seg == nil && stopping {
				return
			}
			if seg == nil {
				continue
			}
			pending = append(pending, seg)
		}
		stopping := r.stopping()
		err := r.store(ctx, pending[0])
		switch {
		case err == nil:
			pending, wait = pending[1:], r.limits.Interval
		case stopping:
			for _, seg := range append(pending, r.spool.rotate()) {
				r.spool.release(seg)
			}
			return
		default:
			r.pause(wait)
			wait = min(2*wait, r.limits.Backoff)
		}
	}
}

func (r *Recorder) stopping() bool {
	select {
	case <-r.stop:
		return true
	default:
		return false
	}
}

func (r *Recorder) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.stop:
	}
}

// store puts a segment into the database and deletes its file.
func (r *Recorder) store(ctx context.Context, seg *segment) error {
	damaged, err := seg.each(r.limits.Batch, func(events []event.Event) error { return r.storeBatch(ctx, events) })
	if damaged > 0 {
		r.log.Error("usage spool holds lines that are no event", "lines", damaged)
	}
	if err != nil {
		r.failures.Add(1)
		r.log.Warn("usage events wait for the database", "error", err, "bytes", seg.size)
		return err
	}
	if err := r.spool.remove(seg); err != nil {
		r.log.Error("delete usage spool file", "error", err) // it is stored; storing it again changes nothing
	}
	return nil
}

// storeBatch halves a batch that the database refuses, until the row that it
// refuses stands alone and can be left out.
func (r *Recorder) storeBatch(ctx context.Context, events []event.Event) error {
	err := storeEvents(ctx, r.db, events)
	if err == nil || !refused(err) {
		return err
	}
	if len(events) == 1 {
		r.spool.dropped.Add(1)
		r.log.Error("usage event refused by the database", "error", err, "event", events[0].ID)
		return nil
	}
	half := len(events) / 2
	if err := r.storeBatch(ctx, events[:half]); err != nil {
		return err
	}
	return r.storeBatch(ctx, events[half:])
}
