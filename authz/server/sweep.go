package server

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/spent"
	"github.com/emcy/gateway/tenancy"
)

// codeKept is how long a used or expired code stays known, so that its replay is
// still seen.
const codeKept = 24 * time.Hour

// Sweep deletes what has expired, in all tenants: attempts and sessions, codes,
// token families past their life, proofs and pushed requests, and clients that registered and never came back.
func (s *Server) Sweep(ctx context.Context) error {
	now := s.db.Clock().Now()
	if err := s.flow.Sweep(ctx, now); err != nil {
		return fmt.Errorf("sweep attempts: %w", err)
	}
	if err := s.idp.Sweep(ctx, now); err != nil {
		return fmt.Errorf("sweep sign-ins at providers: %w", err)
	}
	err := s.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		if err := tx.DB().Where("expires_at < ?", now.Add(-codeKept)).Delete(&codeRow{}).Error; err != nil {
			return err
		}
		if err := tx.DB().Where("expires_at < ?", now.Add(-codeKept)).Delete(&deviceRow{}).Error; err != nil {
			return err
		}
		if err := tx.DB().Where("expires_at < ?", now.Add(-outlived)).Delete(&familyRow{}).Error; err != nil {
			return err
		}
		if err := spent.Sweep(tx, now); err != nil {
			return err
		}
		if err := sweepPushed(tx, now); err != nil {
			return err
		}
		return clients.Sweep(tx)
	})
	if err != nil {
		return fmt.Errorf("sweep tokens and clients: %w", err)
	}
	return nil
}
