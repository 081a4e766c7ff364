package server

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/tenancy"
)

// codeKept is how long a used or expired code stays known, so that its replay is
// still seen.
const codeKept = 24 * time.Hour

// Sweep deletes what has expired, in all tenants: attempts and sessions, codes,
// token families past their life, and clients that registered and never came back.
func (s *Server) Sweep(ctx context.Context) error {
	now := s.db.Clock().Now()
	if err := s.flow.Sweep(ctx, now); err != nil {
		return fmt.Errorf("sweep attempts: %w", err)
	}
	err := s.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		if err := tx.DB().Where("expires_at < ?", now.Add(-codeKept)).Delete(&codeRow{}).Error; err != nil {
			return err
		}
		if err := tx.DB().Where("expires_at < ?", now.Add(-outlived)).Delete(&familyRow{}).Error; err != nil {
			return err
		}
		return tx.DB().Where("used_at IS NULL AND created_at < ?", now.Add(-unusedClientTTL)).Delete(&clientRow{}).Error
	})
	if err != nil {
		return fmt.Errorf("sweep tokens and clients: %w", err)
	}
	return nil
}
