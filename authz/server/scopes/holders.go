package scopes

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/tenancy"
)

// Holders counts, for each scope, the living token families that hold it, themselves
// or in a scope that includes it.
func (s *Scopes) Holders(ctx context.Context, h tenancy.Handle) (map[string]int, error) {
	out := map[string]int{}
	err := s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		c, err := Load(tx)
		if err != nil {
			return err
		}
		var rows []familyRow
		err = tx.DB().Model(&familyRow{}).Select("scope, count(*) as n").Where("revoked_at IS NULL AND expires_at > ?", tx.Now()).Group("scope").Find(&rows).Error
		if err != nil {
			return fmt.Errorf("count holders of scopes: %w", err)
		}
		for _, r := range rows {
			for _, name := range c.Expand(authz.ParseScopes(r.Scope)) {
				out[name] += int(r.N)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
