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

// Probe looks at the runtime now and stores what it found.
func (r *Registry) Probe(ctx context.Context, h tenancy.Handle, slug string) (probe.Report, error) {
	return r.probe(ctx, h, func(tx *tenancy.Tx) (upstreamRow, error) { return bySlug(tx, slug) })
}

// ProbeByID is Probe for the job. A runtime that is gone is NotFound.
func (r *Registry) ProbeByID(ctx context.Context, h tenancy.Handle, id string) (probe.Report, error) {
	return r.probe(ctx, h, func(tx *tenancy.Tx) (upstreamRow, error) { return byID(tx, id) })
}

func (r *Registry) probe(ctx context.Context, h tenancy.Handle, find func(*tenancy.Tx) (upstreamRow, error)) (probe.Report, error) {
	var row upstreamRow
	target := probe.Target{Headers: map[string]string{}}
	var previous secret.Text
	err := r.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if row, err = find(tx); err != nil {
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
		if row.rotating(tx.Now()) {
			previous, err = row.previousSecret(tx)
		}
		return err
	})
	if err != nil {
		return probe.Report{}, fmt.Errorf("read upstream to probe: %w", err)
	}
	report := r.prober.Probe(ctx, target)
	accepted := report.State == probe.StateReady
	if !accepted && !previous.Empty() {
		// The runtime may simply not have the new secret yet.
		target.Secret = previous.Reveal()
		if old := r.prober.Probe(ctx, target); old.State == probe.StateReady {
			report = old
		}
	}
	if err := ctx.Err(); err != nil {
		return probe.Report{}, err // a probe that was cut short says nothing about the runtime
	}
	return report, r.store(ctx, h, row, report, accepted)
}

// store keeps the report, unless the runtime was changed meanwhile, be it its
// address, a header or the secret: then the report is about something else.
func (r *Registry) store(ctx context.Context, h tenancy.Handle, row upstreamRow, report probe.Report, accepted bool) error {
	encoded, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	err = r.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		now := tx.Now()
		changes := map[string]any{"state": string(report.State), "report": string(encoded), "probed_at": &now}
		if row.PreviousSecret != nil && (accepted || !row.rotating(now)) {
			changes["previous_secret"], changes["previous_until"] = nil, nil
			tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		}
		res := tx.DB().Model(&upstreamRow{}).Where("id = ? AND version = ?", row.ID, row.Version).Updates(changes)
		if res.Error == nil && res.RowsAffected == 0 {
			return errs.E(errs.Conflict, "The runtime was changed while it was being probed. Probe it again.", nil)
		}
		return res.Error
	})
	if err != nil {
		return fmt.Errorf("store report: %w", err)
	}
	return nil
}
