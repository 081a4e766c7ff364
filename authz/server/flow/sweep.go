package flow

import (
	"context"
	"time"

	"github.com/emcy/gateway/tenancy"
)

// Sweep deletes what has expired, in all tenants.
func (f *Flow) Sweep(ctx context.Context, now time.Time) error {
	return f.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		if err := tx.DB().Where("expires_at < ?", now.Add(-AttemptLife)).Delete(&attemptRow{}).Error; err != nil {
			return err
		}
		if err := tx.DB().Where("expires_at < ?", now).Delete(&bindingRow{}).Error; err != nil {
			return err
		}
		return tx.DB().Where("expires_at < ? OR seen_at < ?", now, now.Add(-SessionIdle)).Delete(&sessionRow{}).Error
	})
}
