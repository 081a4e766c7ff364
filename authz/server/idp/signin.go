package idp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// SignInLife is how long a person has at the provider.
const SignInLife = 10 * time.Minute

const (
	statePrefix = "emc_st"
	// trialAttempt stands where a sign-in names its attempt.
	trialAttempt = "trial"
)

type signInRow struct {
	TenantID    string
	StateHash   string
	ProviderID  string
	BrowserHash string
	AttemptID   string
	Secrets     []byte
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      *time.Time
}

func (signInRow) TableName() string { return "provider_sign_ins" }

// secrets are what only the one who began can know.
type secrets struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
}

// Start begins a sign-in.
type Start struct {
	ProviderID string
	// Attempt names what goes on afterwards; empty in a trial.
	Attempt string
	// Trial is a ticket of NewTrial: it works for a provider that is off, and signs nobody in.
	Trial string
	// Browser is the name that the browser carries in its cookie.
	Browser string
	// Origin is the tenant's, where the callback is.
	Origin string
}

// Begin stores a sign-in for the browser and gives the provider's address. Errors:
// *Refused; errs.NotFound for a provider that is not there or off.
func (p *Providers) Begin(ctx context.Context, h tenancy.Handle, s Start) (address string, err error) {
	if s.Browser == "" || (s.Attempt == "") == (s.Trial == "") {
		return "", errOver()
	}
	if s.Trial != "" {
		s.Attempt = trialAttempt
	}
	provider, err := p.For(ctx, h, s.ProviderID, s.Trial)
	if err != nil {
		return "", err
	}
	doc, err := p.discover(ctx, provider.Issuer)
	if err != nil {
		return "", undiscovered(provider, err)
	}
	state, own := ids.Secret(statePrefix), secrets{Nonce: ids.Secret("n"), Verifier: ids.Secret("v")}
	party, err := p.party(provider, doc, "", s.Origin+CallbackPath(provider.ID), own.Nonce)
	if err != nil {
		return "", fmt.Errorf("prepare sign-in: %w", err)
	}
	err = p.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		now := tx.Now()
		row := signInRow{
			TenantID: tx.Tenant(), StateHash: ids.Hash(state), ProviderID: provider.ID, BrowserHash: ids.Hash(s.Browser), AttemptID: s.Attempt,
			CreatedAt: now, ExpiresAt: now.Add(SignInLife),
		}
		raw, err := json.Marshal(own)
		if err != nil {
			return err
		}
		if row.Secrets, err = tx.Seal("provider_sign_ins", "secrets", row.StateHash, raw); err != nil {
			return err
		}
		return tx.DB().Create(&row).Error
	})
	if err != nil {
		return "", fmt.Errorf("store sign-in: %w", err)
	}
	return party.authURL(state, own.Nonce, own.Verifier), nil
}

// For gives the provider of a page: one that is on, or any with a trial's ticket.
func (p *Providers) For(ctx context.Context, h tenancy.Handle, id, trial string) (provider Provider, err error) {
	err = p.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		if provider, err = Get(tx, id); err != nil {
			return err
		}
		if trial != "" {
			return checkTrial(tx, id, trial)
		}
		if !provider.Enabled {
			return errNoProvider
		}
		return nil
	})
	return provider, err
}

// FormSources are the places that the form which begins a sign-in may lead to, as CSP
// sources; none where the provider does not answer.
func (p *Providers) FormSources(ctx context.Context, provider Provider) []string {
	doc, err := p.discover(ctx, provider.Issuer)
	if err != nil {
		return nil
	}
	return formSources(doc.Authorization)
}

// Answer is what came back at a provider's callback.
type Answer struct {
	ProviderID string // from the callback's path
	Query      url.Values
	Browser    string
	Origin     string
}

// Result is a sign-in that went well.
type Result struct {
	// Attempt goes on now, with User signed in; empty in a trial.
	Attempt string
	User    User
	// Trial is what a trial found; nil in a real sign-in.
	Trial *Trial
}

