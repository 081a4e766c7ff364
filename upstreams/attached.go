package upstreams

import (
	"fmt"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// attachmentRow is what is read here of the rows of package grants/profiles.
type attachmentRow struct{ TenantID, UpstreamID string }

func (attachmentRow) TableName() string { return "profile_upstreams" }

// carriesNoTokens refuses a runtime to which people's own tokens go. Which runtime gets
// them is settled with the profile, by those who may change profiles.
func carriesNoTokens(tx *tenancy.Tx, upstreamID string) error {
	var n int64
	if err := tx.DB().Model(&attachmentRow{}).Where("upstream_id = ?", upstreamID).Count(&n).Error; err != nil {
		return fmt.Errorf("look for a profile of %s: %w", upstreamID, err)
	}
	if n > 0 {
		return errs.Field("url", "Calls to this runtime carry people's own access, which would go to another host. Only an administrator or an owner can decide that.")
	}
	return nil
}
