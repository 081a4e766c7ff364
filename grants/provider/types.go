package provider

import (
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/internal/secret"
)

// Endpoints are what an authorization server's metadata names (RFC 8414, section 2;
// OpenID Connect Discovery, section 3), or what was typed in. Its JSON is ours.
type Endpoints struct {
	Issuer        string `json:"issuer,omitempty"`
	Authorization string `json:"authorization,omitempty"`
	Token         string `json:"token,omitempty"`
	// Revocation may hold {client_id}, which is replaced.
	Revocation    string `json:"revocation,omitempty"`
	UserInfo      string `json:"userinfo,omitempty"`
	Introspection string `json:"introspection,omitempty"`
	Registration  string `json:"registration,omitempty"`
	JWKS          string `json:"jwks,omitempty"`
	// IssuerInResponse says that authorization responses carry iss (RFC 9207, section 3).
	IssuerInResponse bool `json:"issuer_in_response,omitempty"`
	// AuthMethods are for the token endpoint; none said is client_secret_basic.
	AuthMethods []string `json:"auth_methods,omitempty"`
	GrantTypes  []string `json:"grant_types,omitempty"`
	Scopes      []string `json:"scopes,omitempty"`
	// SigningAlgs are of ID tokens; none said is RS256.
	SigningAlgs []string `json:"signing_algs,omitempty"`
	// ChallengeMethods are of PKCE; none said is unknown.
	ChallengeMethods []string `json:"challenge_methods,omitempty"`
	// CIMD says that a client id may be the address of a document.
	CIMD bool `json:"cimd,omitempty"`
}

// Client authentication methods (RFC 7591, section 2; RFC 7523, section 2.2).
const (
	AuthNone       = "none"
	AuthBasic      = "client_secret_basic"
	AuthPost       = "client_secret_post"
	AuthPrivateKey = "private_key_jwt"
)

// Client is our client at the provider.
type Client struct {
	ID string
	// AuthMethod is one of the Auth constants; empty is AuthBasic with a secret, AuthNone without.
	AuthMethod string
	Secret     secret.Text
	// Key is private and signs assertions. With certificates in it, its thumbprint is
	// named as well (x5t#S256), which Microsoft Entra asks for.
	Key *jose.JSONWebKey
}

// Config is everything about one profile that a call needs.
type Config struct {
	Endpoints   Endpoints
	Style       Style
	Client      Client
	RedirectURI string
}

// Tokens is a successful answer of a token endpoint (RFC 6749, section 5.1).
type Tokens struct {
	Access secret.Text
	// Refresh is empty where none came: after a refresh, the one that was sent goes on.
	Refresh secret.Text
	// Type is "Bearer": any other is an error, because it could not be used.
	Type string
	// ExpiresAt is nil for a token that does not expire as far as anyone said.
	ExpiresAt *time.Time
	// RefreshExpiresAt is nil where it is not known.
	RefreshExpiresAt *time.Time
	// Scope is what was granted; nil where the answer says nothing, which means what was
	// asked for (RFC 6749, section 5.1), or at a refresh what was granted before (section
	// 6). It never holds the style's OfflineScope, and holds openid where an ID token came.
	Scope   []string
	IDToken secret.Text
}

// Account is who the tokens belong to, at the provider.
type Account struct {
	// ID never changes. It is empty only where the identity rule is "none".
	ID    string
	Name  string
	Email string
	// EmailVerified is false unless the provider says true.
	EmailVerified bool
	// Claims are all that came. Show them through Redact only.
	Claims map[string]any
}

// Resource is an upstream that is an OAuth resource itself (RFC 9728, section 2).
type Resource struct {
	// Resource is its identifier, which goes into resource=.
	Resource string
	// Servers are the issuers that it accepts tokens of, in its order.
	Servers []string
	Scopes  []string
	Name    string
}
