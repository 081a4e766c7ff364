package grants

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// Token types (RFC 8693, section 3).
const (
	typeAccessToken = "urn:ietf:params:oauth:token-type:access_token"
	typeJWT         = "urn:ietf:params:oauth:token-type:jwt"
)

const (
	// maxExchanged bounds how many exchanged tokens a process remembers.
	maxExchanged = 10_000
	// exchangedLife is how long one is remembered that does not say when it ends.
	exchangedLife = time.Minute
)

// exchanged remembers tokens of other audiences until they end. They are never stored.
type exchanged struct {
	mu     sync.Mutex
	tokens map[exchangeKey]Credential
}

type exchangeKey struct {
	tenant, profile, subject, audience, scopes string
	generation                                 int64
}

func (e *exchanged) get(k exchangeKey, now time.Time) (Credential, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.tokens[k]
	if ok && now.Add(skewOf(c, now)).Before(*c.ExpiresAt) {
		return c, true
	}
	delete(e.tokens, k)
	return Credential{}, false
}

func (e *exchanged) put(k exchangeKey, c Credential, now time.Time) {
	if c.ExpiresAt == nil {
		end := now.Add(exchangedLife)
		c.ExpiresAt = &end
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.tokens == nil {
		e.tokens = map[exchangeKey]Credential{}
	}
	for other, old := range e.tokens { // iteration over a map starts anywhere
		if len(e.tokens) < maxExchanged && now.Before(*old.ExpiresAt) {
			break
		}
		delete(e.tokens, other)
	}
	e.tokens[k] = c
}

// forget drops what was exchanged for a subject: it was refused.
func (e *exchanged) forget(tenant, profile, subject string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k := range e.tokens {
		if k.tenant == tenant && k.profile == profile && k.subject == subject {
			delete(e.tokens, k)
		}
	}
}

// skewOf is how much of a credential's remaining life is not used.
func skewOf(c Credential, now time.Time) time.Duration {
	return min(max(c.ExpiresAt.Sub(now)/10, minSkew), maxSkew)
}

// exchangeToken exchanges the grant's token for one of the audience of a runtime.
func (s *Service) exchangeToken(ctx context.Context, h tenancy.Handle, q Query, f found) (Credential, error) {
	key := exchangeKey{h.Tenant(), q.ProfileID, q.Subject, q.Audience, strings.Join(q.Scopes, " "), f.row.Generation}
	if c, ok := s.exchanged.get(key, s.now()); ok {
		return c, nil
	}
	config, err := s.configOf(ctx, h, q.ProfileID, f.row.ClientGeneration)
	if err != nil {
		return Credential{}, err
	}
	tokens, err := s.exchange(ctx, h, f.profile, config, func(ctx context.Context) (provider.Tokens, error) {
		return s.provider.TokenExchange(ctx, config, f.credential.Token, typeAccessToken, q.Audience, "", q.Scopes)
	})
	if err != nil {
		return Credential{}, refusedExchange(err, f, q)
	}
	c := f.credential
	c.Token, c.ExpiresAt, c.Scopes = tokens.Access, tokens.ExpiresAt, q.Scopes
	s.exchanged.put(key, c, s.now())
	return c, nil
}

// exchangeAssertion gets a token for a subject by an assertion of ours. There is no
// grant: the person never connects.
func (s *Service) exchangeAssertion(ctx context.Context, h tenancy.Handle, q Query, f found) (Credential, error) {
	rule := f.profile.Settings.Exchange
	audience, scopes := q.Audience, q.Scopes
	if audience == "" {
		audience = rule.Audience
	}
	if len(scopes) == 0 {
		scopes = rule.Scopes
	}
	key := exchangeKey{h.Tenant(), q.ProfileID, q.Subject, audience, strings.Join(scopes, " "), f.profile.Version}
	if c, ok := s.exchanged.get(key, s.now()); ok {
		return c, nil
	}
	config, err := s.configOf(ctx, h, q.ProfileID, 0)
	if err != nil {
		return Credential{}, err
	}
	to := config.Endpoints.Issuer
	if to == "" {
		to = config.Endpoints.Token
	}
	tokens, err := s.exchange(ctx, h, f.profile, config, func(ctx context.Context) (provider.Tokens, error) {
		assertion, err := s.signer.Assertion(ctx, h, q.Subject, to)
		if err != nil {
			return provider.Tokens{}, fmt.Errorf("sign assertion: %w", err)
		}
		return s.provider.TokenExchange(ctx, config, assertion, typeJWT, audience, rule.Resource, scopes)
	})
	if err != nil {
		return Credential{}, refusedExchange(err, f, q)
	}
	c := Credential{Token: tokens.Access, ExpiresAt: tokens.ExpiresAt, Scopes: scopes, Generation: f.profile.Version}
	s.exchanged.put(key, c, s.now())
	return c, nil
}

func (s *Service) configOf(ctx context.Context, h tenancy.Handle, profileID string, generation int) (config provider.Config, err error) {
	err = s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		config, err = profiles.Config(tx, profileID, generation, "")
		return err
	})
	if err != nil {
		return provider.Config{}, fmt.Errorf("exchange token: %w", err)
	}
	return config, nil
}

// refusedExchange is what a call gets whose token could not be exchanged. A person can
// help only where it is their own token that was refused.
func refusedExchange(err error, f found, q Query) error {
	answer, ok := errors.AsType[*provider.Error](err)
	if !ok {
		return fmt.Errorf("exchange token: %w", err)
	}
	switch answer.Kind {
	case provider.Limited, provider.Temporary:
		return waitFor(answer.RetryAfter, "The provider did not exchange the token.")
	case provider.Rejected, provider.Denied:
		if f.profile.Kind == profiles.KindOAuth {
			m := f.row.missing(f.profile, q.Scopes)
			m.Reason, m.ReasonText = reasonRefused, "The provider does not exchange the token of this connection."
			return m.refusal()
		}
	case provider.Misconfigured, provider.Invalid, provider.Unsupported:
	}
	return errs.E(errs.UpstreamFailed, "The provider refuses to exchange the token: "+answer.Public(), err)
}
