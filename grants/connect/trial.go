package connect

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/tenancy"
)

// trialLife is how long an administrator has to begin a trial, once asked for.
const trialLife = 10 * time.Minute

const trialPurpose = "profile-trial"

// Trial is what a provider did in a trial, fit to be shown: nothing of it is stored.
type Trial struct {
	// Facts are about the tokens, and who they belong to, masked.
	Facts []Fact
	// Claims are all that came, masked.
	Claims []provider.Claim
	// Scopes were granted; Refused were asked for and not granted.
	Scopes, Refused []string
	// Warnings say what would not work.
	Warnings []string
}

// Fact is a line of a trial.
type Fact struct{ Name, Value string }

// NewTrial makes the ticket with which an administrator tries a profile out on the
// tenant's origin, where the console's session is worth nothing: the page is
// {origin}/connect/{profile}?trial={ticket}.
func (c *Connects) NewTrial(ctx context.Context, h tenancy.Handle, profileID string) (ticket string, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		if _, err := profiles.Get(tx, profileID); err != nil {
			return err
		}
		envelope, err := tx.Envelope(trialPurpose)
		if err != nil {
			return err
		}
		until := strconv.FormatInt(tx.Now().Add(trialLife).Unix(), 10)
		ticket = base64.RawURLEncoding.EncodeToString(envelope.Seal([]byte(until), tx.Tenant(), profileID))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("make a trial's ticket: %w", err)
	}
	return ticket, nil
}

func checkTrial(tx *tenancy.Tx, profileID, ticket string) error {
	envelope, err := tx.Envelope(trialPurpose)
	if err != nil {
		return err
	}
	over := refuse("trial_over", http.StatusBadRequest, "This test is over.", "Start it again from the console.", nil)
	sealed, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil {
		return over
	}
	until, err := envelope.Open(sealed, tx.Tenant(), profileID)
	if err != nil {
		return over
	}
	seconds, err := strconv.ParseInt(string(until), 10, 64)
	if err != nil || tx.Now().Unix() > seconds {
		return over
	}
	return nil
}

// try renews the tokens of a trial once and gives them back.
func (c *Connects) try(ctx context.Context, h tenancy.Handle, w way, tokens provider.Tokens, account provider.Account) (*Trial, error) {
	asked := w.row.scopes()
	t := &Trial{Claims: provider.Redact(account.Claims)}
	t.Scopes = tokens.Scope
	if tokens.Scope == nil {
		t.Scopes = asked
	}
	for _, name := range asked {
		if !authz.Scopes(given(w.profile, asked, t.Scopes)).Has(name) {
			t.Refused = append(t.Refused, name)
		}
	}
	if len(t.Refused) > 0 {
		t.warn("Not every permission was granted. Calls that need the others would ask the person to connect again.")
	}
	t.whose(w.profile, account)
	t.fact("Access token", life(tokens.ExpiresAt, c.db.Clock().Now()))
	newest := c.renew(ctx, t, w, tokens)
	inUse, err := c.inUse(ctx, h, w.profile.ID, account.ID)
	if err != nil {
		return nil, err
	}
	if inUse {
		// Some providers end everything that the account gave to a client at once.
		t.fact("Revoked", "no: a person has connected this account, and their connection could end with it")
		return t, nil
	}
	err = c.provider.Revoke(ctx, w.config, newest.Refresh, newest.Access)
	kind := provider.KindOf(err)
	switch {
	case err == nil:
		t.fact("Revoked", "yes, at the provider")
	case kind == provider.Unsupported:
		t.fact("Revoked", "no: the provider has no way to; the gateway has deleted the tokens")
	case kind != "":
		t.fact("Revoked", "no: the provider refused; the gateway has deleted the tokens")
		t.warn("The provider did not revoke the tokens. When people disconnect, their permission may stay there.")
	default:
		return nil, fmt.Errorf("give back tokens of a trial: %w", err)
	}
	return t, nil
}

// whose tells about the account, masked.
func (t *Trial) whose(p profiles.Profile, account provider.Account) {
	for _, of := range []Fact{{"Account", account.ID}, {"E-mail", account.Email}, {"Name", account.Name}} {
		if of.Value != "" {
			t.fact(of.Name, provider.Redact(map[string]any{of.Name: of.Value})[0].Value)
		}
	}
	switch {
	case account.ID == "" && signsIn(p):
		t.warn("The identity rule finds nobody, so nobody can sign in with this profile.")
	case account.ID == "":
		t.warn("The identity rule finds nobody: the console cannot show whose account a connection is.")
	}
	if p.Settings.Match == profiles.MatchEmail && (account.Email == "" || !account.EmailVerified) {
		t.warn("The provider does not say that the e-mail address is verified. People could not connect, because the profile wants their own address.")
	}
}

// renew refreshes once, as the queue would, and gives the newest tokens.
func (c *Connects) renew(ctx context.Context, t *Trial, w way, tokens provider.Tokens) provider.Tokens {
	if tokens.Refresh.Empty() {
		t.fact("Refresh token", "none came")
		if tokens.ExpiresAt != nil {
			t.warn("No refresh token came: people would have to connect again each time the access token ends.")
		}
		return tokens
	}
	t.fact("Refresh token", "received")
	renewed, err := c.provider.Refresh(ctx, w.config, tokens.Refresh, t.Scopes)
	if err != nil {
		t.fact("Refreshing", "does not work")
		words := "The provider refused it."
		if r, ok := failed(w.profile, err).(*Refused); ok { //nolint:errorlint // made here
			words = r.Text + " " + r.Cure
		}
		t.warn("Refreshing does not work. " + words)
		return tokens
	}
	t.fact("Refreshing", "works")
	if renewed.Refresh.Empty() || renewed.Refresh.Reveal() == tokens.Refresh.Reveal() {
		t.fact("Rotation", "no: the refresh token stays the same")
		renewed.Refresh = tokens.Refresh
	} else {
		t.fact("Rotation", "yes: each refresh gives a new refresh token")
	}
	return renewed
}

// inUse reports whether somebody has a living grant of an account.
func (c *Connects) inUse(ctx context.Context, h tenancy.Handle, profileID, accountID string) (used bool, err error) {
	if accountID == "" {
		return false, nil
	}
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		list, err := grants.List(tx, grants.Filter{ProfileID: profileID, Text: accountID})
		used = slices.ContainsFunc(list, func(g grants.Grant) bool { return g.AccountID == accountID && lives(g) })
		return err
	})
	if err != nil {
		return false, fmt.Errorf("look for the account's grant: %w", err)
	}
	return used, nil
}

func (t *Trial) fact(name, value string) { t.Facts = append(t.Facts, Fact{name, value}) }
func (t *Trial) warn(text string)        { t.Warnings = append(t.Warnings, strings.TrimSpace(text)) }

func life(at *time.Time, now time.Time) string {
	if at == nil {
		return "received; the provider does not say when it ends"
	}
	return "received; it ends in " + strconv.Itoa(int(at.Sub(now).Round(time.Minute)/time.Minute)) + " minutes"
}
