package grants

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

const (
	// claimAhead is how far a claim looks: what is due before the next one is claimed now.
	claimAhead = 15 * time.Second
	claimBatch = 100
	// claimRounds bounds one claim; the next one goes on.
	claimRounds = 50
	// warnBatch bounds the warnings of one claim.
	warnBatch = 100
)

// RefreshArgs are the arguments of the job grants.refresh.
type RefreshArgs struct {
	TenantID string `json:"tenant_id"`
	GrantID  string `json:"grant_id"`
}

// Kind names the job.
func (RefreshArgs) Kind() string { return "grants.refresh" }

// RefreshNowArgs are the arguments of the job grants.refresh_now.
type RefreshNowArgs struct {
	TenantID string `json:"tenant_id"`
	GrantID  string `json:"grant_id"`
}

// Kind names the job.
func (RefreshNowArgs) Kind() string { return "grants.refresh_now" }

var living = []string{string(StateConnected), string(StateRefreshFailing)}

// ClaimDue asks for the refreshes that are due now, or before the next claim, of
// whatever tenant, and warns of refresh tokens that end soon. It is called every 15 s
// by one process of the installation.
func (s *Service) ClaimDue(ctx context.Context) error {
	for range claimRounds {
		n, err := s.claim(ctx)
		if err != nil {
			return fmt.Errorf("claim grants that are due: %w", err)
		}
		if n < claimBatch {
			break
		}
	}
	return s.warn(ctx)
}

func (s *Service) claim(ctx context.Context) (int, error) {
	var rows []grantRow
	err := s.db.System(ctx, tenancy.ReasonGrantsDue, func(tx *tenancy.Tx) error {
		now := tx.Now()
		locking := clause.Locking{Strength: "NO KEY UPDATE", Options: clause.LockingOptionsSkipLocked}
		err := tx.DB().Clauses(locking).Select("tenant_id", "id").Where("refresh_due_at <= ? AND state IN ?", now.Add(claimAhead), living).
			Order("refresh_due_at").Limit(claimBatch).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return err
		}
		keys := make([][]any, len(rows))
		for i, r := range rows {
			keys[i] = []any{r.TenantID, r.ID}
			if err := s.queue.EnqueueRefresh(tx, RefreshArgs{TenantID: r.TenantID, GrantID: r.ID}); err != nil {
				return err
			}
		}
		// Where the job is lost, the grant is due again.
		return tx.DB().Model(&grantRow{}).Where("(tenant_id, id) IN ?", keys).Update("refresh_due_at", now.Add(claimAhead+claimedFor)).Error
	})
	return len(rows), err
}

// RefreshDue is the work of the job grants.refresh: one early refresh, unless somebody
// did it meanwhile. When it fails the grant has its own next time; that is no error.
func (s *Service) RefreshDue(ctx context.Context, h tenancy.Handle, grantID string) error {
	var row grantRow
	var due *time.Time
	err := s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		var err error
		if row, err = read(tx, "id = ?", grantID); err != nil {
			return err
		}
		p, err := profiles.Get(tx, row.ProfileID)
		if err != nil {
			return err
		}
		due = row.due(tx.Now(), p.Settings.KeepAlive)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read grant that is due: %w", err)
	}
	if due == nil {
		return nil
	}
	if row.State == string(StateConnected) && s.now().Add(claimAhead).Before(*due) {
		return s.schedule(ctx, h, row, *due)
	}
	_, err = s.Refresh(ctx, h, grantID, row.Generation, ForSchedule)
	if died(err) {
		return nil // it is written down, and people are told
	}
	if err != nil && errs.Is(err, errs.Unavailable) {
		return s.postpone(ctx, h, grantID, err)
	}
	return err
}

// RefreshNow is the work of the job grants.refresh_now: the refresh that a person asked
// for. It does not wait out a backoff.
func (s *Service) RefreshNow(ctx context.Context, h tenancy.Handle, grantID string) error {
	var g Grant
	err := s.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		g, err = Get(tx, grantID)
		return err
	})
	if err != nil {
		return fmt.Errorf("read grant to refresh: %w", err)
	}
	if _, err := s.Refresh(ctx, h, grantID, g.Generation, ForPerson); err != nil && !died(err) && !errs.Is(err, errs.Unavailable) {
		return err
	}
	return nil // what failed is written down in the grant
}

