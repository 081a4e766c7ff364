package idp

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emcy/gateway/tenancy"
)

// trialLife is how long an administrator has to begin a trial, once asked for.
const trialLife = 10 * time.Minute

// Trial is what a provider said in a trial, fit to be shown: nothing of it is stored,
// and nobody is signed in.
type Trial struct {
	Provider Provider
	// Subject, Email and Name are masked.
	Subject, Email, Name string
	// Groups counts the groups that came, Matched those that the provider lets in.
	Groups, Matched int
	// Claims are the names of all claims that came, with what kind of value each has.
	Claims []Claim
	// Refusal says why the person would not be let in; empty where they would.
	Refusal string
}

// Claim is a claim without its value.
type Claim struct{ Name, Kind string }

// NewTrial makes the ticket with which an administrator tries a provider out on the
// tenant's origin, where the console's session is worth nothing.
func (p *Providers) NewTrial(ctx context.Context, h tenancy.Handle, providerID string) (ticket string, err error) {
	err = p.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		if _, err := Get(tx, providerID); err != nil {
			return err
		}
		envelope, err := tx.Envelope("provider-trial")
		if err != nil {
			return err
		}
		until := strconv.FormatInt(tx.Now().Add(trialLife).Unix(), 10)
		ticket = base64.RawURLEncoding.EncodeToString(envelope.Seal([]byte(until), tx.Tenant(), providerID))
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("make a trial's ticket: %w", err)
	}
	return ticket, nil
}

func checkTrial(tx *tenancy.Tx, providerID, ticket string) error {
	envelope, err := tx.Envelope("provider-trial")
	if err != nil {
		return err
	}
	over := refuse("trial_over", http400, "This test is over.", "Start it again from the console.", nil)
	sealed, err := base64.RawURLEncoding.DecodeString(ticket)
	if err != nil {
		return over
	}
	until, err := envelope.Open(sealed, tx.Tenant(), providerID)
	if err != nil {
		return over
	}
	seconds, err := strconv.ParseInt(string(until), 10, 64)
	if err != nil || tx.Now().Unix() > seconds {
		return over
	}
	return nil
}

func (p Provider) trial(who identity) *Trial {
	t := &Trial{Provider: p, Subject: mask(who.Subject), Email: maskEmail(who.Email), Name: mask(who.Name), Groups: len(who.Groups)}
	for _, g := range p.AllowedGroups {
		if slices.Contains(who.Groups, g) {
			t.Matched++
		}
	}
	for _, name := range slices.Sorted(maps.Keys(who.claims)) {
		if name != "" && len(name) <= maxField && printable(name) && len(t.Claims) < maxListed {
			t.Claims = append(t.Claims, Claim{Name: name, Kind: kind(who.claims[name])})
		}
	}
	if rule := p.admits(who.Email, who.Groups); rule != "" {
		t.Refusal = rule
	}
	return t
}

// mask keeps the first letter.
func mask(s string) string {
	if s == "" {
		return ""
	}
	_, n := utf8.DecodeRuneInString(s)
	return s[:n] + "•••"
}

// maskEmail keeps the domain, which the rules are about.
func maskEmail(email string) string {
	local, domain, found := strings.Cut(email, "@")
	if !found {
		return mask(email)
	}
	return mask(local) + "@" + domain
}

func kind(value any) string {
	switch v := value.(type) {
	case string:
		return "text"
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return "number"
	case []any:
		return "list of " + strconv.Itoa(len(v))
	case map[string]any:
		return "object"
	}
	return "empty"
}
