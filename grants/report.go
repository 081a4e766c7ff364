package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/tenancy"
)

// Continue goes on with a mass revoke that a process left half done. It is safe while
// another one goes on with it, and for one that is listed already nothing happens.
// Errors: errs.NotFound.
func (s *Service) Continue(ctx context.Context, h tenancy.Handle, id string) (Batch, error) {
	var row batchRow
	err := s.db.Read(ctx, h, func(tx *tenancy.Tx) error { return tx.DB().Where("id = ?", id).First(&row).Error })
	if err != nil {
		return Batch{}, fmt.Errorf("read mass revoke: %w", err)
	}
	if row.ListedAt == nil {
		if err := s.list(ctx, h, row); err != nil {
			return Batch{}, err
		}
	}
	return s.Batch(ctx, h, id)
}

// Revocation is what a provider was told of one grant's tokens, without the tokens.
type Revocation struct {
	ID, GrantID, ProfileID, Subject string
	// State is "pending", "done", "failed" or "unsupported".
	State string
	// Error says in words why the last try failed; empty where it did not.
	Error    string
	Attempts int
	// NextAt is when it is tried next, while it is pending.
	NextAt    time.Time
	CreatedAt time.Time
	DoneAt    *time.Time
}

// Revocations lists a batch's revocations by id; problems leaves out those that need
// no look: done, unsupported, and pending ones that were not tried yet. after is the
// last id of the page before.
func Revocations(tx *tenancy.Tx, batchID, after string, problems bool, limit int) ([]Revocation, error) {
	query := tx.DB().Omit("tokens").Where("batch_id = ? AND id > ?", batchID, after)
	if problems {
		query = query.Where("state = ? OR (state = ? AND attempts > 0)", revocationFailed, revocationPending)
	}
	var rows []revocationRow
	if err := query.Order("id").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list revocations: %w", err)
	}
	out := make([]Revocation, len(rows))
	for i, r := range rows {
		out[i] = Revocation{
			ID: r.ID, GrantID: r.GrantID, ProfileID: r.ProfileID, Subject: r.Subject, State: r.State, Error: r.Error, Attempts: r.Attempts,
			NextAt: r.NextAt, CreatedAt: r.CreatedAt, DoneAt: r.DoneAt,
		}
	}
	return out, nil
}

// ProfileReport is what became of a batch's tokens at one profile's provider.
type ProfileReport struct {
	ProfileID                                 string
	Total, Pending, Done, Failed, Unsupported int
}

// Report sums a batch's revocations by profile. Typed-in keys and grants without a
// token are in no provider's sums: nobody had to be told.
func Report(tx *tenancy.Tx, batchID string) ([]ProfileReport, error) {
	var rows []struct {
		ProfileID, State string
		N                int
	}
	err := tx.DB().Model(&revocationRow{}).Select("profile_id", "state", "count(*) AS n").Where("batch_id = ?", batchID).
		Group("profile_id, state").Order("profile_id, state").Find(&rows).Error
	if err != nil {
		return nil, fmt.Errorf("sum revocations: %w", err)
	}
	var out []ProfileReport
	for _, r := range rows {
		if len(out) == 0 || out[len(out)-1].ProfileID != r.ProfileID {
			out = append(out, ProfileReport{ProfileID: r.ProfileID})
		}
		one := &out[len(out)-1]
		one.Total += r.N
		switch r.State {
		case revocationPending:
			one.Pending = r.N
		case revocationDone:
			one.Done = r.N
		case revocationFailed:
			one.Failed = r.N
		case revocationUnsupported:
			one.Unsupported = r.N
		}
	}
	return out, nil
}
