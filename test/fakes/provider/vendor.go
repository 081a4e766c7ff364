package provider

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

// vendor is where one has its endpoints, and how it departs from the standards.
type vendor struct {
	tenant                                                                           string
	issuer, authorize, token, revoke, userinfo, introspect, register, jwks, metadata string
	// oauthMetadata is RFC 8414's, where the vendor serves it.
	oauthMetadata string
	accessLife    time.Duration
	// auth are the client authentication methods that are accepted.
	auth []string
	// assertionAudience is "token_endpoint", "issuer" or "" for either.
	assertionAudience string
	// refuses are parameters that end an authorization or token request.
	refuses map[string]string
	// offline is the scope without which no refresh token comes.
	offline string
	// accessType wants access_type=offline, and gives a refresh token at the first consent
	// or with prompt=consent only.
	accessType bool
	// rotates replaces refresh tokens. One that was replaced is refused, and strict revokes
	// its family; lenient goes on accepting it.
	rotates, strict, lenient bool
	// noRefresh gives no refresh token at all.
	noRefresh bool
	// scopeOnRefresh refuses a refresh without scopes.
	scopeOnRefresh bool
	// forms answers a form unless JSON is asked for, errors200 errors with status 200.
	forms, errors200 bool
	// commas separates the scopes of answers.
	commas bool
	// textLives sends lives as text.
	textLives bool
	// opaque gives tokens that only userinfo takes, unless an audience is named.
	opaque bool
	// revokesRefresh says that access tokens cannot be revoked by themselves.
	revokesRefresh bool
	// idle is how long a refresh token without the offline scope works unused; announced
	// as refresh_expires_in.
	idle time.Duration
	// refreshLife is announced as refresh_token_expires_in.
	refreshLife time.Duration
	// full replaces scopes by their full names in answers.
	full map[string]string
	// hidden are scopes that answers do not list.
	hidden []string
	// refreshError and codeError are what a refused refresh token or code is called, invalid_grant where
	// they are empty; grantStatus is its status, 400 where it is 0.
	refreshError, codeError string
	grantStatus             int
	// iss adds the issuer to authorization responses.
	iss bool
	// github has numeric ids in place of sub, and an API of its own to revoke with.
	github bool
	// pkce must be used.
	pkce bool
	// openidForUserinfo refuses userinfo to tokens without that scope.
	openidForUserinfo bool
	// oid is the claim of the directory's own id; sub is one per application.
	oid bool
}

const (
	hour = time.Hour
	day  = 24 * time.Hour
)

