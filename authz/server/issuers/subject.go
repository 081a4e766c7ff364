package issuers

import (
	"fmt"

	"github.com/emcy/gateway/tenancy"
)

// Rows of the end users' own package, of which only this is looked at.
type (
	endUserRow  struct{ TenantID, ID string }
	providerRow struct{ TenantID, ID string }
)

func (endUserRow) TableName() string  { return "end_users" }
func (providerRow) TableName() string { return "identity_providers" }

// EndUser finds the person whom a provider of this issuer knows by the subject; "" where
// nobody of that name has signed in yet.
func EndUser(tx *tenancy.Tx, issuer, subject string) (string, error) {
	var providers, found []string
	if err := tx.DB().Model(&providerRow{}).Where("issuer = ?", issuer).Pluck("id", &providers).Error; err != nil {
		return "", fmt.Errorf("find providers of an issuer: %w", err)
	}
	err := tx.DB().Model(&endUserRow{}).Where("external_id = ? AND provider_id IN ?", subject, providers).Limit(1).Pluck("id", &found).Error
	if err != nil {
		return "", fmt.Errorf("find end user: %w", err)
	}
	if len(found) == 0 {
		return "", nil
	}
	return found[0], nil
}
