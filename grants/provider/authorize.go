package provider

import (
	"net/url"

	"golang.org/x/oauth2"
)

// AuthorizeURL is where the browser goes (RFC 6749, section 4.1.1; RFC 7636, section
// 4.3, always S256). nonce may be empty; it is sent where the scopes ask for an ID token.
// Errors: *Error for an endpoint that is missing or no URL.
func (p *Provider) AuthorizeURL(c Config, scopes []string, state, nonce, verifier string) (string, error) {
	if c.Endpoints.Authorization == "" {
		return "", missing("authorization")
	}
	u, err := p.out.CheckURL(c.Endpoints.Authorization)
	if err != nil {
		return "", p.unanswered(err, false)
	}
	// What the endpoint's own query holds stays (RFC 6749, section 3.1), under what is ours.
	query := u.Query()
	own := url.Values{"response_type": {"code"}, "client_id": {c.Client.ID}, "redirect_uri": {c.RedirectURI}, "state": {state}}
	if scope := c.Style.scope(scopes); scope != "" {
		own.Set("scope", scope)
	}
	if nonce != "" {
		own.Set("nonce", nonce)
	}
	if !c.Style.NoPKCE {
		own.Set("code_challenge", oauth2.S256ChallengeFromVerifier(verifier))
		own.Set("code_challenge_method", "S256")
	}
	c.Style.target(own, onAuthorize)
	extra(own, c.Style.Authorize)
	for name, values := range own {
		query[name] = values
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}
