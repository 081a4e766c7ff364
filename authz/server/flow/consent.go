package flow

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Decide stores a person's yes or no and gives the redirect to the client. The
// first decision stands: a second click gives the same redirect.
func (f *Flow) Decide(ctx context.Context, h tenancy.Handle, a Attempt, browser string, allow bool) (redirect string, err error) {
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
			if now.row.Subject != a.Person.ID || now.Answer == "" {
				return ErrGone
			}
			redirect = now.Answer
			return nil
		}
		member, err := tx.IsMember(a.Person.ID)
		if err != nil {
			return err
		}
		redirect, err = f.answer(tx, now, a.Person.ID, allow && member)
		if err != nil {
			return err
		}
		sealed, err := tx.Seal("attempts", "answer", a.ID, []byte(redirect))
		if err != nil {
			return err
		}
		return tx.DB().Model(&attemptRow{}).Where("id = ?", a.ID).Update("answer", sealed).Error
	})
	if errs.Is(err, errs.NotFound) {
		return "", ErrGone
	}
	if err != nil {
		return "", fmt.Errorf("decide: %w", err)
	}
	return redirect, nil
}

func (f *Flow) answer(tx *tenancy.Tx, a Attempt, subject string, allow bool) (string, error) {
	details := map[string]string{"client_id": a.row.ClientID, "scope": a.row.Scope, "redirect_uri": a.row.RedirectURI}
	if !allow {
		if err := audit.Record(tx, audit.Entry{Action: "consent.deny", TargetKind: "upstream", TargetID: a.row.UpstreamID, After: details}); err != nil {
			return "", err
		}
		return ErrorURL(a.RedirectURI, "access_denied", "The person declined.", a.row.State, a.Issuer), nil
	}
	consent := consentRow{
		TenantID: tx.Tenant(), ID: ids.New("cns"), Subject: subject, ClientID: a.row.ClientID, UpstreamID: a.row.UpstreamID,
		Scope: a.row.Scope, RedirectURI: a.row.RedirectURI, CreatedAt: tx.Now(),
	}
	if err := tx.DB().Create(&consent).Error; err != nil {
		return "", fmt.Errorf("store consent: %w", err)
	}
	code, err := f.codes.IssueCode(tx, Approved{
		ClientID: a.row.ClientID, Subject: subject, UpstreamID: a.row.UpstreamID, Resource: a.row.Resource, Scope: a.row.Scope,
		RedirectURI: a.row.RedirectURI, CodeChallenge: a.row.CodeChallenge,
	})
	if err != nil {
		return "", err
	}
	if err := audit.Record(tx, audit.Entry{Action: "consent.allow", TargetKind: "upstream", TargetID: a.row.UpstreamID, After: details}); err != nil {
		return "", err
	}
	return answerURL(a.RedirectURI, [][2]string{{"code", code}, {"state", a.row.State}, {"iss", a.Issuer}}), nil
}
