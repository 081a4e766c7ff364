package vendors

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Connection is one replay: a profile before one MCP URL.
type Connection struct {
	Profile *Profile
	MCPURL  string
	// HTTP sends the client's own requests. It must not follow redirects.
	HTTP *http.Client
	// Allow is the person in the browser: it goes from the authorization URL to the redirect URI.
	Allow func(ctx context.Context, authorizeURL, redirectURI string) (*url.URL, error)
	// Port is where a client on the person's computer listens this time.
	Port int
	// Key signs private_key_jwt; its public half stands at the profile's jwks_uri.
	Key *ecdsa.PrivateKey
	// Now is the client's clock.
	Now func() time.Time

	resource     string
	issuer       string
	challenge    string
	scopes       []string // of the resource's metadata
	server       serverMetadata
	clientID     string
	clientSecret string
	redirectURI  string
	scope        string
	verifier     string
	access       string
	refresh      string
	session      string
}

type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	ScopesSupported      []string `json:"scopes_supported"`
}

type serverMetadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	RegistrationEndpoint  string   `json:"registration_endpoint"`
	ScopesSupported       []string `json:"scopes_supported"`
	ChallengeMethods      []string `json:"code_challenge_methods_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	CIMD                  bool     `json:"client_id_metadata_document_supported"`
	IssSupported          bool     `json:"authorization_response_iss_parameter_supported"`
}

// Run connects: from the 401 to a call with a refreshed token. The error says at which step it ended.
func (c *Connection) Run(ctx context.Context) error {
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"first request", c.first},
		{"discovery", c.discover},
		{"registration", c.register},
		{"authorization", c.authorize},
		{"use", c.use},
		{"refresh", c.renew},
		{"use after the refresh", c.use},
	} {
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %s: %w", c.Profile.Name, step.name, err)
		}
	}
	return nil
}

var (
	metadataIn = regexp.MustCompile(`resource_metadata="([^"]+)"`)
	scopeIn    = regexp.MustCompile(`scope="([^"]*)"`)
)

