package connect

import (
	"context"

	"github.com/emcy/gateway/tenancy"
)

// Sweep deletes ways to providers and links that are over, in all tenants. A used link
// goes on to say so for a while.
func (c *Connects) Sweep(ctx context.Context) error {
	now := c.db.Clock().Now()
	return c.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		if err := tx.DB().Where("expires_at < ?", now).Delete(&connectRow{}).Error; err != nil {
			return err
		}
		return tx.DB().Where("expires_at < ?", now.Add(-usedShown)).Delete(&linkRow{}).Error
	})
}
