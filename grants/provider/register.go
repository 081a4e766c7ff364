package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	jsonv2 "github.com/go-json-experiment/json"

	"github.com/emcy/gateway/internal/secret"
)

// Registration is what our client says of itself (RFC 7591, section 2).
type Registration struct {
	RedirectURIs []string `json:"redirect_uris"`
	Name         string   `json:"client_name,omitempty"`
	URI          string   `json:"client_uri,omitempty"`
	// AuthMethod is one of the Auth constants; empty leaves it to the provider.
	AuthMethod string   `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes []string `json:"grant_types,omitempty"`
	Scope      string   `json:"scope,omitempty"`
	// JWKSURI or JWKS hold public keys, for AuthPrivateKey.
	JWKSURI string              `json:"jwks_uri,omitempty"`
	JWKS    *jose.JSONWebKeySet `json:"jwks,omitempty"`
	// InitialToken opens a registration that is not open to all (section 3).
	InitialToken secret.Text `json:"-"`
}

// Register makes our client at the provider (RFC 7591, section 3). The registration
// token and URI change or delete it later (RFC 7592); either may be empty. secretExpires
// is nil for a secret that does not expire. Errors: *Error; where its Sent is true, a
// client may have been made.
func (p *Provider) Register(ctx context.Context, c Config, r Registration) (made Client, registrationToken secret.Text, registrationURI string, secretExpires *time.Time, err error) {
	made, registrationToken, registrationURI, secretExpires, failed := p.register(ctx, c, r)
	return made, registrationToken, registrationURI, secretExpires, asError(failed)
}

func (p *Provider) register(ctx context.Context, c Config, r Registration) (Client, secret.Text, string, *time.Time, *Error) {
	none := secret.Text{}
	if c.Endpoints.Registration == "" {
		return Client{}, none, "", nil, missing("registration")
	}
	for i := range r.keys() {
		if !r.JWKS.Keys[i].IsPublic() {
			return Client{}, none, "", nil, &Error{Kind: Misconfigured, Code: "client_key", words: "A key that is to be registered is not public.", Cure: "Make a new key for the profile's client."}
		}
	}
	body, err := json.Marshal(struct {
		Registration
		ResponseTypes []string `json:"response_types"`
	}{r, []string{"code"}})
	if err != nil {
		return Client{}, none, "", nil, p.unusable("encode", "The registration could not be written.")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoints.Registration, bytes.NewReader(body))
	if err != nil {
		return Client{}, none, "", nil, misaddressed()
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if !r.InitialToken.Empty() {
		req.Header.Set("Authorization", "Bearer "+r.InitialToken.Reveal())
	}
	a, failed := p.call(ctx, req, r.InitialToken.Reveal())
	if failed != nil {
		return Client{}, none, "", nil, failed
	}
	if a.status != http.StatusCreated && a.status != http.StatusOK {
		e := p.refused(a)
		if a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
			e.Kind, e.words, e.Cure = Misconfigured, "The provider does not register clients for everybody.", "Type an initial access token, or register the client there by hand."
		}
		return Client{}, none, "", nil, e
	}
	return p.registered(a, r)
}

func (r Registration) keys() []jose.JSONWebKey {
	if r.JWKS == nil {
		return nil
	}
	return r.JWKS.Keys
}

// registered reads the answer (RFC 7591, section 3.2.1).
func (p *Provider) registered(a answer, r Registration) (Client, secret.Text, string, *time.Time, *Error) {
	var out struct {
		ID         any `json:"client_id"`
		Secret     any `json:"client_secret"`
		Expires    any `json:"client_secret_expires_at"`
		AuthMethod any `json:"token_endpoint_auth_method"`
		Token      any `json:"registration_access_token"`
		URI        any `json:"registration_client_uri"`
	}
	unusable := func() (Client, secret.Text, string, *time.Time, *Error) {
		return Client{}, secret.Text{}, "", nil, p.unusable("bad_registration", "The provider's answer to the registration cannot be used.")
	}
	if err := jsonv2.Unmarshal(a.body, &out); err != nil || !a.json() {
		return unusable()
	}
	id, okID := readToken(out.ID)
	key, okSecret := readToken(out.Secret)
	token, okToken := readToken(out.Token)
	if !okID || id.Empty() || !okSecret || !okToken {
		return unusable()
	}
	made := Client{ID: id.Reveal(), Secret: key, AuthMethod: r.AuthMethod}
	if method, ok := out.AuthMethod.(string); ok && method != "" {
		made.AuthMethod = method
	}
	if made.AuthMethod == "" {
		made.AuthMethod = AuthBasic // RFC 7591, section 2
	}
	switch made.AuthMethod {
	case AuthNone, AuthPrivateKey:
	case AuthBasic, AuthPost:
		if key.Empty() {
			return unusable()
		}
	default:
		return Client{}, secret.Text{}, "", nil, p.unusable("auth_method", "The provider registered the client with an authentication method that the gateway does not have.")
	}
	uri, _ := out.URI.(string)
	if _, err := p.out.CheckURL(uri); err != nil {
		uri = ""
	}
	var expires *time.Time
	if at, ok := out.Expires.(float64); ok && at >= 1 && at < 1<<40 {
		t := time.Unix(int64(at), 0).UTC()
		expires = &t
	}
	return made, token, uri, expires, nil
}
