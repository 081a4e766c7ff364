package upstreams

import (
	"context"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/emcy/gateway/tenancy"
)

const (
	// probeEvery is how often a runtime is looked at by itself, give or take half of probeSpread: runtimes that were
	// added or found due at one moment drift apart, so that neither they nor we see a wave every half hour.
	probeEvery  = 30 * time.Minute
	probeSpread = 6 * time.Minute
	// dueAtOnce bounds one claim. With a claim a minute it is enough for tens of thousands of runtimes.
	dueAtOnce = 1000
)

// dueRow is what is read of other tenants' runtimes to find those that are due.
type dueRow struct {
	TenantID, ID string
	ProbedAt     *time.Time
	CreatedAt    time.Time
}

func (dueRow) TableName() string { return table }

// ProbeDue asks for a probe of every runtime, of whatever tenant, that was not looked at for about half an hour. It is
// called once a minute by one process of the installation.
func (r *Registry) ProbeDue(ctx context.Context) error {
	err := r.db.System(ctx, tenancy.ReasonProbeDue, func(tx *tenancy.Tx) error {
		now := tx.Now()
		var rows []dueRow
		earliest := now.Add(-probeEvery + probeSpread/2)
		err := tx.DB().Where("probed_at <= ? OR (probed_at IS NULL AND created_at <= ?)", earliest, earliest).Order("probed_at, id").Limit(dueAtOnce).Find(&rows).Error
		if err != nil {
			return fmt.Errorf("find runtimes that are due: %w", err)
		}
		for _, row := range rows {
			if now.Before(row.due()) {
				continue
			}
			if err := r.queue.EnqueueProbe(tx, ProbeArgs{TenantID: row.TenantID, UpstreamID: row.ID}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ask for probes: %w", err)
	}
	return nil
}

// due is when the runtime is to be looked at again. The same row gives the same time however often it is asked.
func (r dueRow) due() time.Time {
	last := r.CreatedAt
	if r.ProbedAt != nil {
		last = *r.ProbedAt
	}
	sum := fnv.New64a()
	_, _ = fmt.Fprint(sum, r.ID, last.UnixMicro()) // a hash takes everything
	jitter := time.Duration(sum.Sum64() % uint64(probeSpread))
	return last.Add(probeEvery - probeSpread/2 + jitter)
}
