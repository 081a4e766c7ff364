package grants

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/tenancy"
)

// overlap is how far back changes are read again: a transaction writes its time before
// it commits.
const overlap = 30 * time.Second

// hear drops what a notice says may have changed. Where that cannot be read, everything
// of the tenant goes.
func (s *Source) hear(ctx context.Context, topics []tenancy.Topic) {
	for _, topic := range topics {
		tenant, ok := topic.Grants()
		if !ok { // notices may have been lost
			s.cache.clear()
			clear(s.upTo)
			continue
		}
		if err := s.changes(ctx, tenant); err != nil && ctx.Err() == nil {
			s.cache.dropTenant(tenant)
			delete(s.upTo, tenant)
			s.log.WarnContext(ctx, "changes of grants could not be read; the tenant's are read anew when they are needed", "tenant_id", tenant, "error", err)
		}
	}
}

// changedRow is what is read of a grant that changed.
type changedRow struct {
	TenantID, ProfileID, Subject, State string
	Generation                          int64
	UpdatedAt                           time.Time
}

func (changedRow) TableName() string { return table }

// changes reads which of the tenant's grants changed since the last time.
func (s *Source) changes(ctx context.Context, tenant string) error {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	h, err := s.handle(ctx, tenant)
	if err != nil {
		return err
	}
	since, known := s.upTo[tenant]
	if !known {
		s.cache.dropTenant(tenant)
	}
	var rows []changedRow
	err = s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		query := tx.DB().Select("tenant_id", "profile_id", "subject", "state", "generation", "updated_at").Order("updated_at DESC")
		if known {
			query = query.Where("updated_at > ?", since.Add(-overlap))
		} else {
			query = query.Limit(1)
		}
		return query.Find(&rows).Error
	})
	if err != nil {
		return fmt.Errorf("read changed grants: %w", err)
	}
	for _, r := range rows {
		if known {
			s.cache.changed(credentialKey{tenant, r.ProfileID, r.Subject}, r.Generation, r.State)
		}
		if r.UpdatedAt.After(s.upTo[tenant]) {
			s.upTo[tenant] = r.UpdatedAt
		}
	}
	return nil
}
