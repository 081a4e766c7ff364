package oplib

import (
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// client is what the library wants to know of a client. It was checked before, so
// its registered redirect URI is the one requested.
type client struct {
	id       string
	method   string
	grants   []string
	redirect string
	asked    AuthorizeRequest
}

func (c *client) GetID() string                      { return c.id }
func (c *client) RedirectURIs() []string             { return []string{c.redirect} }
func (*client) PostLogoutRedirectURIs() []string     { return nil }
func (*client) ApplicationType() op.ApplicationType  { return op.ApplicationTypeNative }
func (c *client) AuthMethod() oidc.AuthMethod        { return oidc.AuthMethod(c.method) }
func (*client) ResponseTypes() []oidc.ResponseType   { return []oidc.ResponseType{oidc.ResponseTypeCode} }
func (*client) LoginURL(string) string               { return "" }
func (*client) AccessTokenType() op.AccessTokenType  { return op.AccessTokenTypeJWT }
func (*client) IDTokenLifetime() time.Duration       { return 0 }
func (*client) DevMode() bool                        { return false }
func (*client) IsScopeAllowed(string) bool           { return true }
func (*client) IDTokenUserinfoClaimsAssertion() bool { return false }
func (*client) ClockSkew() time.Duration             { return 0 }
func (c *client) GrantTypes() []oidc.GrantType {
	out := make([]oidc.GrantType, len(c.grants))
	for i, g := range c.grants {
		out[i] = oidc.GrantType(g)
	}
	return out
}
func (*client) RestrictAdditionalIdTokenScopes() func([]string) []string     { return same }
func (*client) RestrictAdditionalAccessTokenScopes() func([]string) []string { return same }

func same(s []string) []string { return s }
