package spent

import (
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Kind is what was used.
type Kind string

// The kinds. Each has names of its own.
const (
	ClientAssertion Kind = "client_assertion" // RFC 7523, section 3
	IDJAG           Kind = "id_jag"
	DPoP            Kind = "dpop" // RFC 9449, section 11.1
)

type row struct {
	TenantID  string
	Kind      Kind
	Hash      string
	ExpiresAt time.Time
}

func (row) TableName() string { return "spent_tokens" }

// Use notes that a token is used, and reports whether it is the first time. by is whose
// token it is (a client, an issuer, a key): two of them may choose the same jti. It is
// remembered until expires, which is to be no earlier than when the token is refused by
// its own age.
func Use(tx *tenancy.Tx, kind Kind, by, jti string, expires time.Time) (first bool, err error) {
	r := row{TenantID: tx.Tenant(), Kind: kind, Hash: ids.Hash(fmt.Sprintf("%d:%s%s", len(by), by, jti)), ExpiresAt: expires}
	res := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Create(&r)
	if res.Error != nil {
		return false, fmt.Errorf("use a token once: %w", res.Error)
	}
	return res.RowsAffected == 1, nil
}

// Sweep deletes what has expired, in all tenants.
func Sweep(tx *tenancy.Tx, now time.Time) error {
	if err := tx.DB().Where("expires_at < ?", now).Delete(&row{}).Error; err != nil {
		return fmt.Errorf("sweep used tokens: %w", err)
	}
	return nil
}
