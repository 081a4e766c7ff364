package flow

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// ConnectPath is where a person connects an account.
const ConnectPath = "/connect"

func connectAddress(id string) string { return ConnectPath + "?attempt=" + url.QueryEscape(id) }

// Runtime is the id of the runtime that the attempt is for.
func (a Attempt) Runtime() string { return a.row.UpstreamID }

// Complete answers an attempt that waits for an account: the person connected it, goes
// on without, or, where goOn is false, takes the yes back. The first answer stands. The
// code is made only now, because it lives a minute.
func (f *Flow) Complete(ctx context.Context, h tenancy.Handle, a Attempt, browser string, goOn bool) (redirect string, err error) {
	if a.Person.ID == "" {
		return "", errs.E(errs.Unauthenticated, "Sign in to continue.", nil)
	}
	err = f.db.Write(ctx, h.As("end_user", a.Person.ID), func(tx *tenancy.Tx) error {
		// Of two at once the later one waits here for the row, then finds the answer.
		mine := tx.DB().Model(&attemptRow{}).Where("id = ? AND subject = ?", a.ID, a.Person.ID).Update("subject", a.Person.ID)
		if mine.Error != nil {
			return mine.Error
		}
		now, err := f.load(tx, a.Issuer, a.ID, browser)
		if err != nil {
			return err
		}
		if redirect = now.Answer; redirect != "" {
			return nil
		}
		if mine.RowsAffected == 0 || !now.waits() {
			return ErrGone
		}
		redirect, err = f.entitledOr(tx, now, a.Person.ID, func(tx *tenancy.Tx, now Attempt) (string, error) {
			return f.complete(tx, now, goOn)
		})
		if err != nil {
			return err
		}
		return keepAnswer(tx, a.ID, redirect)
	})
	if errs.Is(err, errs.NotFound) {
		return "", ErrGone
	}
	if err != nil {
		return "", fmt.Errorf("complete attempt: %w", err)
	}
	return redirect, nil
}

func (f *Flow) complete(tx *tenancy.Tx, a Attempt, goOn bool) (string, error) {
	var consent consentRow
	err := tx.DB().Where("id = ? AND revoked_at IS NULL", a.row.ConsentID).First(&consent).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return f.deny(tx, a, "What was allowed was ended meanwhile.")
	}
	if err != nil {
		return "", fmt.Errorf("read consent: %w", err)
	}
	if goOn {
		return f.give(tx, a, consent, authz.ParseScopes(a.row.Granted))
	}
	if err := tx.DB().Model(&consentRow{}).Where("id = ?", consent.ID).Update("revoked_at", tx.Now()).Error; err != nil {
		return "", fmt.Errorf("take back consent: %w", err)
	}
	return f.deny(tx, a, declined)
}
