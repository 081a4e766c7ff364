package upstreams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams/probe"
)

const (
	// progressEvery is how often the steps of a probe under way are stored at most. What happens in between is
	// stored together: a probe of a few milliseconds costs one write, a slow one a few a second.
	progressEvery = 100 * time.Millisecond
	// progressWrite bounds one such write.
	progressWrite = 5 * time.Second
	// probeAlive is after what time a probe that has not ended is taken for dead, with the process that ran it.
	// It is enough for the two probes of a runtime whose secret is being changed.
	probeAlive = 2*probe.Budget + 10*time.Second
)

// ProbeRun is a probe that has begun: from then on it is the one that people see.
type ProbeRun struct {
	upstreamID, id string
	// Joined is true when a probe of the same configuration was under way already. That one goes on, and this
	// one is not to be run.
	Joined bool
}

// Progress is how far the latest probe of a runtime is.
type Progress struct {
	// ID tells probes of one runtime apart; empty when there was none.
	ID string
	// Running is false once the report is stored, and when a probe ended without one.
	Running   bool
	StartedAt time.Time
	// Steps are what was asked so far, the last one perhaps still running; none once the report is stored.
	Steps []probe.Step
}

type probeRow struct {
	TenantID   string
	UpstreamID string
	ID         string
	Version    int64
	Steps      string
	StartedAt  time.Time
	FinishedAt *time.Time
}

func (probeRow) TableName() string { return "upstream_probes" }

func (r probeRow) running(now time.Time) bool {
	return r.FinishedAt == nil && now.Sub(r.StartedAt) < probeAlive
}

// probeOf is a runtime's latest probe, the zero row when there was none.
func probeOf(tx *tenancy.Tx, upstreamID string) (probeRow, error) {
	var row probeRow
	err := tx.DB().Where("upstream_id = ?", upstreamID).First(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return probeRow{}, nil
	}
	return row, err
}

// Progress reads how far the latest probe of a runtime is.
func (r *Registry) Progress(ctx context.Context, h tenancy.Handle, upstreamID string) (Progress, error) {
	var out Progress
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		if _, err := byID(tx, upstreamID); err != nil {
			return err
		}
		row, err := probeOf(tx, upstreamID)
		if err != nil || row.ID == "" {
			return err
		}
		out = Progress{ID: row.ID, Running: row.running(tx.Now()), StartedAt: row.StartedAt}
		if !out.Running {
			return nil
		}
		return json.Unmarshal([]byte(row.Steps), &out.Steps)
	})
	if err != nil {
		return Progress{}, fmt.Errorf("read probe progress: %w", err)
	}
	return out, nil
}

// BeginProbe begins a probe that RunProbe then does. Unless it is to look anew, because something at the runtime is
// known to have changed, it joins a probe that is under way.
func (r *Registry) BeginProbe(ctx context.Context, h tenancy.Handle, slug string, anew bool) (ProbeRun, error) {
	return r.begin(ctx, h, anew, func(tx *tenancy.Tx) (upstreamRow, error) { return lockBySlug(tx, slug) })
}

func (r *Registry) begin(ctx context.Context, h tenancy.Handle, anew bool, lock func(*tenancy.Tx) (upstreamRow, error)) (ProbeRun, error) {
	var run ProbeRun
	err := r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lock(tx)
		if err != nil {
			return err
		}
		last, err := probeOf(tx, row.ID)
		if err != nil {
			return err
		}
		now := tx.Now()
		if !anew && last.running(now) && last.Version == row.Version {
			run = ProbeRun{upstreamID: row.ID, id: last.ID, Joined: true}
			return nil
		}
		run = ProbeRun{upstreamID: row.ID, id: ids.New("prb")}
		if err := tx.DB().Where("upstream_id = ?", row.ID).Delete(&probeRow{}).Error; err != nil {
			return err
		}
		tx.Notify(tenancy.ProbesTopic(tx.Tenant()))
		return tx.DB().Create(&probeRow{TenantID: tx.Tenant(), UpstreamID: row.ID, ID: run.id, Version: row.Version, Steps: "[]", StartedAt: now}).Error
	})
	if err != nil {
		return ProbeRun{}, fmt.Errorf("begin probe: %w", err)
	}
	return run, nil
}

