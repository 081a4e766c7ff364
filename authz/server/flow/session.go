package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Session is a signed-in end user at a tenant's origin.
type Session struct {
	Subject   string
	CreatedAt time.Time
	seenAt    time.Time
	hash      string
}

// SignOut ends the browser's session.
func (f *Flow) SignOut(ctx context.Context, h tenancy.Handle, cookie string) error {
	return f.db.Write(ctx, h, func(tx *tenancy.Tx) error { return endSession(tx, cookie) })
}

// SignOutEverywhere ends all of the subject's sessions at the tenant.
func (f *Flow) SignOutEverywhere(ctx context.Context, h tenancy.Handle, subject string) error {
	return f.db.Write(ctx, h.As("end_user", subject), func(tx *tenancy.Tx) error {
		if err := EndSessions(tx, subject); err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "end_user.sign_out_everywhere", TargetKind: "account", TargetID: subject})
	})
}

// EndSessions ends all of the subject's sessions, as when an administrator blocks them.
func EndSessions(tx *tenancy.Tx, subject string) error {
	if err := tx.DB().Where("subject = ?", subject).Delete(&sessionRow{}).Error; err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	return nil
}

func endSession(tx *tenancy.Tx, cookie string) error {
	if !ids.ValidSecret(sessionPrefix, cookie) {
		return nil
	}
	return tx.DB().Where("id_hash = ?", ids.Hash(cookie)).Delete(&sessionRow{}).Error
}

// session reads the session of a cookie; the zero Session where there is none, it
// is over or was left alone too long, it is another origin's, or its subject is no
// longer entitled.
func (f *Flow) session(tx *tenancy.Tx, cookie, issuer string) (Session, error) {
	if !ids.ValidSecret(sessionPrefix, cookie) {
		return Session{}, nil
	}
	var row sessionRow
	err := tx.DB().Where("id_hash = ? AND origin = ?", ids.Hash(cookie), issuer).First(&row).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return Session{}, nil
	}
	if err != nil {
		return Session{}, fmt.Errorf("read session: %w", err)
	}
	now := tx.Now()
	if now.After(row.ExpiresAt) || now.Sub(row.SeenAt) > SessionIdle {
		return Session{}, nil
	}
	entitled, err := f.Entitled(tx, row.Subject)
	if err != nil || !entitled {
		return Session{}, err
	}
	return Session{Subject: row.Subject, CreatedAt: row.CreatedAt, seenAt: row.SeenAt, hash: row.IDHash}, nil
}

// seen notes that a session is in use, at most once in a while.
func (f *Flow) seen(ctx context.Context, h tenancy.Handle, s Session) error {
	now := f.db.Clock().Now()
	if s.Subject == "" || now.Sub(s.seenAt) < seenEvery {
		return nil
	}
	err := f.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&sessionRow{}).Where("id_hash = ?", s.hash).Update("seen_at", now).Error
	})
	if err != nil {
		return fmt.Errorf("note session: %w", err)
	}
	return nil
}
