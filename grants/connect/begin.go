package connect

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const statePrefix = "emc_cn"

// Start begins one way to a provider.
type Start struct {
	Purpose Purpose
	// ProfileID may be "" where UpstreamID or LinkHash tells it.
	ProfileID, UpstreamID string
	// Subject connects; "" in a sign-in or a trial.
	Subject string
	// Attempt is where it goes on afterwards; it is given back as it is.
	Attempt string
	// LinkHash names the link that it came by; "" for none.
	LinkHash string
	// Trial is a ticket of NewTrial, in a trial.
	Trial string
	// Browser is the name that the browser carries in its cookie.
	Browser string
	// Origin is the tenant's, where the callback is.
	Origin string
}

func (s Start) valid() bool {
	if s.Browser == "" || s.Origin == "" {
		return false
	}
	switch s.Purpose {
	case ForConnect:
		return s.Subject != "" && s.Trial == "" && s.Attempt != ""
	case ForSignIn:
		return s.Subject == "" && s.Trial == "" && s.Attempt != "" && s.LinkHash == ""
	case ForTrial:
		return s.Subject == "" && s.Trial != "" && s.LinkHash == ""
	}
	return false
}

// Begin stores a way to a provider for the browser and gives the provider's address.
// The state is made here, after the person said yes. Asked for are the scopes that the
// grant has and those that are needed. Errors: *Refused; errs.NotFound for a profile
// that is not there, or does not sign people in.
func (c *Connects) Begin(ctx context.Context, h tenancy.Handle, s Start) (address string, err error) {
	if !s.valid() {
		return "", errOver()
	}
	err = c.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		q := Query{Subject: s.Subject, ProfileID: s.ProfileID, UpstreamID: s.UpstreamID, LinkHash: s.LinkHash, Trial: s.Trial}
		asked, err := wanted(tx, &q)
		if err != nil {
			return err
		}
		if err := c.mayBegin(tx, s, asked.profile); err != nil {
			return err
		}
		g, err := grantOf(tx, asked.profile.ID, s.Subject)
		if err != nil {
			return err
		}
		scopes := union(union(allowed(asked.profile, g.Scopes), asked.need), identityScopes(asked.profile))
		address, err = c.store(tx, s, asked.profile, q.UpstreamID, scopes)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("begin connect: %w", err)
	}
	return address, nil
}

// mayBegin checks what the purpose asks for.
func (c *Connects) mayBegin(tx *tenancy.Tx, s Start, p profiles.Profile) error {
	switch {
	case p.Kind != profiles.KindOAuth, s.Purpose == ForSignIn && !signsIn(p):
		return ErrNothing
	case s.Purpose == ForTrial:
		return checkTrial(tx, p.ID, s.Trial)
	case s.LinkHash != "":
		return bindLink(tx, s.LinkHash, s.Subject, s.Browser)
	}
	return nil
}

func (c *Connects) store(tx *tenancy.Tx, s Start, p profiles.Profile, upstreamID string, scopes []string) (address string, err error) {
	cfg, err := profiles.Config(tx, p.ID, p.Generation, s.Origin)
	if err != nil {
		return "", err
	}
	if cfg.Endpoints.Authorization == "" || cfg.Endpoints.Token == "" {
		return "", refuse("profile_unready", http.StatusBadGateway, "The addresses of "+p.Name+" are not known yet.", "Tell the workspace's owner: the profile's page in the console says what is missing.", nil)
	}
	state, own := ids.Secret(statePrefix), secrets{Verifier: oauth2.GenerateVerifier()}
	if slices.Contains(scopes, "openid") {
		own.Nonce = ids.Secret("n")
	}
	if address, err = c.provider.AuthorizeURL(cfg, scopes, state, own.Nonce, own.Verifier); err != nil {
		return "", failed(p, err)
	}
	now := tx.Now()
	row := connectRow{
		TenantID: tx.Tenant(), StateHash: ids.Hash(state), ProfileID: p.ID, Purpose: string(s.Purpose), Subject: s.Subject, UpstreamID: upstreamID,
		AttemptID: s.Attempt, LinkHash: s.LinkHash, BrowserHash: ids.Hash(s.Browser), Issuer: cfg.Endpoints.Issuer, Scopes: strings.Join(scopes, " "),
		ClientGeneration: p.Generation, CreatedAt: now, ExpiresAt: now.Add(Life),
	}
	if err := row.seal(tx, own); err != nil {
		return "", err
	}
	return address, tx.DB().Create(&row).Error
}
