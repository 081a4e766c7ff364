package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const (
	// Retention is how long an event is kept.
	Retention = 30 * 24 * time.Hour
	// sweepBatch bounds a transaction: SQLite has one writer, which must not wait long.
	sweepBatch = 5000
)

// Sweep deletes the events that are older than Retention, in all tenants. What it
// has deleted when ctx ends stays deleted.
func (l *Log) Sweep(ctx context.Context) error {
	before := l.db.Clock().Now().Add(-Retention)
	var tenants []string
	err := l.db.SystemRead(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&tenantRow{}).Order("id").Pluck("id", &tenants).Error
	})
	if err != nil {
		return fmt.Errorf("sweep usage events: %w", err)
	}
	for _, tenant := range tenants {
		for more := true; more; {
			if more, err = l.sweepBatch(ctx, tenant, before); err != nil {
				return fmt.Errorf("sweep usage events: %w", err)
			}
		}
	}
	return nil
}

// sweepBatch deletes some of one tenant's events, and reports whether there may be
// more. IDs sort by time, so the primary key finds the oldest; the time itself
// decides, because an ID is as good as whoever made it.
func (l *Log) sweepBatch(ctx context.Context, tenant string, before time.Time) (more bool, err error) {
	end := ids.NewAt("evt", before.Add(time.Millisecond))
	var old []string
	find := func(tx *tenancy.Tx) error {
		return tx.DB().Model(&eventRow{}).Where("tenant_id = ? AND id < ? AND at < ?", tenant, end, before).
			Order("id").Limit(sweepBatch).Pluck("id", &old).Error
	}
	// Found outside of the deleting transaction: most tenants have nothing to delete, and need no writer.
	if err := l.db.SystemRead(ctx, tenancy.ReasonSweep, find); err != nil || len(old) == 0 {
		return false, err
	}
	err = l.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		return tx.DB().Where("tenant_id = ? AND id IN ?", tenant, old).Delete(&eventRow{}).Error
	})
	return len(old) == sweepBatch, err
}