// first is the request that nobody has authorized: only a 401 with a challenge starts a sign-in.
func (c *Connection) first(ctx context.Context) error {
	first := c.Profile.First
	req, err := http.NewRequestWithContext(ctx, first.Method, c.MCPURL, bytes.NewReader(first.Body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	if first.Accept != "" {
		req.Header.Set("Accept", first.Accept)
	}
	if len(first.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close() // what it says is in the header
	challenge := res.Header.Get("WWW-Authenticate")
	if res.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Bearer ") {
		return fmt.Errorf("answers %d with the challenge %q", res.StatusCode, challenge)
	}
	found := metadataIn.FindStringSubmatch(challenge)
	if found == nil {
		return fmt.Errorf("the challenge names no resource_metadata: %q", challenge)
	}
	if scope := scopeIn.FindStringSubmatch(challenge); scope != nil {
		c.challenge = scope[1]
	}
	var doc resourceMetadata
	if err := c.getJSON(ctx, found[1], &doc); err != nil {
		return err
	}
	if !c.sameResource(doc.Resource) {
		return fmt.Errorf("the resource %q is not the address that was typed", doc.Resource)
	}
	if len(doc.AuthorizationServers) == 0 {
		return errors.New("the resource names no authorization server")
	}
	c.resource, c.issuer, c.scopes = doc.Resource, doc.AuthorizationServers[0], doc.ScopesSupported
	return nil
}

func (c *Connection) sameResource(resource string) bool {
	if c.Profile.Checks.Resource == "exact" {
		return resource == c.MCPURL
	}
	a, errA := url.Parse(resource)
	b, errB := url.Parse(c.MCPURL)
	return errA == nil && errB == nil && strings.EqualFold(a.Host, b.Host) && a.Scheme == b.Scheme && strings.TrimSuffix(a.Path, "/") == strings.TrimSuffix(b.Path, "/")
}

func (c *Connection) discover(ctx context.Context) error {
	typed, err := url.Parse(c.MCPURL)
	if err != nil {
		return err
	}
	var last error
	for _, path := range c.Profile.ServerMetadata {
		if last = c.getJSON(ctx, c.issuer+strings.ReplaceAll(path, "{path}", typed.Path), &c.server); last == nil {
			break
		}
	}
	if last != nil {
		return last
	}
	switch checks := c.Profile.Checks; {
	case checks.Issuer && c.server.Issuer != c.issuer:
		return fmt.Errorf("the metadata speaks for %q, not for %q", c.server.Issuer, c.issuer)
	case checks.S256 && !slices.Contains(c.server.ChallengeMethods, "S256"):
		return errors.New("the server does not list S256")
	}
	return nil
}

func (c *Connection) register(ctx context.Context) error {
	c.redirectURI = c.atPort(c.Profile.RedirectURI)
	for _, kind := range c.Profile.Registration {
		switch {
		case kind == "cimd" && c.server.CIMD && (!c.Profile.CIMD.NeedsNone || slices.Contains(c.server.AuthMethods, "none")):
			c.clientID = c.Profile.CIMD.ClientID
			return nil
		case kind == "dcr" && c.server.RegistrationEndpoint != "":
			return c.dcr(ctx)
		}
	}
	return errors.New("the server offers no registration that this client has")
}

func (c *Connection) dcr(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server.RegistrationEndpoint, strings.NewReader(c.atPort(string(c.Profile.DCR))))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	var out struct {
		ClientID     string   `json:"client_id"`
		ClientSecret *string  `json:"client_secret"`
		AuthMethod   string   `json:"token_endpoint_auth_method"`
		RedirectURIs []string `json:"redirect_uris"`
	}
	if err := c.json(req, http.StatusCreated, &out); err != nil {
		return err
	}
	var asked struct {
		AuthMethod string `json:"token_endpoint_auth_method"`
	}
	if err := json.Unmarshal(c.Profile.DCR, &asked); err != nil {
		return err
	}
	switch {
	case out.ClientID == "":
		return errors.New("there is no client_id")
	case out.AuthMethod != asked.AuthMethod:
		return fmt.Errorf("asked for %s, was given %s", asked.AuthMethod, out.AuthMethod)
	case asked.AuthMethod == "none" && out.ClientSecret != nil:
		return errors.New("a public client was given a secret") // and some then use it
	case asked.AuthMethod != "none" && (out.ClientSecret == nil || *out.ClientSecret == ""):
		return errors.New("there is no client_secret")
	case len(out.RedirectURIs) == 0:
		return errors.New("there are no redirect_uris")
	}
	c.clientID = out.ClientID
	if out.ClientSecret != nil {
		c.clientSecret = *out.ClientSecret
	}
	return nil
}

func (c *Connection) atPort(s string) string {
	return strings.ReplaceAll(s, "{port}", strconv.Itoa(c.Port))
}

func (c *Connection) wanted() string {
	var scope []string
	switch c.Profile.Scope {
	case "challenge":
		scope = strings.Fields(c.challenge)
	case "resource":
		scope = c.scopes
	case "server":
		scope = c.server.ScopesSupported
	case "none":
	default:
		scope = strings.Fields(c.Profile.Scope)
	}
	if c.Profile.Offline && slices.Contains(c.server.ScopesSupported, "offline_access") && !slices.Contains(scope, "offline_access") {
		scope = append(slices.Clone(scope), "offline_access")
	}
	return strings.Join(scope, " ")
}

func (c *Connection) authorize(ctx context.Context) error {
	c.verifier = rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(c.verifier))
	state := rand.Text()
	query := url.Values{
		"response_type": {"code"}, "client_id": {c.clientID}, "redirect_uri": {c.redirectURI}, "state": {state}, "resource": {c.resource},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if c.scope = c.wanted(); c.scope != "" {
		query.Set("scope", c.scope)
	}
	if c.Profile.Prompt != "" {
		query.Set("prompt", c.Profile.Prompt)
	}
	back, err := c.Allow(ctx, c.server.AuthorizationEndpoint+"?"+query.Encode(), c.redirectURI)
	if err != nil {
		return err
	}
	answer := back.Query()
	switch {
	case answer.Get("state") != state:
		return errors.New("the state that came back is another one")
	case c.Profile.Checks.Iss && (c.server.IssSupported || answer.Has("iss")) && answer.Get("iss") != c.issuer:
		return fmt.Errorf("the browser came back from %q", answer.Get("iss"))
	case answer.Get("code") == "":
		return fmt.Errorf("the browser came back with %s", answer.Encode())
	}
	return c.token(ctx, url.Values{
		"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {c.redirectURI}, "code_verifier": {c.verifier}, "resource": {c.resource},
	})
}

func (c *Connection) renew(ctx context.Context) error {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.refresh}}
	if c.Profile.Refresh.Resource {
		form.Set("resource", c.resource)
	}
	if c.Profile.Refresh.Scope && c.scope != "" {
		form.Set("scope", c.scope)
	}
	before := c.access
	if err := c.token(ctx, form); err != nil {
		return err
	}
	if c.access == before {
		return errors.New("the access token is still the old one")
	}
	return nil
}

func (c *Connection) token(ctx context.Context, form url.Values) error {
	form.Set("client_id", c.clientID)
	switch c.Profile.TokenAuth {
	case "client_secret_post":
		form.Set("client_secret", c.clientSecret)
	case "private_key_jwt":
		assertion, err := c.assertion()
		if err != nil {
			return err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var out struct {
		AccessToken  string `json:"access_token"`
		TokenType    string `json:"token_type"`
		RefreshToken string `json:"refresh_token"`
	}
	if err := c.json(req, http.StatusOK, &out); err != nil {
		return err
	}
	if out.AccessToken == "" || !strings.EqualFold(out.TokenType, "bearer") || out.RefreshToken == "" {
		return fmt.Errorf("a token of type %q, a refresh token of %d bytes", out.TokenType, len(out.RefreshToken))
	}
	c.access, c.refresh = out.AccessToken, out.RefreshToken
	return nil
}

func (c *Connection) getJSON(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	return c.json(req, http.StatusOK, into)
}

const maxAnswer = 1 << 20

func (c *Connection) json(req *http.Request, status int, into any) error {
	res, err := c.HTTP.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return err
	}
	media, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if res.StatusCode != status || err != nil || media != "application/json" {
		return fmt.Errorf("%s %s answers %d %s: %.300s", req.Method, req.URL.Path, res.StatusCode, media, body)
	}
	return json.Unmarshal(body, into)
}
