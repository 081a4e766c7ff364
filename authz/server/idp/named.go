package idp

import (
	"fmt"

	"github.com/emcy/gateway/tenancy"
)

// Named gives end users by id, for showing names: blocked ones too. Unknown ids are
// left out.
func Named(tx *tenancy.Tx, ids []string) (map[string]User, error) {
	out := make(map[string]User, len(ids))
	if len(ids) == 0 {
		return out, nil
	}
	var rows []userRow
	if err := tx.DB().Where("id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("name end users: %w", err)
	}
	for _, r := range rows {
		u, err := r.user()
		if err != nil {
			return nil, err
		}
		out[u.ID] = u
	}
	return out, nil
}
