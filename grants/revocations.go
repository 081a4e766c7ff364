package grants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

const revocationTable = "grant_revocations"

// States of a revocation.
const (
	revocationPending     = "pending"
	revocationDone        = "done"
	revocationFailed      = "failed"
	revocationUnsupported = "unsupported"
)

const (
	// giveUpAfter is how long a provider is asked to take tokens back.
	giveUpAfter = 24 * time.Hour
	// revokeAtOnce and revokeFor bound one round of RevokeDue; the next one goes on.
	revokeAtOnce = 8
	revokeBatch  = 100
	revokeFor    = 25 * time.Second
	// claimedFor is how long one round has what it claimed.
	claimedFor = time.Minute
)

// RevokeArgs are the arguments of the job grants.revoke.
type RevokeArgs struct {
	TenantID     string `json:"tenant_id"`
	RevocationID string `json:"revocation_id"`
}

// Kind names the job.
func (RevokeArgs) Kind() string { return "grants.revoke" }

type revocationRow struct {
	TenantID         string
	ID               string
	BatchID          string
	GrantID          string
	ProfileID        string
	Subject          string
	ClientGeneration int
	Tokens           []byte
	State            string
	Attempts         int
	Error            string
	NextAt           time.Time
	CreatedAt        time.Time
	DoneAt           *time.Time
}

func (revocationRow) TableName() string { return revocationTable }

// RevokeOne takes the tokens of one revocation back at the provider (RFC 7009). What
// fails is due again later; that is not an error.
func (s *Service) RevokeOne(ctx context.Context, h tenancy.Handle, revocationID string) error {
	var row revocationRow
	var config provider.Config
	var access, refresh secret.Text
	var gone, spared bool
	err := s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		if err := tx.DB().Where("id = ?", revocationID).First(&row).Error; err != nil {
			return err
		}
		if row.State != revocationPending {
			return nil
		}
		var err error
		if config, err = profiles.Config(tx, row.ProfileID, row.ClientGeneration, ""); errs.Is(err, errs.NotFound) {
			gone = true
			return nil
		}
		if err != nil {
			return err
		}
		var account string
		if access, refresh, account, err = row.open(tx); err == nil && config.RevokeEndsAll() {
			spared, err = row.endsAnother(tx, account)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("revoke tokens: %w", err)
	}
	if row.State != revocationPending {
		return nil
	}
	result := fmt.Errorf("the profile's client is gone")
	switch {
	case gone:
	case spared:
		result = &provider.Error{Kind: provider.Unsupported, Code: "connected_again"}
	default:
		calling, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		result = s.provider.Revoke(calling, config, refresh, access)
	}
	return s.noteRevocation(ctx, h, row, result, gone)
}

// noteRevocation writes down how it went. The tokens go with the last try.
func (s *Service) noteRevocation(ctx context.Context, h tenancy.Handle, row revocationRow, result error, final bool) error {
	err := s.tries(ctx, func(ctx context.Context) error {
		return s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
			now := tx.Now()
			changes := map[string]any{"attempts": row.Attempts + 1, "error": "", "tokens": nil, "done_at": now}
			answer, _ := errors.AsType[*provider.Error](result)
			switch {
			case result == nil:
				changes["state"] = revocationDone
			case answer != nil && answer.Kind == provider.Unsupported:
				changes["state"] = revocationUnsupported
			case answer != nil && answer.Kind == provider.Rejected:
				changes["state"] = revocationDone // it knows the token no more
			case final || now.Sub(row.CreatedAt) >= giveUpAfter:
				changes["state"], changes["error"] = revocationFailed, wordsOf(result)
			default:
				wait := doubled(10*time.Second, row.Attempts+1, time.Hour)
				if answer != nil && answer.RetryAfter > wait {
					wait = answer.RetryAfter
				}
				changes = map[string]any{"attempts": row.Attempts + 1, "error": wordsOf(result), "next_at": now.Add(wait)}
			}
			return tx.DB().Model(&revocationRow{}).Where("id = ? AND state = ?", row.ID, revocationPending).Updates(changes).Error
		})
	})
	if err != nil {
		return fmt.Errorf("note revocation: %w", err)
	}
	return nil
}

func wordsOf(err error) string {
	if answer, ok := errors.AsType[*provider.Error](err); ok {
		return answer.Public()
	}
	return "The profile's client is gone."
}

// RevokeDue goes through the revocations that are due, of whatever tenant, and
// finishes the listing of batches that a process left half done. It is called twice a
// minute by one process of the installation.
func (s *Service) RevokeDue(ctx context.Context) error {
	if err := s.resumeBatches(ctx); err != nil {
		s.log.ErrorContext(ctx, "a mass revoke could not go on", "error", err)
	}
	until := s.now().Add(revokeFor)
	for s.now().Before(until) {
		rows, err := s.claimRevocations(ctx)
		if err != nil {
			return fmt.Errorf("find revocations that are due: %w", err)
		}
		if len(rows) == 0 {
			return nil
		}
		s.revokeEach(ctx, rows)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (s *Service) claimRevocations(ctx context.Context) (rows []revocationRow, err error) {
	err = s.db.System(ctx, tenancy.ReasonRevocations, func(tx *tenancy.Tx) error {
		now := tx.Now()
		locking := clause.Locking{Strength: clause.LockingStrengthUpdate, Options: clause.LockingOptionsSkipLocked}
		err := tx.DB().Clauses(locking).Select("tenant_id", "id").Where("state = ? AND next_at <= ?", revocationPending, now).Order("next_at").Limit(revokeBatch).Find(&rows).Error
		if err != nil || len(rows) == 0 {
			return err
		}
		keys := make([][]any, len(rows))
		for i, r := range rows {
			keys[i] = []any{r.TenantID, r.ID}
		}
		return tx.DB().Model(&revocationRow{}).Where("(tenant_id, id) IN ?", keys).Update("next_at", now.Add(claimedFor)).Error
	})
	return rows, err
}

func (s *Service) revokeEach(ctx context.Context, rows []revocationRow) {
	work := make(chan revocationRow)
	var workers sync.WaitGroup
	for range revokeAtOnce {
		workers.Go(func() {
			handles := map[string]tenancy.Handle{}
			for r := range work {
				h, ok := handles[r.TenantID]
				if !ok {
					var err error
					if h, err = s.db.ForJob(ctx, r.TenantID, "grants.revoke_due"); err != nil {
						continue // the workspace is gone, and its rows with it
					}
					handles[r.TenantID] = h
				}
				if err := s.RevokeOne(ctx, h, r.ID); err != nil {
					s.log.WarnContext(ctx, "a revocation could not be tried", slog.String("revocation_id", r.ID), slog.Any("error", err))
				}
			}
		})
	}
	for _, r := range rows {
		work <- r
	}
	close(work)
	workers.Wait()
}
