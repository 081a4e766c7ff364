package flow

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// rememberFor is how long a yes may stand for the next one.
const rememberFor = 30 * 24 * time.Hour

// Remembered answers the attempt without asking, where all of this holds: the
// tenant wants it; the person opened the address themselves and the client did not
// ask for a page; the client is vouched for and its answer goes to a web address;
// and the same person said yes to the same client, runtime and redirect URI, for
// these scopes or more, in the last 30 days.
func (f *Flow) Remembered(ctx context.Context, h tenancy.Handle, a Attempt, browser string) (redirect string, ok bool, err error) {
	if !a.mayBeRemembered() {
		return "", false, nil
	}
	err = f.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		_, ok, err = f.remembered(tx, a)
		return err
	})
	if err != nil || !ok {
		return "", false, err
	}
	redirect, err = f.decide(ctx, h, a, browser, func(tx *tenancy.Tx, now Attempt) (string, error) {
		consent, still, err := f.remembered(tx, a)
		if err != nil || !still {
			return "", errs.E(errs.Conflict, "What was allowed before has changed meanwhile.", err)
		}
		needed, err := f.lookup.Needed(tx, a.Person.ID, a.row.ClientID, a.row.UpstreamID)
		if err != nil {
			return "", err
		}
		return f.proceed(tx, now, consent, now.Scopes.Union(needed), "consent.remembered")
	})
	if errs.Is(err, errs.Conflict) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("answer as before: %w", err)
	}
	return redirect, true, nil
}

func (a Attempt) mayBeRemembered() bool {
	u, err := url.Parse(a.RedirectURI)
	return err == nil && u.Scheme == "https" && a.Client.Trusted() && !a.Device() && !a.prompts(promptConsent) && a.Next() == StepConsent
}

func (f *Flow) remembered(tx *tenancy.Tx, a Attempt) (consentRow, bool, error) {
	set, err := settings.Load(tx)
	if err != nil || !set.RememberConsent {
		return consentRow{}, false, err
	}
	before, ok, err := lastConsent(tx, a.Person.ID, a.row.ClientID, a.row.UpstreamID)
	if err != nil || !ok {
		return consentRow{}, false, err
	}
	needed, err := f.lookup.Needed(tx, a.Person.ID, a.row.ClientID, a.row.UpstreamID)
	if err != nil || !before.scopes().Covers(needed) {
		return consentRow{}, false, err
	}
	fits := before.RedirectURI == a.RedirectURI && before.scopes().Covers(a.Scopes) && tx.Now().Sub(before.CreatedAt) < rememberFor
	return before, fits, nil
}
