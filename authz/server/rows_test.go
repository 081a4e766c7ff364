package server_test

import (
	"errors"
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
	connectRow struct{ TenantID, StateHash string }
	linkRow    struct{ TenantID, Hash string }
	endUserRow struct{ TenantID, ID string }
	pushedRow  struct{ TenantID string }

	profileUserRow struct{ TenantID, ID string }
	clientRow      struct {
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
func (connectRow) TableName() string { return "connects" }
func (linkRow) TableName() string    { return "connect_links" }
func (endUserRow) TableName() string { return "end_users" }
func (pushedRow) TableName() string  { return "pushed_requests" }

func (profileUserRow) TableName() string { return "profile_users" }

func (clientRow) TableName() string { return "clients" }

func (tn *tenant) count(table, where string, args ...any) int64 {
	tn.b.t.Helper()
	var n int64
	err := tn.b.env.DB.Read(tn.b.t.Context(), tn.handle, func(tx *tenancy.Tx) error {
		for _, row := range []schema.Tabler{&auditRow{}, &refreshRow{}, &attemptRow{}, &sessionRow{}, &codeRow{}, &familyRow{}, &consentRow{}, &clientRow{}, &connectRow{}, &linkRow{}, &endUserRow{}, &pushedRow{}, &profileUserRow{}} {
			if row.TableName() == table {
				return tx.DB().Model(row).Where(where, args...).Count(&n).Error
			}
		}
		return errors.New("no test row for the table " + table)
	})
	require.NoError(tn.b.t, err)
	return n
}
