package flow

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// DonePath is where an attempt ends that has no redirect URI.
const DonePath = "/done"

func deviceAnswer(id string, yes bool) string {
	if yes {
		return DonePath + "?attempt=" + id
	}
	return DonePath + "?answer=no&attempt=" + id
}

// Decision is what a person chose on the consent page.
type Decision struct {
	Allow bool
	// Scopes are the ticked ones.
	Scopes authz.Scopes
	// Life is one of the offer's; anything else is the tenant's own.
	Life time.Duration
}

// declined is what the client reads of a no.
const declined = "The person declined."

// Decide stores a person's yes or no and gives the redirect to the client, or to the
// page where an account is connected first. The first decision stands: a second click
// gives the same redirect.
func (f *Flow) Decide(ctx context.Context, h tenancy.Handle, a Attempt, browser string, d Decision) (redirect string, err error) {
	redirect, err = f.decide(ctx, h, a, browser, func(tx *tenancy.Tx, now Attempt) (string, error) {
		if !d.Allow {
			return f.deny(tx, now, declined)
		}
		return f.allow(tx, now, a.Person.ID, d)
	})
	if err != nil {
		return "", fmt.Errorf("decide: %w", err)
	}
	return redirect, nil
}

func (f *Flow) decide(ctx context.Context, h tenancy.Handle, a Attempt, browser string, answer func(tx *tenancy.Tx, now Attempt) (string, error)) (redirect string, err error) {
	if a.Person.ID == "" {
		return "", errs.E(errs.Unauthenticated, "Sign in to continue.", nil)
	}
	err = f.db.Write(ctx, h.As("end_user", a.Person.ID), func(tx *tenancy.Tx) error {
		// Of two clicks at once the later one waits here for the row, then finds the answer.
		res := tx.DB().Model(&attemptRow{}).Where("id = ? AND subject = ''", a.ID).Update("subject", a.Person.ID)
		if res.Error != nil {
			return res.Error
		}
		now, err := f.load(tx, a.Issuer, a.ID, browser)
		if err != nil {
			return err
		}
		if res.RowsAffected == 0 {
			switch {
			case now.row.Subject != a.Person.ID:
				return ErrGone
			case now.waits():
				redirect = connectAddress(a.ID)
				return nil
			case now.Answer == "":
				return ErrGone
			}
			redirect = now.Answer
			return nil
		}
		if redirect, err = f.entitledOr(tx, now, a.Person.ID, answer); err != nil || redirect == connectAddress(a.ID) {
			return err
		}
		return keepAnswer(tx, a.ID, redirect)
	})
	if errs.Is(err, errs.NotFound) {
		return "", ErrGone
	}
	return redirect, err
}

// entitledOr answers who may not use the runtime with a no.
func (f *Flow) entitledOr(tx *tenancy.Tx, a Attempt, subject string, answer func(tx *tenancy.Tx, now Attempt) (string, error)) (redirect string, err error) {
	ok, err := f.Entitled(tx, subject)
	if err == nil && ok {
		ok, err = f.belongs(tx, subject, a.row.UpstreamID)
	}
	if err != nil {
		return "", err
	}
	if !ok {
		return f.deny(tx, a, "The person may not use this workspace.")
	}
	return answer(tx, a)
}

func keepAnswer(tx *tenancy.Tx, id, redirect string) error {
	sealed, err := tx.Seal("attempts", "answer", id, []byte(redirect))
	if err != nil {
		return err
	}
	return tx.DB().Model(&attemptRow{}).Where("id = ?", id).Update("answer", sealed).Error
}

func (f *Flow) deny(tx *tenancy.Tx, a Attempt, why string) (string, error) {
	if err := a.record(tx, "consent.deny", a.row.Scope); err != nil {
		return "", err
	}
	if a.Device() {
		return deviceAnswer(a.ID, false), f.devices.DenyDevice(tx, a.row.DeviceHash)
	}
	return ErrorURL(a.RedirectURI, "access_denied", why, a.row.State, a.Issuer), nil
}

func (f *Flow) allow(tx *tenancy.Tx, a Attempt, subject string, d Decision) (string, error) {
	offer, err := f.offer(tx, a, subject)
	if err != nil {
		return "", err
	}
	granted, life := offer.take(d)
	consent := consentRow{
		TenantID: tx.Tenant(), ID: ids.New("cns"), Subject: subject, ClientID: a.row.ClientID, UpstreamID: a.row.UpstreamID,
		Scope: granted.String(), RedirectURI: a.row.RedirectURI, CreatedAt: tx.Now(), Seconds: int64(life / time.Second),
	}
	if err := RevokeConsents(tx, subject, a.row.ClientID, a.row.UpstreamID); err != nil {
		return "", err // each yes replaces the one before
	}
	if err := tx.DB().Create(&consent).Error; err != nil {
		return "", fmt.Errorf("store consent: %w", err)
	}
	return f.proceed(tx, a, consent, granted, "consent.allow")
}

// proceed records a yes, and answers with what it allows unless an account has to be
// connected first: the code would not live as long.
func (f *Flow) proceed(tx *tenancy.Tx, a Attempt, consent consentRow, scopes authz.Scopes, action string) (string, error) {
	if err := a.record(tx, action, scopes.String()); err != nil {
		return "", err
	}
	missing, err := f.accounts.Missing(tx, consent.Subject, a.row.UpstreamID)
	if err != nil {
		return "", fmt.Errorf("check accounts: %w", err)
	}
	if !missing {
		return f.give(tx, a, consent, scopes)
	}
	waits := map[string]any{"consent_id": consent.ID, "granted": scopes.String()}
	if err := tx.DB().Model(&attemptRow{}).Where("id = ?", a.ID).Updates(waits).Error; err != nil {
		return "", fmt.Errorf("keep consent: %w", err)
	}
	return connectAddress(a.ID), nil
}

// give answers with what a consent allows.
func (f *Flow) give(tx *tenancy.Tx, a Attempt, consent consentRow, scopes authz.Scopes) (string, error) {
	set, err := settings.Load(tx)
	if err != nil {
		return "", err
	}
	until := tx.Now().Add(set.Family)
	if consent.until().Before(until) {
		until = consent.until()
	}
	approved := Approved{
		ConsentID: consent.ID, ClientID: a.row.ClientID, Subject: consent.Subject, UpstreamID: a.row.UpstreamID, Resource: a.row.Resource,
		Scope: scopes.String(), RedirectURI: a.row.RedirectURI, CodeChallenge: a.row.CodeChallenge, DPoPJKT: a.row.DPoPJKT,
		DeviceHash: a.row.DeviceHash, TraceID: a.row.TraceID, Until: until,
	}
	if a.Device() {
		return deviceAnswer(a.ID, true), f.devices.ApproveDevice(tx, approved)
	}
	code, err := f.codes.IssueCode(tx, approved)
	if err != nil {
		return "", err
	}
	return answerURL(a.RedirectURI, [][2]string{{"code", code}, {"state", a.row.State}, {"iss", a.Issuer}}), nil
}

func (a Attempt) record(tx *tenancy.Tx, action, scope string) error {
	return audit.Record(tx, audit.Entry{
		Action: action, TargetKind: "upstream", TargetID: a.row.UpstreamID,
		After: map[string]string{"client_id": a.row.ClientID, "scope": scope, "redirect_uri": a.row.RedirectURI},
	})
}
