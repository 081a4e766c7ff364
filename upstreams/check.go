package upstreams

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams/probe"
)

// Probe looks at the runtime now and stores what it found: the report, and in the same transaction the tools that were
// listed. There is no other way by which tools get into the snapshot.
func (r *Registry) Probe(ctx context.Context, h tenancy.Handle, slug string) (probe.Report, error) {
	report, _, err := r.probe(ctx, h, slug)
	return report, err
}

// SyncTools is Probe for those who want to know what became of the tools.
func (r *Registry) SyncTools(ctx context.Context, h tenancy.Handle, slug string) (ToolSync, error) {
	report, sync, err := r.probe(ctx, h, slug)
	if err == nil && report.State == probe.StateReady && !sync.Listed {
		err = errs.E(errs.Conflict, "A later probe of this runtime has begun, and its list counts. Look again in a moment.", nil)
	}
	return sync, err
}

// ProbeByID is Probe for the job. A runtime that is gone is NotFound; one that is being probed already is left to
// that probe, and the report is empty.
func (r *Registry) ProbeByID(ctx context.Context, h tenancy.Handle, id string) (probe.Report, error) {
	run, err := r.begin(ctx, h, false, func(tx *tenancy.Tx) (upstreamRow, error) {
		row, err := lockByID(tx, id)
		if err == nil && row.ID == "" {
			err = errs.E(errs.NotFound, "Not found.", nil)
		}
		return row, err
	})
	if err != nil || run.Joined {
		return probe.Report{}, err
	}
	return r.RunProbe(ctx, h, run)
}

// RunProbe does what BeginProbe began, and stores what it finds. However it ends, those who watch see that it did.
func (r *Registry) RunProbe(ctx context.Context, h tenancy.Handle, run ProbeRun) (probe.Report, error) {
	report, _, err := r.run(ctx, h, run)
	return report, err
}

func (r *Registry) probe(ctx context.Context, h tenancy.Handle, slug string) (probe.Report, ToolSync, error) {
	run, err := r.BeginProbe(ctx, h, slug, true)
	if err != nil {
		return probe.Report{}, ToolSync{}, err
	}
	return r.run(ctx, h, run)
}

func (r *Registry) run(ctx context.Context, h tenancy.Handle, run ProbeRun) (probe.Report, ToolSync, error) {
	w := r.watch(ctx, h, run)
	report, sync, err := r.look(ctx, h, w)
	if err != nil {
		w.abandon(ctx)
	}
	return report, sync, err
}

func (r *Registry) look(ctx context.Context, h tenancy.Handle, w *watch) (probe.Report, ToolSync, error) {
	defer w.quiet()
	var row upstreamRow
	var list toolListRow
	target := probe.Target{Headers: map[string]string{}}
	var previous secret.Text
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if row, err = byID(tx, w.run.upstreamID); err != nil {
			return err
		}
		if list, err = toolList(tx, row.ID); err != nil {
			return err
		}
		worker, err := row.workerSecret(tx)
		if err != nil {
			return err
		}
		headers, err := row.headers(tx)
		if err != nil {
			return err
		}
		for _, header := range headers {
			target.Headers[header.Name] = header.Value.Reveal()
		}
		target.URL, target.SecretHeader, target.Secret = row.URL, row.SecretHeader, worker.Reveal()
		contract, err := row.contract()
		if err != nil {
			return err
		}
		if contract.AssertionOnly {
			target.Secret = ""
			return r.assert(tx, contract, &target)
		}
		if row.rotating(tx.Now()) {
			previous, err = row.previousSecret(tx)
		}
		return err
	})
	if err != nil {
		return probe.Report{}, ToolSync{}, fmt.Errorf("read upstream to probe: %w", err)
	}
	target.OnStep = w.tell
	report := r.prober.Probe(ctx, target)
	accepted := report.State == probe.StateReady
	if !accepted && !previous.Empty() {
		// The runtime may simply not have the new secret yet.
		target.Secret = previous.Reveal()
		w.again()
		if old := r.prober.Probe(ctx, target); old.State == probe.StateReady {
			report = old
		}
	}
	if err := ctx.Err(); err != nil {
		return probe.Report{}, ToolSync{}, err // a probe that was cut short says nothing about the runtime
	}
	w.quiet() // so that no line is stored behind the report
	sync, err := r.store(ctx, h, row, list.Revision, report, accepted, w.run)
	return report, sync, err
}

// assert lets a probe of a runtime that takes no secret in.
func (r *Registry) assert(tx *tenancy.Tx, c Contract, target *probe.Target) error {
	right, _, err := r.assertions(tx, c, target.URL)
	if err == nil {
		target.Headers[right[0].header] = right[0].value
	}
	return err
}

// store keeps the report and the tools, unless the runtime was changed meanwhile, be it its address, a header or the
// secret: then they are about something else. So are they when a later probe has begun: its report counts. A report
// without a listing leaves the tools as they were.
func (r *Registry) store(ctx context.Context, h tenancy.Handle, row upstreamRow, seen int64, report probe.Report, accepted bool, run ProbeRun) (ToolSync, error) {
	encoded, err := json.Marshal(report.WithoutTools())
	if err != nil {
		return ToolSync{}, fmt.Errorf("encode report: %w", err)
	}
	var sync ToolSync
	err = r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		if _, err := lockByID(tx, row.ID); err != nil {
			return err
		}
		if current, err := run.endProbe(tx); err != nil || !current {
			return err
		}
		now := tx.Now()
		changes := map[string]any{"state": string(report.State), "report": string(encoded), "probed_at": &now}
		if row.PreviousSecret != nil && (accepted || !row.rotating(now)) {
			changes["previous_secret"], changes["previous_until"] = nil, nil
			tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		}
		res := tx.DB().Model(&upstreamRow{}).Where("id = ? AND version = ?", row.ID, row.Version).Updates(changes)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errs.E(errs.Conflict, "The runtime was changed while it was being probed. Probe it again.", nil)
		}
		// A report with an error may be about the tools of another address, which it suggests.
		if report.State != probe.StateReady || report.Listing == nil {
			return nil
		}
		sync, err = syncTools(tx, row.ID, seen, report.Listing)
		return err
	})
	if err != nil {
		return ToolSync{}, fmt.Errorf("store report: %w", err)
	}
	return sync, nil
}
