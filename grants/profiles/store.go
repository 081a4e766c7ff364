package profiles

import (
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

const (
	profilesTable = "profiles"
	clientsTable  = "profile_clients"
)

type profileRow struct {
	TenantID       string
	ID             string
	Name           string
	Kind           string
	Preset         string
	Issuer         string
	Settings       string
	Metadata       string
	DiscoveredAt   *time.Time
	DiscoveryError string
	SignIn         bool
	Generation     int
	Version        int64
	CreatedAt      time.Time
	UpdatedAt      time.Time `gorm:"autoUpdateTime:false"` // the transaction's clock says it
}

func (profileRow) TableName() string { return profilesTable }

type clientRow struct {
	TenantID          string
	ProfileID         string
	Generation        int
	Kind              string
	ClientID          string
	AuthMethod        string
	ClientSecret      []byte
	PrivateKey        []byte
	RegistrationToken []byte
	RegistrationURI   string `gorm:"column:registration_uri"`
	RedirectURI       string `gorm:"column:redirect_uri"`
	SecretExpiresAt   *time.Time
	CreatedAt         time.Time
	RetiredAt         *time.Time
}

func (clientRow) TableName() string { return clientsTable }

type attachmentRow struct {
	TenantID   string
	UpstreamID string
	ProfileID  string
	Scopes     string
	ToolScopes string
	NeededFor  string
	Audience   string
	Version    int64
	CreatedAt  time.Time
}

func (attachmentRow) TableName() string { return "profile_upstreams" }

// loadProfile reads a row; lock holds it until the transaction ends.
func loadProfile(tx *tenancy.Tx, id string, lock bool) (profileRow, error) {
	if !ValidID(id) {
		return profileRow{}, errNoProfile // the id is from a URL; PostgreSQL refuses some bytes outright
	}
	q := tx.DB().Where("id = ?", id).Limit(1)
	if lock {
		q = q.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
	}
	var rows []profileRow
	if err := q.Find(&rows).Error; err != nil {
		return profileRow{}, fmt.Errorf("read profile: %w", err)
	}
	if len(rows) == 0 {
		return profileRow{}, errNoProfile
	}
	return rows[0], nil
}

func loadClient(tx *tenancy.Tx, profileID string, generation int) (clientRow, bool, error) {
	return oneClient(tx.DB().Where("profile_id = ? AND generation = ?", profileID, generation))
}

// newestOf is the newest client of a profile that goes by the client ID.
func newestOf(tx *tenancy.Tx, profileID, clientID string) (clientRow, bool, error) {
	return oneClient(tx.DB().Where("profile_id = ? AND client_id = ? AND retired_at IS NULL", profileID, clientID).Order("generation DESC"))
}

func oneClient(q *gorm.DB) (clientRow, bool, error) {
	var rows []clientRow
	if err := q.Limit(1).Find(&rows).Error; err != nil {
		return clientRow{}, false, fmt.Errorf("read client of a profile: %w", err)
	}
	if len(rows) == 0 {
		return clientRow{}, false, nil
	}
	return rows[0], true, nil
}

// update writes the row over the version that was read. Errors: errs.Stale.
func (r *profileRow) update(tx *tenancy.Tx, version int64) error {
	r.Version, r.UpdatedAt = version+1, tx.Now()
	res := tx.DB().Model(&profileRow{}).Where("id = ? AND version = ?", r.ID, version).Select("*").Omit("tenant_id", "id", "kind", "preset", "created_at").Updates(r)
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected == 0 {
		return errs.E(errs.Stale, "Somebody changed this profile while you were editing. Look at the current values, then save again.", nil)
	}
	return nil
}

func encode(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return string(text), nil
}

type tenantRow struct{ ID string }

func (tenantRow) TableName() string { return "tenants" }

// lockTenant makes the transactions take turns that count a tenant's rows.
func lockTenant(tx *tenancy.Tx) error {
	var row tenantRow
	return tx.DB().Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", tx.Tenant()).First(&row).Error
}
