package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Session is a signed-in end user at a tenant's origin.
type Session struct {
	Subject   string
	CreatedAt time.Time
}

// SignIn checks the password and that the person is a member of the tenant, and
// starts a session; the one that the browser had before ends. A person who is no
// member is answered in words, after the password was right. Errors:
// errs.Unauthenticated, errs.Forbidden, errs.RateLimited.
func (f *Flow) SignIn(ctx context.Context, h tenancy.Handle, issuer, email, password, from, previous string) (cookie string, err error) {
	person, err := f.people.SignIn(ctx, email, password, from)
	if err != nil {
		return "", err
	}
	if _, err := f.db.Role(ctx, h, person.ID); errs.Is(err, errs.NotFound) {
		return "", errs.E(errs.Forbidden, "You are signed in as "+person.Email+", who is not a member of this workspace. Ask its owner to add you, or use another account.", nil)
	} else if err != nil {
		return "", fmt.Errorf("check membership: %w", err)
	}
	cookie = ids.Secret(sessionPrefix)
	err = f.db.Write(ctx, h.As("end_user", person.ID), func(tx *tenancy.Tx) error {
		if err := endSession(tx, previous); err != nil {
			return err
		}
		now := tx.Now()
		row := sessionRow{TenantID: tx.Tenant(), IDHash: ids.Hash(cookie), Subject: person.ID, Origin: issuer, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(SessionLife)}
		if err := tx.DB().Create(&row).Error; err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "end_user.sign_in", TargetKind: "account", TargetID: person.ID})
	})
	if err != nil {
		return "", fmt.Errorf("start session: %w", err)
	}
	return cookie, nil
}

// SignOut ends the browser's session.
func (f *Flow) SignOut(ctx context.Context, h tenancy.Handle, cookie string) error {
	return f.db.Write(ctx, h, func(tx *tenancy.Tx) error { return endSession(tx, cookie) })
}

func endSession(tx *tenancy.Tx, cookie string) error {
	if !ids.ValidSecret(sessionPrefix, cookie) {
		return nil
	}
	return tx.DB().Where("id_hash = ?", ids.Hash(cookie)).Delete(&sessionRow{}).Error
}

// session reads the session of a cookie; the zero Session where there is none, it
// is over, it is another origin's, or its person is no longer a member.
func session(tx *tenancy.Tx, cookie, issuer string) (Session, error) {
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
	if now.After(row.ExpiresAt) {
		return Session{}, nil
	}
	member, err := tx.IsMember(row.Subject)
	if err != nil || !member {
		return Session{}, err
	}
	return Session{Subject: row.Subject, CreatedAt: row.CreatedAt}, nil
}

// SignedIn counts the sessions at the tenant's origin.
func SignedIn(tx *tenancy.Tx) (int, error) {
	var n int64
	if err := tx.DB().Model(&sessionRow{}).Where("expires_at > ?", tx.Now()).Count(&n).Error; err != nil {
		return 0, fmt.Errorf("count sessions: %w", err)
	}
	return int(n), nil
}
