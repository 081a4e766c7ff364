package grants

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// The kinds of Target.
const (
	TargetTenant  = "tenant"
	TargetProfile = "profile"
	TargetGrant   = "grant"
)

// Target is whose grants a mass revoke takes back. ID is empty for the whole workspace.
type Target struct{ Kind, ID string }

// Batch is a mass revoke and how far it is.
type Batch struct {
	ID        string
	Target    Target
	Reason    string
	StartedBy string
	// Total are the grants that were taken back here.
	Total int
	// Pending, Done, Failed and Unsupported count what the providers were told: Done is
	// taken back there too, Unsupported is a provider that has no revocation (RFC 7009).
	Pending, Done, Failed, Unsupported int
	CreatedAt                          time.Time
	// ListedAt is when the last grant was taken back here, FinishedAt when the last
	// provider had answered.
	ListedAt, FinishedAt *time.Time
}

type batchRow struct {
	TenantID   string
	ID         string
	TargetKind string
	TargetID   string
	Reason     string
	StartedBy  string
	Total      int
	CreatedAt  time.Time
	ListedAt   *time.Time
	FinishedAt *time.Time
}

func (batchRow) TableName() string { return "revocation_batches" }

const (
	// listAtOnce bounds one transaction of a mass revoke.
	listAtOnce = 200
	// resumeAfter is when a listing counts as left half done.
	resumeAfter = time.Minute
)

// RevokeAll takes back every grant of a target that was connected by now: here at
// once, in transactions of bounded size, and at the providers by RevokeDue. A process
// that ends halfway leaves a batch that another one goes on with.
func (s *Service) RevokeAll(ctx context.Context, h tenancy.Handle, target Target, reason string) (Batch, error) {
	switch {
	case target.Kind == TargetTenant && target.ID == "", (target.Kind == TargetProfile || target.Kind == TargetGrant) && target.ID != "":
	default:
		return Batch{}, errs.E(errs.Invalid, "Say what to revoke: a grant, a profile or the whole workspace.", nil)
	}
	row := batchRow{ID: ids.New("rvb"), TargetKind: target.Kind, TargetID: target.ID, Reason: reason, StartedBy: h.Actor().Kind + ":" + h.Actor().ID}
	err := s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row.TenantID, row.CreatedAt = tx.Tenant(), tx.Now()
		if target.Kind == TargetProfile {
			if _, err := profiles.Get(tx, target.ID); err != nil {
				return err
			}
		}
		if err := tx.DB().Create(&row).Error; err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{
			Action: "grants.revoke_all", TargetKind: target.Kind, TargetID: target.ID, After: map[string]any{"batch": row.ID, "reason": reason},
		})
	})
	if err != nil {
		return Batch{}, fmt.Errorf("begin mass revoke: %w", err)
	}
	if err := s.list(ctx, h, row); err != nil {
		return Batch{}, err
	}
	return s.Batch(ctx, h, row.ID)
}

// list takes back the batch's grants here, a few at a time, from wherever it stands.
func (s *Service) list(ctx context.Context, h tenancy.Handle, batch batchRow) error {
	for done := false; !done; {
		err := s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
			var rows []grantRow
			locking := clause.Locking{Strength: "NO KEY UPDATE"}
			query := reading(tx).Clauses(locking).Where("state <> ? AND connected_at <= ?", string(StateRevoked), batch.CreatedAt)
			switch batch.TargetKind {
			case TargetProfile:
				query = query.Where("profile_id = ?", batch.TargetID)
			case TargetGrant:
				query = query.Where("id = ?", batch.TargetID)
			}
			if err := query.Order("id").Limit(listAtOnce).Find(&rows).Error; err != nil {
				return err
			}
			kinds := map[string]profiles.Kind{}
			for i := range rows {
				rows[i].seen(tx)
				kind, known := kinds[rows[i].ProfileID]
				if !known {
					p, err := profiles.Get(tx, rows[i].ProfileID)
					if err != nil {
						return err
					}
					kind = p.Kind
					kinds[p.ID] = kind
				}
				if err := s.takeBack(tx, rows[i], kind, batch.ID, reasonMassRevoke, "An administrator revoked it: "+batch.Reason); err != nil {
					return err
				}
			}
			if err := tx.DB().Model(&batchRow{}).Where("id = ?", batch.ID).Update("total", gorm.Expr("total + ?", len(rows))).Error; err != nil {
				return err
			}
			if done = len(rows) < listAtOnce; !done {
				return nil
			}
			res := tx.DB().Model(&batchRow{}).Where("id = ? AND listed_at IS NULL", batch.ID).Update("listed_at", tx.Now())
			if res.Error != nil || res.RowsAffected == 0 {
				return res.Error
			}
			return s.tellRevoked(tx, batch)
		})
		if err != nil {
			return fmt.Errorf("list grants to revoke: %w", err)
		}
	}
	return nil
}