// endProbe ends a probe in the transaction that stores its report. It is not current when a later one has begun,
// whose report is the one that counts.
func (run ProbeRun) endProbe(tx *tenancy.Tx) (current bool, err error) {
	last, err := probeOf(tx, run.upstreamID)
	if err != nil || last.ID != "" && last.ID != run.id {
		return false, err
	}
	now := tx.Now()
	tx.Notify(tenancy.ProbesTopic(tx.Tenant()))
	return true, tx.DB().Model(&probeRow{}).Where("upstream_id = ? AND id = ?", run.upstreamID, run.id).
		Updates(map[string]any{"steps": "[]", "finished_at": &now}).Error
}

// watch stores the steps of a probe while it is under way. Nothing is lost with a write that fails: the next one
// holds everything, and the report is stored on its own.
type watch struct {
	registry *Registry
	handle   tenancy.Handle
	run      ProbeRun
	bell     chan struct{}
	stop     chan struct{}
	once     sync.Once
	stopped  sync.WaitGroup

	mu    sync.Mutex
	steps []probe.Step
}

// watch begins to store; ctx is used for its values only.
func (r *Registry) watch(ctx context.Context, h tenancy.Handle, run ProbeRun) *watch {
	w := &watch{registry: r, handle: h, run: run, bell: make(chan struct{}, 1), stop: make(chan struct{})}
	ctx = context.WithoutCancel(ctx)
	w.stopped.Go(func() { w.follow(ctx) })
	return w
}

// tell is the probe's observer.
func (w *watch) tell(s probe.Step) {
	w.mu.Lock()
	if last := len(w.steps) - 1; last >= 0 && w.steps[last].Status == probe.StatusRunning {
		w.steps = w.steps[:last]
	}
	w.steps = append(w.steps, s)
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default: // there is something to store already
	}
}

// again begins a second probe within the run.
func (w *watch) again() {
	w.mu.Lock()
	w.steps = nil
	w.mu.Unlock()
}

func (w *watch) follow(ctx context.Context) {
	for {
		select {
		case <-w.bell:
		case <-w.stop:
			return
		}
		w.write(ctx)
		pause := time.NewTimer(progressEvery)
		select {
		case <-pause.C:
		case <-w.stop:
			pause.Stop()
			return
		}
	}
}

func (w *watch) write(ctx context.Context) {
	w.mu.Lock()
	steps, err := json.Marshal(w.steps)
	w.mu.Unlock()
	if err != nil {
		return // steps are strings and numbers, which always are JSON
	}
	ctx, cancel := context.WithTimeout(ctx, progressWrite)
	defer cancel()
	// A line that is not stored is stored with the next one, and the probe does not depend on it.
	_ = w.registry.db.Write(ctx, w.handle, func(tx *tenancy.Tx) error {
		tx.Notify(tenancy.ProbesTopic(tx.Tenant()))
		return tx.DB().Model(&probeRow{}).Where("upstream_id = ? AND id = ? AND finished_at IS NULL", w.run.upstreamID, w.run.id).
			Update("steps", string(steps)).Error
	})
}

// quiet ends the storing of steps. It is safe to call twice.
func (w *watch) quiet() {
	w.once.Do(func() { close(w.stop) })
	w.stopped.Wait()
}

// abandon ends a run that has no report to store, so that nobody waits for one.
func (w *watch) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), progressWrite)
	defer cancel()
	// If this cannot be stored either, the probe is taken for dead after a while.
	_ = w.registry.db.Write(ctx, w.handle, func(tx *tenancy.Tx) error {
		_, err := w.run.endProbe(tx)
		return err
	})
}
