package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// ErrUnbound is a return from another server that this browser did not set out for,
// or came back from before.
var ErrUnbound = errs.E(errs.Invalid, "This browser did not start this, or it was used already.", nil)

// bindingPrefix is of the cookie's value.
const bindingPrefix = "emc_go"

type bindingRow struct {
	TenantID    string
	StateHash   string
	CookieHash  string
	BrowserHash string
	AttemptID   string
	ExpiresAt   time.Time
}

func (bindingRow) TableName() string { return "browser_bindings" }

// Bind ties a browser to what its person has just approved, before it is sent to
// another server with state: the sign-in at an identity provider, or the connection
// of an account. The value goes into a cookie of that browser, which is made only
// now. Several may be on their way at once; each is good for one return.
func (f *Flow) Bind(ctx context.Context, h tenancy.Handle, browser, attemptID, state string) (cookie string, err error) {
	cookie = ids.Secret(bindingPrefix)
	err = f.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row := bindingRow{
			TenantID: tx.Tenant(), StateHash: ids.Hash(state), CookieHash: ids.Hash(cookie), BrowserHash: ids.Hash(browser),
			AttemptID: attemptID, ExpiresAt: tx.Now().Add(AttemptLife),
		}
		return tx.DB().Create(&row).Error
	})
	if err != nil {
		return "", fmt.Errorf("bind browser: %w", err)
	}
	return cookie, nil
}

// Unbind uses a binding up and gives its attempt. It has to pass before anything of
// the other server's answer is used. What does not fit uses nothing up: whoever
// knows a state cannot spoil it for the browser that it belongs to.
func (f *Flow) Unbind(ctx context.Context, h tenancy.Handle, browser, cookie, state string) (attemptID string, err error) {
	if browser == "" || state == "" || !ids.ValidSecret(bindingPrefix, cookie) {
		return "", ErrUnbound
	}
	err = f.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		const fits = "state_hash = ? AND cookie_hash = ? AND browser_hash = ? AND expires_at > ?"
		args := []any{ids.Hash(state), ids.Hash(cookie), ids.Hash(browser), tx.Now()}
		var row bindingRow
		if err := tx.DB().Where(fits, args...).First(&row).Error; err != nil {
			return err
		}
		res := tx.DB().Where(fits, args...).Delete(&bindingRow{})
		if res.Error == nil && res.RowsAffected != 1 {
			return ErrUnbound // another request was first
		}
		attemptID = row.AttemptID
		return res.Error
	})
	if errs.Is(err, errs.NotFound) {
		return "", ErrUnbound
	}
	if err != nil {
		return "", fmt.Errorf("unbind browser: %w", err)
	}
	return attemptID, nil
}
