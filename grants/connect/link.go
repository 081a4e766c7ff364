package connect

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const (
	// maxLinks is how many links of a person for one profile work at once. A program
	// that calls in a loop makes many; the newest ones are those that it shows.
	maxLinks = 20
	// usedShown is how long a used link says that it was used.
	usedShown = time.Hour
)

type linkRow struct {
	TenantID    string
	Hash        string
	ProfileID   string
	UpstreamID  string
	Subject     string
	ClientID    string
	Scopes      string
	BrowserHash string
	CreatedAt   time.Time
	ExpiresAt   time.Time
	OpenedAt    *time.Time
	UsedAt      *time.Time
}

func (linkRow) TableName() string { return "connect_links" }

func (r linkRow) scopes() []string { return strings.Fields(r.Scopes) }

// token is 130 random bits in a form that survives being read aloud.
var token = regexp.MustCompile(`^[a-z2-7]{26}$`)

// hashed is a token's hash; PostgreSQL refuses some other texts outright.
var hashed = regexp.MustCompile(`^[0-9a-f]{64}$`)

// LinkHash is how a link is stored; "" of what cannot be a link's token.
func LinkHash(t string) string {
	if !token.MatchString(t) {
		return ""
	}
	return ids.Hash(t)
}

// LinkFor says for whom and for what a link is.
type LinkFor struct {
	ProfileID, UpstreamID, Subject, ClientID string
	// Scopes are what the call needs beyond what the runtime always asks for.
	Scopes []string
}

// Link makes the address at which a person connects what a call lacked: short, for
// them alone, for one use within ten minutes. It holds nothing of anybody, and who
// opens it has to sign in. Errors: errs.NotFound where there is nothing to connect.
func (c *Connects) Link(ctx context.Context, h tenancy.Handle, f LinkFor, origin string) (address string, err error) {
	t := strings.ToLower(rand.Text())
	err = c.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		a, p, ok, err := profiles.Attached(tx, f.UpstreamID)
		if err != nil {
			return err
		}
		if !ok || p.ID != f.ProfileID || p.Kind == profiles.KindExchange || f.Subject == "" {
			return ErrNothing
		}
		if err := makeRoom(tx, f); err != nil {
			return err
		}
		now := tx.Now()
		return tx.DB().Create(&linkRow{
			TenantID: tx.Tenant(), Hash: LinkHash(t), ProfileID: p.ID, UpstreamID: f.UpstreamID, Subject: f.Subject, ClientID: f.ClientID,
			Scopes: strings.Join(allowed(p, union(a.Scopes, f.Scopes)), " "), CreatedAt: now, ExpiresAt: now.Add(Life),
		}).Error
	})
	if err != nil {
		return "", fmt.Errorf("make link: %w", err)
	}
	return origin + "/connect/" + t, nil
}

// makeRoom takes away the oldest unused links of a person that are too many.
func makeRoom(tx *tenancy.Tx, f LinkFor) error {
	var old []string
	err := tx.DB().Model(&linkRow{}).Where("subject = ? AND profile_id = ? AND used_at IS NULL", f.Subject, f.ProfileID).
		Order("created_at DESC, hash").Offset(maxLinks-1).Limit(maxLinks).Pluck("hash", &old).Error
	if err != nil {
		return fmt.Errorf("list links: %w", err)
	}
	if len(old) == 0 {
		return nil
	}
	return tx.DB().Where("hash IN ?", old).Delete(&linkRow{}).Error
}

// OpenedLink is a link as its page needs it.
type OpenedLink struct {
	ProfileID, UpstreamID, Subject, ClientID string
	Used                                     bool
}

// OpenLink reads a link that works, or was used a moment ago. Errors: *Refused.
func (c *Connects) OpenLink(ctx context.Context, h tenancy.Handle, hash string) (out OpenedLink, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		row, err := openLink(tx, hash)
		out = OpenedLink{ProfileID: row.ProfileID, UpstreamID: row.UpstreamID, Subject: row.Subject, ClientID: row.ClientID, Used: row.UsedAt != nil}
		return err
	})
	if err != nil {
		return OpenedLink{}, fmt.Errorf("open link: %w", err)
	}
	return out, nil
}

// errLinkOver is a link that is none, has expired, or made room for newer ones.
func errLinkOver() *Refused {
	r := refuse("link_over", http.StatusNotFound, "A link works for ten minutes.", "Go back to your app and repeat what you asked for: it gives you a new one.", nil)
	r.Title = "This link is no longer valid"
	return r
}

func openLink(tx *tenancy.Tx, hash string) (linkRow, error) {
	if !hashed.MatchString(hash) {
		return linkRow{}, errLinkOver()
	}
	var rows []linkRow
	if err := tx.DB().Where("hash = ?", hash).Limit(1).Find(&rows).Error; err != nil {
		return linkRow{}, fmt.Errorf("read link: %w", err)
	}
	if len(rows) == 0 || rows[0].UsedAt == nil && !rows[0].ExpiresAt.After(tx.Now()) || rows[0].UsedAt != nil && tx.Now().Sub(*rows[0].UsedAt) > usedShown {
		return linkRow{}, errLinkOver()
	}
	return rows[0], nil
}

// bindLink ties a link to the browser that begins with it: from then on no other can.
func bindLink(tx *tenancy.Tx, hash, subject, browser string) error {
	row, err := openLink(tx, hash)
	if err != nil {
		return err
	}
	if row.Subject != subject || row.UsedAt != nil {
		return errLinkOver()
	}
	now := tx.Now()
	res := tx.DB().Model(&linkRow{}).Where("hash = ? AND used_at IS NULL AND browser_hash IN ?", hash, []string{"", ids.Hash(browser)}).
		Updates(map[string]any{"browser_hash": ids.Hash(browser), "opened_at": &now})
	if res.Error != nil {
		return fmt.Errorf("bind link: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return refuse("link_elsewhere", http.StatusForbidden, "This link was opened in another browser.", "Go on there, or go back to your app for a new link. If you did not open it, close this page.", nil)
	}
	return nil
}

// useLink uses a link up.
func useLink(tx *tenancy.Tx, hash, subject string) error {
	now := tx.Now()
	res := tx.DB().Model(&linkRow{}).Where("hash = ? AND subject = ? AND used_at IS NULL", hash, subject).Update("used_at", &now)
	if res.Error != nil {
		return fmt.Errorf("use link: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return errs.E(errs.Conflict, "This link was used already.", nil)
	}
	return nil
}
