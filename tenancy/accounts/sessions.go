package accounts

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const (
	sessionPrefix = "emc_cs"
	// SessionIdle and SessionLife end a console session: after so long without a
	// request, and after so long in any case.
	SessionIdle = 12 * time.Hour
	SessionLife = 7 * 24 * time.Hour
	// touchEvery keeps a session's last-seen time from being written on each request.
	touchEvery = 5 * time.Minute
	// touchWithin bounds the wait of a page for that write.
	touchWithin = 500 * time.Millisecond
)

// Session is a signed-in browser at the console.
type Session struct {
	Account Account
	// CSRF is the token that every form of this session carries.
	CSRF string
	// Flash is a message to show once; whoever shows it clears it with SetFlash.
	Flash string
	key   string
}

type sessionRow struct {
	IDHash    string `gorm:"primaryKey"`
	AccountID string
	Origin    string
	CSRF      string `gorm:"column:csrf"`
	Flash     string
	CreatedAt time.Time
	SeenAt    time.Time
	ExpiresAt time.Time
}

func (sessionRow) TableName() string { return "console_sessions" }

// StartSession makes a session for the origin and returns the cookie's value.
// The session that the browser had before, if any, ends: its id is never reused.
func (a *Accounts) StartSession(ctx context.Context, accountID, origin, previous string) (cookie string, err error) {
	cookie = ids.Secret(sessionPrefix)
	err = a.db.System(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		if previous != "" {
			if err := tx.DB().Where("id_hash = ?", ids.Hash(previous)).Delete(&sessionRow{}).Error; err != nil {
				return err
			}
		}
		now := tx.Now()
		return tx.DB().Create(&sessionRow{
			IDHash: ids.Hash(cookie), AccountID: accountID, Origin: origin, CSRF: ids.Secret("emc_cf"),
			CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(SessionLife),
		}).Error
	})
	if err != nil {
		return "", fmt.Errorf("start session: %w", err)
	}
	return cookie, nil
}

// Session finds the session of a cookie. Unauthenticated where there is none, it
// has ended, or it belongs to another origin.
func (a *Accounts) Session(ctx context.Context, cookie, origin string) (Session, error) {
	none := errs.E(errs.Unauthenticated, "Sign in to continue.", nil)
	if !ids.ValidSecret(sessionPrefix, cookie) {
		return Session{}, none
	}
	var row sessionRow
	var account accountRow
	err := a.db.SystemRead(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		if err := tx.DB().Where("id_hash = ?", ids.Hash(cookie)).First(&row).Error; err != nil {
			return err
		}
		return tx.DB().Where("id = ?", row.AccountID).First(&account).Error
	})
	if errs.Is(err, errs.NotFound) {
		return Session{}, none
	}
	if err != nil {
		return Session{}, fmt.Errorf("read session: %w", err)
	}
	now := a.db.Clock().Now()
	if row.Origin != origin || now.After(row.ExpiresAt) || now.After(row.SeenAt.Add(SessionIdle)) {
		return Session{}, none
	}
	if now.Sub(row.SeenAt) > touchEvery {
		// Best effort: a page that only reads must not wait for the write lock, and the
		// session is as valid without it. The next request tries again.
		_ = a.touch(ctx, row.IDHash, now)
	}
	return Session{Account: account.account(), CSRF: row.CSRF, Flash: row.Flash, key: row.IDHash}, nil
}

func (a *Accounts) touch(ctx context.Context, key string, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, touchWithin)
	defer cancel()
	return a.db.System(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&sessionRow{}).Where("id_hash = ?", key).Update("seen_at", now).Error
	})
}

// SetFlash stores a message that the session's next page shows.
func (a *Accounts) SetFlash(ctx context.Context, s Session, message string) error {
	return a.db.System(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&sessionRow{}).Where("id_hash = ?", s.key).Update("flash", message).Error
	})
}

// EndSession signs the browser out.
func (a *Accounts) EndSession(ctx context.Context, s Session) error {
	return a.db.System(ctx, tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		return tx.DB().Where("id_hash = ?", s.key).Delete(&sessionRow{}).Error
	})
}

// Sweep deletes sessions that have ended.
func (a *Accounts) Sweep(ctx context.Context) error {
	now := a.db.Clock().Now()
	return a.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		return tx.DB().Where("expires_at < ? OR seen_at < ?", now, now.Add(-SessionIdle)).Delete(&sessionRow{}).Error
	})
}
