package grants

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

const (
	table        = "grants"
	accessField  = "access_token"
	refreshField = "refresh_token"
)

type grantRow struct {
	TenantID         string
	ID               string
	ProfileID        string
	Subject          string
	State            string
	Reason           string
	ReasonText       string
	AccountID        string
	AccountName      string
	Scopes           string
	AccessToken      []byte
	RefreshToken     []byte
	TokenType        string
	ExpiresAt        *time.Time
	RefreshExpiresAt *time.Time
	RefreshDueAt     *time.Time
	RetryAt          *time.Time
	WarnedAt         *time.Time
	ClientGeneration int
	Generation       int64
	Version          int64
	Failures         int
	Rotates          string
	// RefreshExtends tells whether a refresh moved the known end of the refresh token: "yes", "no", or "".
	RefreshExtends  string
	LeaseID         string
	LeaseUntil      *time.Time
	FlightStartedAt *time.Time
	SuspectAt       *time.Time
	ConnectedAt     time.Time
	RefreshedAt     *time.Time
	UsedAt          *time.Time
	CreatedAt       time.Time
	// UpdatedAt is the database's time of the last change that others have to hear of;
	// GORM would write this node's own with every other one, too.
	UpdatedAt time.Time `gorm:"autoUpdateTime:false"`
	// DatabaseNow is the database's time at the reading: leases are judged by it.
	DatabaseNow time.Time `gorm:"->"`
}

func (grantRow) TableName() string { return table }

// reading selects rows with the database's own time.
func reading(tx *tenancy.Tx) *gorm.DB {
	if tx.Postgres() {
		return tx.DB().Model(&grantRow{}).Select("*", "clock_timestamp() AS database_now")
	}
	return tx.DB().Model(&grantRow{})
}

// databaseTime is the time of the clock that all nodes share, plus d, as a value to be
// stored: PostgreSQL's own, and on SQLite, which serves one process, the gate's.
func databaseTime(tx *tenancy.Tx, d time.Duration) any {
	if tx.Postgres() {
		return gorm.Expr("clock_timestamp() + make_interval(secs => ?)", d.Seconds())
	}
	return tx.Now().Add(d)
}

// seen completes a row that was read.
func (r *grantRow) seen(tx *tenancy.Tx) {
	if !tx.Postgres() {
		r.DatabaseNow = tx.Now()
	}
}

func read(tx *tenancy.Tx, where string, args ...any) (grantRow, error) {
	return first(tx, reading(tx).Where(where, args...))
}

// lock is read for a change: what is computed from the row holds until the transaction ends.
func lock(tx *tenancy.Tx, where string, args ...any) (grantRow, error) {
	return first(tx, reading(tx).Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where(where, args...))
}

func first(tx *tenancy.Tx, query *gorm.DB) (grantRow, error) {
	var row grantRow
	if err := query.Take(&row).Error; err != nil {
		if errors.Is(err, gorm.ErrRecordNotFound) {
			return grantRow{}, errs.E(errs.NotFound, "There is no such connection.", err)
		}
		return grantRow{}, fmt.Errorf("read grant: %w", err)
	}
	row.seen(tx)
	return row, nil
}

// update changes a row that is still of the version that was read, and tells every
// node. It reports whether it was.
func update(tx *tenancy.Tx, row grantRow, changes map[string]any) (bool, error) {
	changes["version"] = row.Version + 1
	changes["updated_at"] = databaseTime(tx, 0)
	res := tx.DB().Model(&grantRow{}).Where("id = ? AND version = ?", row.ID, row.Version).Updates(changes)
	if res.Error != nil {
		return false, res.Error
	}
	tx.Notify(tenancy.GrantsTopic(tx.Tenant()))
	return res.RowsAffected == 1, nil
}

// mustUpdate is update of a row that this transaction has locked.
func mustUpdate(tx *tenancy.Tx, row grantRow, changes map[string]any) error {
	done, err := update(tx, row, changes)
	if err == nil && !done {
		err = errs.E(errs.Conflict, "The connection was changed meanwhile. Try again.", nil)
	}
	return err
}

func (r grantRow) leased() bool {
	return r.LeaseID != "" && r.LeaseUntil != nil && r.DatabaseNow.Before(*r.LeaseUntil)
}

func (r grantRow) usable() bool {
	return r.State == string(StateConnected) || r.State == string(StateRefreshFailing)
}

func (r grantRow) scopes() []string { return strings.Fields(r.Scopes) }

func (r grantRow) access(tx *tenancy.Tx) (secret.Text, error) {
	return open(tx, accessField, r.ID, r.AccessToken)
}

func (r grantRow) refresh(tx *tenancy.Tx) (secret.Text, error) {
	return open(tx, refreshField, r.ID, r.RefreshToken)
}

func open(tx *tenancy.Tx, column, id string, sealed []byte) (secret.Text, error) {
	plain, err := tx.Open(table, column, id, sealed)
	if err != nil {
		return secret.Text{}, fmt.Errorf("open %s of %s: %w", column, id, err)
	}
	return secret.New(string(plain)), nil
}

// sealPair seals a token set for one row.
func sealPair(tx *tenancy.Tx, id string, access, refresh secret.Text) (sealedAccess, sealedRefresh []byte, err error) {
	if sealedAccess, err = tx.Seal(table, accessField, id, []byte(access.Reveal())); err != nil {
		return nil, nil, fmt.Errorf("seal access token: %w", err)
	}
	if sealedRefresh, err = tx.Seal(table, refreshField, id, []byte(refresh.Reveal())); err != nil {
		return nil, nil, fmt.Errorf("seal refresh token: %w", err)
	}
	return sealedAccess, sealedRefresh, nil
}

// grant is the row without its tokens.
func (r grantRow) grant() Grant {
	g := Grant{
		ID: r.ID, ProfileID: r.ProfileID, Subject: r.Subject, State: State(r.State), Reason: r.Reason, ReasonText: r.ReasonText,
		AccountID: r.AccountID, AccountName: r.AccountName, Scopes: r.scopes(), ExpiresAt: r.ExpiresAt, RefreshExpiresAt: r.RefreshExpiresAt,
		RefreshDueAt: r.RefreshDueAt, ConnectedAt: r.ConnectedAt, RefreshedAt: r.RefreshedAt, UpdatedAt: r.UpdatedAt, UsedAt: r.UsedAt, SuspectAt: r.SuspectAt,
		Failures: r.Failures, Rotates: r.Rotates, Refreshable: len(r.RefreshToken) > 0,
		Generation: r.Generation, Version: r.Version, ClientGeneration: r.ClientGeneration,
	}
	if r.usable() && r.leased() {
		g.State = StateRefreshing
	}
	return g
}

// wiped are the changes that leave no secret and no schedule behind.
func wiped(state State, reason, text string) map[string]any {
	return map[string]any{
		"state": string(state), "reason": reason, "reason_text": text, "access_token": nil, "refresh_token": nil, "expires_at": nil,
		"refresh_expires_at": nil, "refresh_due_at": nil, "retry_at": nil, "warned_at": nil, "lease_id": "", "lease_until": nil,
		"flight_started_at": nil, "suspect_at": nil, "refresh_extends": "",
	}
}
