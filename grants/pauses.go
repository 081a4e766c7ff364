package grants

import (
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

const (
	// breakAfter is how many refreshes at a provider may fail in a row, of whatever
	// grants, before it is left alone.
	breakAfter = 5
	minPause   = 30 * time.Second
	maxPause   = 5 * time.Minute
	// limitedPause is how long a provider is left alone that says no time, and
	// maxLimited the longest that it may ask for.
	limitedPause = 30 * time.Second
	maxLimited   = time.Hour
	// misconfiguredPause is how long a profile waits that its provider does not know.
	misconfiguredPause = 15 * time.Minute
)

// pauseRow is a provider that is left alone, or failed lately. All nodes share it.
type pauseRow struct {
	TenantID    string
	Provider    string
	PausedUntil *time.Time
	Failures    int
	Reason      string
	TrialUntil  *time.Time
	UpdatedAt   time.Time `gorm:"autoUpdateTime:false"`
	DatabaseNow time.Time `gorm:"->"`
}

func (pauseRow) TableName() string { return "provider_pauses" }

// Pause is a provider that is left alone.
type Pause struct {
	// Provider is its token endpoint, or "profile:" and what of a profile waits.
	Provider string
	Until    time.Time
	// Reason is "rate_limited", "provider_unavailable" or "misconfigured".
	Reason string
}

// Pauses lists the providers that are left alone now.
func Pauses(tx *tenancy.Tx) ([]Pause, error) {
	rows, err := pauseRows(tx, "paused_until IS NOT NULL")
	if err != nil {
		return nil, err
	}
	var out []Pause
	for _, r := range rows {
		if r.paused() {
			out = append(out, Pause{Provider: r.Provider, Until: *r.PausedUntil, Reason: r.Reason})
		}
	}
	return out, nil
}

func pauseRows(tx *tenancy.Tx, where string, args ...any) ([]pauseRow, error) {
	query := tx.DB().Model(&pauseRow{})
	if tx.Postgres() {
		query = query.Select("*", "clock_timestamp() AS database_now")
	}
	var rows []pauseRow
	if err := query.Where(where, args...).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("read pauses: %w", err)
	}
	if !tx.Postgres() {
		for i := range rows {
			rows[i].DatabaseNow = tx.Now()
		}
	}
	return rows, nil
}

func (r pauseRow) paused() bool { return r.PausedUntil != nil && r.DatabaseNow.Before(*r.PausedUntil) }

// providerKey names a provider over all profiles of the tenant.
func providerKey(cfg provider.Config) string { return cfg.Endpoints.Token }

// profileKey names a profile's client as it is configured now: a change ends its pause.
func profileKey(p profiles.Profile, generation int) string {
	return fmt.Sprintf("profile:%s:%d:%d", p.ID, generation, p.Version)
}

// mayCall refuses a call to a provider that is left alone. After a pause for failures
// one call is let through to try it, and the others wait for what becomes of it.
// Errors: errs.Unavailable, with the time to wait.
func mayCall(tx *tenancy.Tx, keys ...string) error {
	rows, err := pauseRows(tx, "provider IN ?", keys)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.paused() {
			return waitFor(r.PausedUntil.Sub(r.DatabaseNow), r.words())
		}
		if r.Failures < breakAfter {
			continue
		}
		res := tx.DB().Model(&pauseRow{}).Where("provider = ? AND (trial_until IS NULL OR trial_until <= ?)", r.Provider, r.DatabaseNow).
			Update("trial_until", databaseTime(tx, leaseLife))
		if res.Error != nil {
			return fmt.Errorf("try provider: %w", res.Error)
		}
		if res.RowsAffected == 0 {
			return waitFor(time.Second, r.words())
		}
	}
	return nil
}

func (r pauseRow) words() string {
	switch r.Reason {
	case reasonLimited:
		return "The provider asks to be left alone for a while."
	case reasonMisconfigured:
		return "The provider does not accept this gateway's client. An administrator has to look at the profile."
	}
	return "The provider does not answer."
}

func waitFor(d time.Duration, words string) error {
	e := errs.E(errs.Unavailable, words+" Try again later.", nil)
	e.RetryAfter = max(d, time.Second)
	return e
}

// pause leaves a provider alone for a while.
func pause(tx *tenancy.Tx, key, reason string, d time.Duration) error {
	row, err := lockPause(tx, key)
	if err != nil {
		return err
	}
	if row.PausedUntil != nil && row.DatabaseNow.Add(d).Before(*row.PausedUntil) {
		return nil // it is longer than that already
	}
	return writePause(tx, key, map[string]any{"paused_until": databaseTime(tx, d), "reason": reason})
}

// countFailure counts a failure of a provider, and leaves it alone after too many.
func countFailure(tx *tenancy.Tx, key string) error {
	row, err := lockPause(tx, key)
	if err != nil {
		return err
	}
	changes := map[string]any{"failures": row.Failures + 1, "trial_until": nil}
	if open := row.Failures + 1 - breakAfter; open >= 0 {
		changes["paused_until"] = databaseTime(tx, doubled(minPause, open+1, maxPause))
		changes["reason"] = reasonTemporary
	}
	return writePause(tx, key, changes)
}

// answered forgets the failures of a provider that works. That it wants to be left
// alone it may have said to another call at the same time.
func answered(tx *tenancy.Tx, keys ...string) error {
	rows, err := pauseRows(tx, "provider IN ?", keys)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Reason == reasonLimited && r.paused() {
			continue
		}
		if err := tx.DB().Where("provider = ?", r.Provider).Delete(&pauseRow{}).Error; err != nil {
			return fmt.Errorf("end pause: %w", err)
		}
	}
	return nil
}

func lockPause(tx *tenancy.Tx, key string) (pauseRow, error) {
	fresh := pauseRow{TenantID: tx.Tenant(), Provider: key, UpdatedAt: tx.Now()}
	if err := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Omit("DatabaseNow").Create(&fresh).Error; err != nil {
		return pauseRow{}, fmt.Errorf("make pause: %w", err)
	}
	query := tx.DB().Model(&pauseRow{})
	if tx.Postgres() {
		query = query.Select("*", "clock_timestamp() AS database_now")
	}
	var row pauseRow
	if err := query.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate}).Where("provider = ?", key).Take(&row).Error; err != nil {
		return pauseRow{}, fmt.Errorf("lock pause: %w", err)
	}
	if !tx.Postgres() {
		row.DatabaseNow = tx.Now()
	}
	return row, nil
}

func writePause(tx *tenancy.Tx, key string, changes map[string]any) error {
	changes["updated_at"] = tx.Now()
	if err := tx.DB().Model(&pauseRow{}).Where("provider = ?", key).Updates(changes).Error; err != nil {
		return fmt.Errorf("write pause: %w", err)
	}
	return nil
}