var vendors = map[string]vendor{
	"generic": {
		issuer: "https://id.example.com", authorize: "https://id.example.com/authorize", token: "https://id.example.com/token", revoke: "https://id.example.com/revoke",
		userinfo: "https://id.example.com/userinfo", introspect: "https://id.example.com/introspect", register: "https://id.example.com/register", jwks: "https://id.example.com/jwks",
		metadata: "https://id.example.com/.well-known/openid-configuration", oauthMetadata: "https://id.example.com/.well-known/oauth-authorization-server",
		accessLife: hour, auth: []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}, rotates: true, strict: true, iss: true, pkce: true,
	},
	"google": {
		issuer: "https://accounts.google.com", authorize: "https://accounts.google.com/o/oauth2/v2/auth", token: "https://oauth2.googleapis.com/token", revoke: "https://oauth2.googleapis.com/revoke",
		userinfo: "https://openidconnect.googleapis.com/v1/userinfo", jwks: "https://www.googleapis.com/oauth2/v3/certs", metadata: "https://accounts.google.com/.well-known/openid-configuration",
		accessLife: hour, auth: []string{"client_secret_post", "client_secret_basic"}, accessType: true,
		refuses: map[string]string{"resource": "invalid_request Parameter not allowed for this message type: resource", "audience": "invalid_request Parameter not allowed for this message type: audience"},
		full:    map[string]string{"email": "https://www.googleapis.com/auth/userinfo.email", "profile": "https://www.googleapis.com/auth/userinfo.profile"},
	},
	"github": {
		authorize: "https://github.com/login/oauth/authorize", token: "https://github.com/login/oauth/access_token", revoke: "https://api.github.com/applications/{client_id}/grant",
		userinfo: "https://api.github.com/user", auth: []string{"client_secret_post"}, noRefresh: true, forms: true, errors200: true, commas: true, github: true,
		refreshError: "bad_refresh_token", codeError: "bad_verification_code",
	},
	"github-app": {
		authorize: "https://github.com/login/oauth/authorize", token: "https://github.com/login/oauth/access_token", revoke: "https://api.github.com/applications/{client_id}/grant",
		userinfo: "https://api.github.com/user", auth: []string{"client_secret_post"}, forms: true, errors200: true, commas: true, github: true, textLives: true,
		accessLife: 8 * hour, refreshLife: 184 * day, rotates: true, refreshError: "bad_refresh_token", codeError: "bad_verification_code",
	},
	"entra": {
		tenant: "11111111-2222-3333-4444-555555555555", issuer: "https://login.microsoftonline.com/{tenant}/v2.0",
		authorize: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize", token: "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
		userinfo: "https://graph.microsoft.com/oidc/userinfo", jwks: "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
		metadata:   "https://login.microsoftonline.com/{tenant}/v2.0/.well-known/openid-configuration",
		accessLife: 75 * time.Minute, auth: []string{"client_secret_post", "client_secret_basic", "private_key_jwt"}, assertionAudience: "token_endpoint",
		refuses: map[string]string{"resource": "invalid_target AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes."},
		offline: "offline_access", rotates: true, lenient: true, scopeOnRefresh: true, hidden: []string{"offline_access", "openid", "profile", "email"}, oid: true,
	},
	"auth0": {
		tenant: "acme.eu.auth0.com", issuer: "https://{tenant}/", authorize: "https://{tenant}/authorize", token: "https://{tenant}/oauth/token", revoke: "https://{tenant}/oauth/revoke",
		userinfo: "https://{tenant}/userinfo", register: "https://{tenant}/oidc/register", jwks: "https://{tenant}/.well-known/jwks.json", metadata: "https://{tenant}/.well-known/openid-configuration",
		accessLife: day, auth: []string{"client_secret_post", "client_secret_basic", "private_key_jwt", "none"}, offline: "offline_access", opaque: true, revokesRefresh: true, grantStatus: 403,
	},
	"okta": {
		tenant: "default", issuer: "https://acme.okta.com/oauth2/{tenant}", authorize: "https://acme.okta.com/oauth2/{tenant}/v1/authorize", token: "https://acme.okta.com/oauth2/{tenant}/v1/token",
		revoke: "https://acme.okta.com/oauth2/{tenant}/v1/revoke", userinfo: "https://acme.okta.com/oauth2/{tenant}/v1/userinfo", introspect: "https://acme.okta.com/oauth2/{tenant}/v1/introspect",
		register: "https://acme.okta.com/oauth2/v1/clients", jwks: "https://acme.okta.com/oauth2/{tenant}/v1/keys", metadata: "https://acme.okta.com/oauth2/{tenant}/.well-known/openid-configuration",
		accessLife: hour, auth: []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}, assertionAudience: "token_endpoint", offline: "offline_access", rotates: true, strict: true, iss: true,
	},
	"keycloak": {
		tenant: "acme", issuer: "https://sso.example.com/realms/{tenant}", authorize: "https://sso.example.com/realms/{tenant}/protocol/openid-connect/auth",
		token: "https://sso.example.com/realms/{tenant}/protocol/openid-connect/token", revoke: "https://sso.example.com/realms/{tenant}/protocol/openid-connect/revoke",
		userinfo: "https://sso.example.com/realms/{tenant}/protocol/openid-connect/userinfo", introspect: "https://sso.example.com/realms/{tenant}/protocol/openid-connect/token/introspect",
		register: "https://sso.example.com/realms/{tenant}/clients-registrations/openid-connect", jwks: "https://sso.example.com/realms/{tenant}/protocol/openid-connect/certs",
		metadata:   "https://sso.example.com/realms/{tenant}/.well-known/openid-configuration",
		accessLife: 5 * time.Minute, auth: []string{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"}, assertionAudience: "issuer",
		idle: 30 * time.Minute, rotates: true, lenient: true, iss: true, openidForUserinfo: true,
	},
}

// hosts are the names in the vendor's addresses.
func (v vendor) hosts(tenant string) []string {
	out := []string{apiHost}
	for _, address := range []string{v.issuer, v.authorize, v.token, v.revoke, v.userinfo, v.jwks} {
		u, err := url.Parse(strings.NewReplacer("{tenant}", tenant, "{client_id}", "x").Replace(address))
		if err == nil && u.Host != "" && !slices.Contains(out, u.Hostname()) {
			out = append(out, u.Hostname())
		}
	}
	return out
}