// RequestRefresh asks for a refresh soon, in the transaction of a person's request.
// Errors: errs.Invalid in words where there is nothing to refresh, errs.NotFound.
func (s *Service) RequestRefresh(tx *tenancy.Tx, grantID string) error {
	row, err := read(tx, "id = ?", grantID)
	if err != nil {
		return err
	}
	switch {
	case !row.usable():
		return errs.E(errs.Invalid, "This connection is over. Its person has to connect again.", nil)
	case len(row.RefreshToken) == 0:
		return errs.E(errs.Invalid, "This connection cannot be renewed: there is no refresh token.", nil)
	}
	return s.queue.EnqueueRefreshNow(tx, RefreshNowArgs{TenantID: tx.Tenant(), GrantID: grantID})
}

// schedule puts the time back that a claim moved.
func (s *Service) schedule(ctx context.Context, h tenancy.Handle, row grantRow, due time.Time) error {
	return s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&grantRow{}).Where("id = ? AND generation = ?", row.ID, row.Generation).Update("refresh_due_at", due).Error
	})
}

// postpone gives a grant a next time whose refresh did not begin: its provider is left
// alone. One that began and failed has its time already.
func (s *Service) postpone(ctx context.Context, h tenancy.Handle, grantID string, cause error) error {
	wait := retryAfter(cause)
	return s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lock(tx, "id = ?", grantID)
		if err != nil || !row.usable() {
			return err
		}
		next := tx.Now().Add(wait + row.jitter(wait/4))
		if row.RefreshDueAt != nil && row.RefreshDueAt.After(next) && row.RetryAt != nil {
			return nil
		}
		return tx.DB().Model(&grantRow{}).Where("id = ?", row.ID).Update("refresh_due_at", next).Error
	})
}

// warn tells people of refresh tokens whose end is known and that no refresh moves,
// once, a week before.
func (s *Service) warn(ctx context.Context) error {
	var rows []grantRow
	err := s.db.SystemRead(ctx, tenancy.ReasonGrantsDue, func(tx *tenancy.Tx) error {
		return tx.DB().Select("tenant_id", "id").
			Where("refresh_expires_at <= ? AND refresh_extends = 'no' AND warned_at IS NULL AND state IN ?", tx.Now().Add(warnBefore), living).
			Order("refresh_expires_at").Limit(warnBatch).Find(&rows).Error
	})
	if err != nil {
		return fmt.Errorf("find grants that end: %w", err)
	}
	for _, r := range rows {
		h, err := s.db.ForJob(ctx, r.TenantID, "grants.claim_due")
		if err == nil {
			err = s.warnOne(ctx, h, r.ID)
		}
		if err != nil {
			s.log.ErrorContext(ctx, "nobody was warned that a grant ends", "tenant_id", r.TenantID, "grant_id", r.ID, "error", err)
		}
	}
	return nil
}

func (s *Service) warnOne(ctx context.Context, h tenancy.Handle, grantID string) error {
	return s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := lock(tx, "id = ?", grantID)
		if err != nil || !row.usable() || row.WarnedAt != nil || row.RefreshExpiresAt == nil {
			return err
		}
		p, err := profiles.Get(tx, row.ProfileID)
		if err != nil {
			return err
		}
		data := row.facts(p, "", "The provider ends the connection at a fixed time.")
		data["expires_at"] = row.RefreshExpiresAt.Format(time.RFC3339)
		if err := s.notify.Record(tx, Notice{Event: EventExpiring, Subject: row.Subject, GroupKey: row.ProfileID, Users: []string{row.Subject}, Data: data}); err != nil {
			return err
		}
		return tx.DB().Model(&grantRow{}).Where("id = ?", row.ID).Update("warned_at", tx.Now()).Error
	})
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*errs.Error](err); ok && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	return minBackoff
}