// Finish checks a provider's answer in this order: the browser's own unused state, the
// issuer in the answer (RFC 9207), the provider's error; only then is the code sent
// anywhere. Errors: *Refused.
func (p *Providers) Finish(ctx context.Context, h tenancy.Handle, a Answer) (Result, error) {
	for _, values := range a.Query {
		if len(values) > 1 {
			return Result{}, errOver()
		}
	}
	provider, row, own, secret, err := p.claim(ctx, h, a)
	if err != nil {
		return Result{}, err
	}
	doc, err := p.discover(ctx, provider.Issuer)
	if err != nil {
		return Result{}, undiscovered(provider, err)
	}
	iss, code := a.Query.Get("iss"), a.Query.Get("code")
	switch {
	case a.Query.Has("iss") && iss != provider.Issuer, doc.IssuerInResponse && iss == "":
		return Result{}, broken(provider, "wrong_issuer", "it does not come from the provider that was asked", nil)
	case a.Query.Get("error") != "":
		return Result{}, answered(provider, a.Query.Get("error"))
	case code == "":
		return Result{}, broken(provider, "no_code", "it holds no code", nil)
	}
	party, err := p.party(provider, doc, secret, a.Origin+CallbackPath(provider.ID), own.Nonce)
	if err != nil {
		return Result{}, fmt.Errorf("prepare sign-in: %w", err)
	}
	who, err := p.identify(ctx, provider, party, code, own.Verifier)
	if err != nil {
		return Result{}, err
	}
	if row.AttemptID == trialAttempt {
		return Result{Trial: provider.trial(who)}, nil
	}
	result, refused := Result{Attempt: row.AttemptID}, (*Refused)(nil)
	err = p.db.Write(ctx, h, func(tx *tenancy.Tx) (err error) {
		// What an administrator changed since the beginning holds.
		now, err := Get(tx, provider.ID)
		if err != nil {
			return err
		}
		if !now.Enabled {
			return errNoProvider
		}
		result.User, refused, err = p.admit(tx, now, who)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("admit end user: %w", err)
	}
	if refused != nil {
		return Result{}, refused
	}
	return result, nil
}

// claim uses up the state: one browser, one provider, one tenant, once.
func (p *Providers) claim(ctx context.Context, h tenancy.Handle, a Answer) (provider Provider, row signInRow, own secrets, secret string, err error) {
	state := a.Query.Get("state")
	if a.Browser == "" || !ids.ValidSecret(statePrefix, state) || !ValidID(a.ProviderID) {
		return provider, row, own, "", errOver()
	}
	hash := ids.Hash(state)
	err = p.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		now := tx.Now()
		res := tx.DB().Model(&signInRow{}).
			Where("state_hash = ? AND provider_id = ? AND browser_hash = ? AND used_at IS NULL AND expires_at > ?", hash, a.ProviderID, ids.Hash(a.Browser), now).
			Updates(map[string]any{"used_at": &now})
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errOver()
		}
		if err := tx.DB().Where("state_hash = ?", hash).First(&row).Error; err != nil {
			return err
		}
		raw, err := tx.Open("provider_sign_ins", "secrets", hash, row.Secrets)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &own); err != nil {
			return err
		}
		stored, err := loadProvider(tx, a.ProviderID)
		if err != nil {
			return err
		}
		if row.AttemptID != trialAttempt && !stored.Enabled {
			return errNoProvider
		}
		opened, err := tx.Open("identity_providers", "client_secret", stored.ID, stored.ClientSecret)
		secret = string(opened)
		if err != nil {
			return err
		}
		provider, err = stored.provider()
		return err
	})
	if _, ok := errors.AsType[*Refused](err); err != nil && !ok && !errs.Is(err, errs.NotFound) {
		err = fmt.Errorf("claim sign-in: %w", err)
	}
	return provider, row, own, secret, err
}

// undiscovered is a provider whose metadata cannot be had.
func undiscovered(provider Provider, err error) *Refused {
	if errors.Is(err, errUnreachable) {
		return refuse("provider_unreachable", http502, strings.TrimSpace(provider.Name)+" does not answer.", "Try again in a moment. If it happens again, tell the workspace's owner.", err)
	}
	return broken(provider, "provider_metadata", "its metadata cannot be used", err)
}
