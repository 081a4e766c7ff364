package provider

import (
	"context"
	"net/url"

	"github.com/emcy/gateway/internal/secret"
)

// Exchange redeems a code, once (RFC 6749, section 4.1.3; RFC 7636, section 4.5). The
// verifier is the one of AuthorizeURL. Errors: *Error.
func (p *Provider) Exchange(ctx context.Context, c Config, code, verifier string) (Tokens, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.RedirectURI}}
	if !c.Style.NoPKCE {
		form.Set("code_verifier", verifier)
	}
	c.Style.target(form, onToken)
	return p.token(ctx, c, form)
}

// Refresh asks for new tokens (RFC 6749, section 6), once: whether to ask again is the
// caller's to know. The scopes are sent only where the style says so. An empty Refresh
// in what comes back means that the one that was sent goes on. Errors: *Error; where its
// Sent is true, the provider may have rotated the token although no answer came.
func (p *Provider) Refresh(ctx context.Context, c Config, refresh secret.Text, scopes []string) (Tokens, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}}
	if c.Style.ScopeOnRefresh {
		if scope := c.Style.scope(scopes); scope != "" {
			form.Set("scope", scope)
		}
	}
	c.Style.target(form, onRefresh)
	return p.token(ctx, c, form)
}

// Token types (RFC 8693, section 3).
const (
	TypeAccessToken = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // a name
	TypeJWT         = "urn:ietf:params:oauth:token-type:jwt"
	TypeIDToken     = "urn:ietf:params:oauth:token-type:id_token" //nolint:gosec // a name
)

// TokenExchange asks for an access token of the subject that a token names (RFC 8693,
// section 2.1). audience and resource are in place of the style's, empty sends none. Errors: *Error.
func (p *Provider) TokenExchange(ctx context.Context, c Config, subject secret.Text, subjectType, audience, resource string, scopes []string) (Tokens, error) {
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {subject.Reveal()}, "subject_token_type": {subjectType},
		"requested_token_type": {TypeAccessToken},
	}
	c.Style.Audience, c.Style.Resource, c.Style.ResourceOn, c.Style.OfflineScope = audience, resource, nil, ""
	c.Style.target(form, onToken)
	if scope := c.Style.scope(scopes); scope != "" {
		form.Set("scope", scope)
	}
	t, failed := p.askTokens(ctx, c, form, true)
	if failed != nil {
		return Tokens{}, failed
	}
	return t, nil
}

func (p *Provider) token(ctx context.Context, c Config, form url.Values) (Tokens, error) {
	t, failed := p.askTokens(ctx, c, form, false)
	if failed != nil {
		return Tokens{}, failed
	}
	return t, nil
}

func (p *Provider) askTokens(ctx context.Context, c Config, form url.Values, exchange bool) (Tokens, *Error) {
	if c.Endpoints.Token == "" {
		return Tokens{}, missing("token")
	}
	extra(form, c.Style.Token)
	a, failed := p.post(ctx, c, c.Endpoints.Token, form)
	if failed != nil {
		return Tokens{}, failed
	}
	return p.tokens(c, a, exchange)
}
