package server

import (
	"fmt"

	"github.com/emcy/gateway/tenancy"
)

// Allowed counts the sign-ins with a runtime that were not ended, for the console.
func Allowed(tx *tenancy.Tx, upstreamID string) (int, error) {
	var n int64
	if err := tx.DB().Model(&familyRow{}).Where("upstream_id = ? AND revoked_at IS NULL", upstreamID).Count(&n).Error; err != nil {
		return 0, fmt.Errorf("count sign-ins: %w", err)
	}
	return int(n), nil
}
