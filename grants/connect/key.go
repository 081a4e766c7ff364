package connect

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

// KeyEntry is an API key that a person typed in.
type KeyEntry struct {
	ProfileID, Subject string
	// LinkHash names the link that it came by, which Browser opened; "" for none.
	LinkHash, Browser string
	Key               secret.Text
}

// SaveKey asks the profile's check address whether the key is good, where there is
// one, and keeps it. Errors: errs.Invalid for a key that is refused or cannot be one;
// *Refused where nobody can tell, or the link is over.
func (c *Connects) SaveKey(ctx context.Context, h tenancy.Handle, e KeyEntry) error {
	var p profiles.Profile
	err := c.db.Write(ctx, h, func(tx *tenancy.Tx) (err error) {
		if p, err = profiles.Get(tx, e.ProfileID); err != nil {
			return err
		}
		if p.Kind != profiles.KindAPIKey {
			return ErrNothing
		}
		if e.LinkHash == "" {
			return nil
		}
		return bindLink(tx, e.LinkHash, e.Subject, e.Browser)
	})
	if err != nil {
		return fmt.Errorf("open key entry: %w", err)
	}
	if err := c.checkKey(ctx, p, e.Key); err != nil {
		return err
	}
	err = c.db.Write(ctx, h.As("end_user", e.Subject), func(tx *tenancy.Tx) error {
		if _, err := c.grants.SaveKey(tx, e.ProfileID, e.Subject, e.Key); err != nil {
			return err
		}
		if e.LinkHash == "" {
			return nil
		}
		return useLink(tx, e.LinkHash, e.Subject)
	})
	if err != nil {
		return fmt.Errorf("keep key: %w", err)
	}
	return nil
}

// checkKey asks the provider. What it answers beside the status is not read.
func (c *Connects) checkKey(ctx context.Context, p profiles.Profile, key secret.Text) error {
	rule := p.Settings.APIKey
	if rule.CheckURL == "" {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rule.CheckURL, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask about a key: %w", err)
	}
	req.Header.Set(rule.Header, strings.ReplaceAll(rule.Format, profiles.KeyPlaceholder, key.Reveal()))
	res, err := c.out.Do(req)
	if err != nil {
		return refuse("key_unchecked", http.StatusBadGateway, p.Name+" does not answer, so the key cannot be checked.", cureLater, err)
	}
	_ = res.Body.Close() // only the status counts
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return nil
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return errs.E(errs.Invalid, p.Name+" refuses this key. Copy it again, and check that it has not ended.", nil)
	}
	return refuse("key_unchecked", http.StatusBadGateway, fmt.Sprintf("%s answered with status %d, so the key cannot be checked.", p.Name, res.StatusCode), cureAdmin, nil)
}
