package server_test

import (
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm/schema"

	"github.com/emcy/gateway/tenancy"
)

// Rows of the tables that tests count.
type (
	auditRow   struct{ TenantID, ID string }
	refreshRow struct{ TenantID, Hash string }
	attemptRow struct{ TenantID, ID string }
	sessionRow struct{ TenantID, IDHash string }
	codeRow    struct{ TenantID, Hash string }
	familyRow  struct{ TenantID, ID string }
	consentRow struct{ TenantID, ID string }
	clientRow  struct {
		TenantID, ID, Kind, Name, ApplicationType string
		RedirectURIs                              string `gorm:"column:redirect_uris"`
		CreatedAt                                 time.Time
	}
)

func (auditRow) TableName() string   { return "audit_events" }
func (refreshRow) TableName() string { return "refresh_tokens" }
func (attemptRow) TableName() string { return "attempts" }
func (sessionRow) TableName() string { return "end_user_sessions" }
func (codeRow) TableName() string    { return "codes" }
func (familyRow) TableName() string  { return "token_families" }
func (consentRow) TableName() string { return "consents" }
func (clientRow) TableName() string  { return "clients" }

func (tn *tenant) count(table, where string, args ...any) int64 {
	tn.b.t.Helper()
	var n int64
	err := tn.b.env.DB.Read(tn.b.t.Context(), tn.handle, func(tx *tenancy.Tx) error {
		for _, row := range []schema.Tabler{&auditRow{}, &refreshRow{}, &attemptRow{}, &sessionRow{}, &codeRow{}, &familyRow{}, &consentRow{}, &clientRow{}} {
			if row.TableName() == table {
				return tx.DB().Model(row).Where(where, args...).Count(&n).Error
			}
		}
		return nil
	})
	require.NoError(tn.b.t, err)
	return n
}
