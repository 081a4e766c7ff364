package flow

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// SignIn checks a member's password and starts a session; the one that the browser
// had before ends. A person who is no member is answered in words, after the
// password was right. Errors: errs.Unauthenticated, errs.Forbidden, errs.RateLimited.
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
	return f.StartSession(ctx, h, issuer, person.ID, "password", previous)
}

// StartSession signs a subject in who has proven who they are. The cookie is new
// each time, and the session of the browser's previous one ends.
func (f *Flow) StartSession(ctx context.Context, h tenancy.Handle, issuer, subject, method, previous string) (cookie string, err error) {
	cookie = ids.Secret(sessionPrefix)
	err = f.db.Write(ctx, h.As("end_user", subject), func(tx *tenancy.Tx) error {
		if entitled, err := f.Entitled(tx, subject); err != nil || !entitled {
			return errs.E(errs.Forbidden, "This account may not use this workspace. Ask its owner.", err)
		}
		if err := endSession(tx, previous); err != nil {
			return err
		}
		now := tx.Now()
		row := sessionRow{TenantID: tx.Tenant(), IDHash: ids.Hash(cookie), Subject: subject, Origin: issuer, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(SessionLife)}
		if err := tx.DB().Create(&row).Error; err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "end_user.sign_in", TargetKind: "account", TargetID: subject, After: map[string]string{"method": method}})
	})
	if err != nil {
		return "", fmt.Errorf("start session: %w", err)
	}
	return cookie, nil
}
