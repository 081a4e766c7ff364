package flow

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/emcy/gateway/tenancy"
)

// OwnID stands in the place of an attempt's id where somebody signs in to their own
// pages, for no client.
const OwnID = "me"

// linkPattern is a link's hash in the place of an attempt's id.
var linkPattern = regexp.MustCompile(`^me\.([0-9a-f]{64})$`)

// LinkID stands in the place of an attempt's id where somebody signs in to go on with
// a link to connect an account, which is named by its hash.
func LinkID(hash string) string { return OwnID + "." + hash }

// IsOwn reports whether an attempt's id stands for no client.
func IsOwn(id string) bool { return id == OwnID || LinkOf(id) != "" }

// LinkOf is the hash of the link that an attempt's id stands for, "" for none.
func LinkOf(id string) string {
	if m := linkPattern.FindStringSubmatch(id); m != nil {
		return m[1]
	}
	return ""
}

// Own is the pseudo attempt of a browser at its person's own pages; id is one of those
// that IsOwn tells.
func (f *Flow) Own(ctx context.Context, h tenancy.Handle, issuer, id, browser, cookie string) (Attempt, error) {
	if browser == "" {
		return Attempt{}, ErrNoCookies
	}
	a := Attempt{ID: id, Issuer: issuer}
	err := f.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if a.CSRF, err = csrf(tx, OwnID, browser); err != nil {
			return err
		}
		a.from, err = f.session(tx, cookie, issuer)
		return err
	})
	if err != nil {
		return Attempt{}, fmt.Errorf("read session: %w", err)
	}
	if a.Person, err = f.Person(ctx, h, a.from.Subject); err != nil {
		return Attempt{}, err
	}
	return a, f.seen(ctx, h, a.from)
}

// RevokeConsents forgets what a subject agreed to: with one client at one runtime, or
// with all where clientID is empty.
func RevokeConsents(tx *tenancy.Tx, subject, clientID, upstreamID string) error {
	find := tx.DB().Model(&consentRow{}).Where("subject = ? AND revoked_at IS NULL", subject)
	if clientID != "" {
		find = find.Where("client_id = ? AND upstream_id = ?", clientID, upstreamID)
	}
	if err := find.Update("revoked_at", tx.Now()).Error; err != nil {
		return fmt.Errorf("revoke consents: %w", err)
	}
	return nil
}

// Consent is a yes that holds.
type Consent struct {
	ClientID, UpstreamID, Scope string
	CreatedAt, Until            time.Time
}

// Consents lists what a subject agreed to and neither they nor anybody else has ended.
func Consents(tx *tenancy.Tx, subject string) ([]Consent, error) {
	var rows []consentRow
	if err := tx.DB().Where("subject = ? AND revoked_at IS NULL", subject).Order("created_at DESC").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list consents: %w", err)
	}
	var out []Consent
	for _, row := range rows {
		if row.until().After(tx.Now()) {
			out = append(out, Consent{ClientID: row.ClientID, UpstreamID: row.UpstreamID, Scope: row.Scope, CreatedAt: row.CreatedAt, Until: row.until()})
		}
	}
	return out, nil
}
