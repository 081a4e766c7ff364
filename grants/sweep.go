package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emcy/gateway/tenancy"
)

const (
	// revokedKept is how long a revoked grant stays known, and a revocation that is over.
	revokedKept = 90 * 24 * time.Hour
	// pausesKept is how long a pause that is over stays.
	pausesKept = 24 * time.Hour
)

// Sweep deletes what is over for long, in all tenants.
func (s *Service) Sweep(ctx context.Context) error {
	err := s.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		now := tx.Now()
		old := now.Add(-revokedKept)
		return errors.Join(
			tx.DB().Where("state = ? AND updated_at < ?", string(StateRevoked), old).Delete(&grantRow{}).Error,
			tx.DB().Where("state <> ? AND done_at < ?", revocationPending, old).Delete(&revocationRow{}).Error,
			tx.DB().Where("finished_at < ?", old).Delete(&batchRow{}).Error,
			tx.DB().Where("updated_at < ? AND (paused_until IS NULL OR paused_until < ?)", now.Add(-pausesKept), now.Add(-pausesKept)).Delete(&pauseRow{}).Error,
		)
	})
	if err != nil {
		return fmt.Errorf("sweep grants: %w", err)
	}
	return nil
}