// tellRevoked tells of a mass revoke whose grants are all taken back here.
func (s *Service) tellRevoked(tx *tenancy.Tx, batch batchRow) error {
	if err := tx.DB().Select("total").Where("id = ?", batch.ID).First(&batch).Error; err != nil {
		return err
	}
	data := map[string]string{"batch": batch.ID, "target": batch.TargetKind, "total": strconv.Itoa(batch.Total), "reason": batch.Reason}
	group := batch.ID
	if batch.TargetKind == TargetProfile {
		p, err := profiles.Get(tx, batch.TargetID)
		if err != nil {
			return err
		}
		data["profile"], data["profile_name"], group = p.ID, p.Name, p.ID
	}
	return s.notify.Record(tx, Notice{Event: EventRevoked, GroupKey: group, Data: data})
}

// resumeBatches goes on with the listings that a process left half done.
func (s *Service) resumeBatches(ctx context.Context) error {
	var left []batchRow
	err := s.db.SystemRead(ctx, tenancy.ReasonRevocations, func(tx *tenancy.Tx) error {
		return tx.DB().Where("listed_at IS NULL AND created_at <= ?", tx.Now().Add(-resumeAfter)).Order("created_at").Limit(10).Find(&left).Error
	})
	if err != nil {
		return err
	}
	for _, batch := range left {
		h, err := s.db.ForJob(ctx, batch.TenantID, "grants.revoke_due")
		if err != nil {
			return err
		}
		if err := s.list(ctx, h, batch); err != nil {
			return err
		}
	}
	return nil
}

// Batch gives a mass revoke. Errors: errs.NotFound.
func (s *Service) Batch(ctx context.Context, h tenancy.Handle, id string) (out Batch, err error) {
	err = s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		var row batchRow
		if err := tx.DB().Where("id = ?", id).First(&row).Error; err != nil {
			return err
		}
		out, err = row.batch(tx)
		return err
	})
	if err != nil {
		return Batch{}, fmt.Errorf("read mass revoke: %w", err)
	}
	return out, nil
}

// Batches lists the mass revokes, the newest first, fifty at most.
func (s *Service) Batches(ctx context.Context, h tenancy.Handle) (out []Batch, err error) {
	err = s.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		var rows []batchRow
		if err := tx.DB().Order("created_at DESC, id").Limit(50).Find(&rows).Error; err != nil {
			return err
		}
		out = make([]Batch, len(rows))
		for i, row := range rows {
			if out[i], err = row.batch(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list mass revokes: %w", err)
	}
	return out, nil
}

// batch counts what the providers answered, and notes when the last one had.
func (r batchRow) batch(tx *tenancy.Tx) (Batch, error) {
	out := Batch{
		ID: r.ID, Target: Target{r.TargetKind, r.TargetID}, Reason: r.Reason, StartedBy: r.StartedBy, Total: r.Total, CreatedAt: r.CreatedAt,
		ListedAt: r.ListedAt, FinishedAt: r.FinishedAt,
	}
	var counts []struct {
		State string
		N     int
	}
	if err := tx.DB().Model(&revocationRow{}).Select("state, count(*) AS n").Where("batch_id = ?", r.ID).Group("state").Find(&counts).Error; err != nil {
		return Batch{}, fmt.Errorf("count revocations: %w", err)
	}
	for _, c := range counts {
		switch c.State {
		case revocationPending:
			out.Pending = c.N
		case revocationDone:
			out.Done = c.N
		case revocationFailed:
			out.Failed = c.N
		case revocationUnsupported:
			out.Unsupported = c.N
		}
	}
	if out.FinishedAt != nil || out.ListedAt == nil || out.Pending > 0 {
		return out, nil
	}
	finished := *out.ListedAt
	var last []revocationRow
	if err := tx.DB().Select("done_at").Where("batch_id = ? AND done_at IS NOT NULL", r.ID).Order("done_at DESC").Limit(1).Find(&last).Error; err != nil {
		return Batch{}, fmt.Errorf("read the end of a mass revoke: %w", err)
	}
	if len(last) == 1 && last[0].DoneAt.After(finished) {
		finished = *last[0].DoneAt
	}
	out.FinishedAt = &finished
	if err := tx.DB().Model(&batchRow{}).Where("id = ?", r.ID).Update("finished_at", finished).Error; err != nil {
		return Batch{}, fmt.Errorf("note the end of a mass revoke: %w", err)
	}
	return out, nil
}
