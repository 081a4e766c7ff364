package provider

import (
	"time"

	"github.com/go-jose/go-jose/v4"
)

type settings struct {
	vendor      string
	tenant      string
	vendorHosts bool
	now         func() time.Time
	accessLife  time.Duration
	grace       time.Duration
	rotate      *bool
	resources   []string
	audience    string
	scopes      []string
	redirects   []string
	keys        *jose.JSONWebKeySet
	initial     string
	answer      func(map[string]any)
	claims      func(map[string]any)
	metadata    func(map[string]any)
}

// Option changes a provider before it starts.
type Option func(*settings)

// As makes it behave as a vendor: "google", "github", "github-app", "entra", "auth0",
// "okta", "keycloak" or "generic", which is the default.
func As(vendor string) Option { return func(s *settings) { s.vendor = vendor } }

// Tenant is the directory, realm or authorization server in the issuer's path.
func Tenant(name string) Option { return func(s *settings) { s.tenant = name } }

// VendorHosts serves the vendor's own addresses (https://github.com/...) with a
// certificate for them: dial with ConnectTo and trust RootCAs.
func VendorHosts() Option { return func(s *settings) { s.vendorHosts = true } }

// Now replaces the clock, except for ID tokens, which libraries check by the machine's.
func Now(now func() time.Time) Option { return func(s *settings) { s.now = now } }

// AccessLife is how long access tokens work; 0 gives ones without expires_in.
func AccessLife(d time.Duration) Option { return func(s *settings) { s.accessLife = d } }

// Grace lets a refresh token that was rotated be used again for a while: the same
// successor comes back. The default is none, with the family revoked at once.
func Grace(d time.Duration) Option { return func(s *settings) { s.grace = d } }

// Rotate turns rotation with reuse detection on or off where the vendor leaves it to its
// customers.
func Rotate(on bool) Option { return func(s *settings) { s.rotate = &on } }

// Resources are the only values of resource= that are accepted (generic).
func Resources(uris ...string) Option { return func(s *settings) { s.resources = uris } }

// Audience is the API that auth0 knows.
func Audience(id string) Option { return func(s *settings) { s.audience = id } }

// Scopes are the only ones that are known; any is where there are none.
func Scopes(scopes ...string) Option { return func(s *settings) { s.scopes = scopes } }

// Redirects are the only redirect URIs of the first client; any is where there are none.
func Redirects(uris ...string) Option { return func(s *settings) { s.redirects = uris } }

// ClientKeys are the first client's public keys: it proves itself by private_key_jwt only.
func ClientKeys(keys jose.JSONWebKeySet) Option { return func(s *settings) { s.keys = &keys } }

// InitialToken is what registration asks for (RFC 7591, section 3).
func InitialToken(token string) Option { return func(s *settings) { s.initial = token } }

// Answer changes each token answer before it is sent.
func Answer(change func(map[string]any)) Option { return func(s *settings) { s.answer = change } }

// Claims changes the claims of each ID token.
func Claims(change func(map[string]any)) Option { return func(s *settings) { s.claims = change } }

// Metadata changes the metadata document.
func Metadata(change func(map[string]any)) Option { return func(s *settings) { s.metadata = change } }
