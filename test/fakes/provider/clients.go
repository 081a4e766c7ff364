package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// client is one that is registered.
type client struct {
	id, secret   string
	redirects    []string
	keys         *jose.JSONWebKeySet
	keysURL      string
	public       bool
	registration string // its access token
}

func (c *client) mayReturn(to string) bool {
	u, err := url.Parse(to)
	return err == nil && u.IsAbs() && (c.redirects == nil || slices.Contains(c.redirects, to))
}

// clientOf finds a client: a registered one, or at a server that supports them, a
// document that the client id is the address of.
func (p *Provider) clientOf(ctx context.Context, id string) (*client, string) {
	p.mu.Lock()
	c, ok := p.clients[id]
	p.mu.Unlock()
	if ok {
		return c, ""
	}
	if !p.vendor.pkce || !strings.HasPrefix(id, "http") {
		return nil, "unknown client"
	}
	var doc struct {
		ClientID  string              `json:"client_id"`
		Redirects []string            `json:"redirect_uris"`
		Auth      string              `json:"token_endpoint_auth_method"`
		KeysURL   string              `json:"jwks_uri"`
		Keys      *jose.JSONWebKeySet `json:"jwks"`
	}
	if err := getJSON(ctx, id, &doc); err != nil {
		return nil, "its document cannot be read: " + err.Error()
	}
	if doc.ClientID != id {
		return nil, "its document names another client"
	}
	return &client{id: id, redirects: append([]string{}, doc.Redirects...), keys: doc.Keys, keysURL: doc.KeysURL, public: doc.Auth == "none"}, ""
}

func getJSON(ctx context.Context, address string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return json.NewDecoder(res.Body).Decode(to)
}

// authenticate finds out which client asks, by the methods that the vendor has.
func (p *Provider) authenticate(r *http.Request) (*client, error) {
	id, secret, method := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), "none"
	assertion := r.PostForm.Get("client_assertion")
	if user, password, ok := r.BasicAuth(); ok {
		var errID, errSecret error
		id, errID = url.QueryUnescape(user)
		secret, errSecret = url.QueryUnescape(password)
		if method = "client_secret_basic"; errID != nil || errSecret != nil || r.PostForm.Has("client_secret") {
			return nil, errors.New("two ways at once")
		}
	} else if secret != "" {
		method = "client_secret_post"
	} else if assertion != "" {
		method = "private_key_jwt"
	}
	if !slices.Contains(p.vendor.auth, method) {
		return nil, errors.New("the method " + method + " is not supported")
	}
	c, problem := p.clientOf(r.Context(), id)
	if problem != "" {
		return nil, errors.New(problem)
	}
	p.mu.Lock()
	known := c.secret
	p.mu.Unlock()
	switch {
	case method == "private_key_jwt":
		return c, p.checkAssertion(r.Context(), c, assertion)
	case c.keys != nil || c.keysURL != "":
		return nil, errors.New("this client proves itself by its key")
	case method == "none" && c.public:
		return c, nil
	case method == "none" || c.public || known != secret:
		return nil, errors.New("wrong secret")
	}
	return c, nil
}

// checkAssertion verifies a private_key_jwt (RFC 7523, section 3).
func (p *Provider) checkAssertion(ctx context.Context, c *client, raw string) error {
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA})
	if err != nil {
		return err
	}
	keys := c.keys
	if keys == nil && c.keysURL != "" {
		keys = &jose.JSONWebKeySet{}
		if err := getJSON(ctx, c.keysURL, keys); err != nil {
			return fmt.Errorf("keys of the client: %w", err)
		}
	}
	if keys == nil {
		return errors.New("this client has no key")
	}
	var claims jwt.Claims
	if err := token.Claims(keys, &claims); err != nil {
		return err
	}
	audiences := map[string][]string{"token_endpoint": {p.Token}, "issuer": {p.Issuer}, "": {p.Token, p.Issuer}}[p.vendor.assertionAudience]
	now := p.settings.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case claims.Issuer != c.id || claims.Subject != c.id:
		return errors.New("iss and sub must be the client")
	case len(claims.Audience) != 1 || !slices.Contains(audiences, claims.Audience[0]):
		return errors.New("the assertion is for somebody else")
	case claims.Expiry == nil || !claims.Expiry.Time().After(now) || claims.IssuedAt == nil || claims.Expiry.Time().Sub(claims.IssuedAt.Time()) > 5*60*1e9:
		return errors.New("the assertion is over, or lives too long")
	case claims.ID == "" || p.used[claims.ID]:
		return errors.New("the assertion was used before")
	}
	p.used[claims.ID] = true
	return nil
}
