package clients

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/outbound"
)

const maxRedirects = 10

// Metadata is a registration request and its answer (RFC 7591, section 2). It lists
// what a client may choose; everything else in a request is ignored.
type Metadata struct {
	RedirectURIs            []string       `json:"redirect_uris"`
	ClientName              string         `json:"client_name,omitempty"`
	ClientURI               string         `json:"client_uri,omitempty"`
	ApplicationType         string         `json:"application_type,omitempty"`
	TokenEndpointAuthMethod string         `json:"token_endpoint_auth_method,omitempty"`
	GrantTypes              []string       `json:"grant_types,omitempty"`
	ResponseTypes           []string       `json:"response_types,omitempty"`
	Scope                   string         `json:"scope,omitempty"`
	SoftwareID              string         `json:"software_id,omitempty"`
	SoftwareVersion         string         `json:"software_version,omitempty"`
	JWKS                    jsontext.Value `json:"jwks,omitempty"`
	JWKSURI                 string         `json:"jwks_uri,omitempty"`
	DPoPBound               bool           `json:"dpop_bound_access_tokens,omitempty"`
	RequirePAR              bool           `json:"require_pushed_authorization_requests,omitempty"`
	SoftwareStatement       jsontext.Value `json:"software_statement,omitempty"`
}

func refuseMetadata(code, format string, args ...any) *oplib.Error {
	return &oplib.Error{Code: code, Description: fmt.Sprintf(format, args...)}
}

// accept applies the defaults first, keeps the acceptable redirect URIs, and replaces
// what this server does not offer (RFC 7591, section 2: the server may).
func (m Metadata) accept(c *outbound.Client, s settings.Settings) (Metadata, *oplib.Error) {
	if present(m.SoftwareStatement) {
		return m, refuseMetadata("unapproved_software_statement", "Software statements are not trusted here: register without one.")
	}
	uris, refused := m.redirects(s)
	if refused != nil {
		return m, refused
	}
	out := Metadata{
		RedirectURIs: uris, ClientName: cleanName(m.ClientName), ClientURI: webURL(m.ClientURI), ApplicationType: "native",
		GrantTypes: acceptedGrants(m.GrantTypes), ResponseTypes: []string{"code"},
		SoftwareID: cut(cleanText(m.SoftwareID), 128), SoftwareVersion: cut(cleanText(m.SoftwareVersion), 64),
	}
	if m.ApplicationType == "web" {
		out.ApplicationType = "web"
	}
	out.DPoPBound = m.DPoPBound && s.DPoP != settings.Never
	out.RequirePAR = m.RequirePAR && s.PAR != settings.Never
	return out, m.acceptMethod(c, &out)
}

func (m Metadata) redirects(s settings.Settings) ([]string, *oplib.Error) {
	if len(m.RedirectURIs) == 0 {
		return nil, refuseMetadata("invalid_redirect_uri", "redirect_uris is missing.")
	}
	if len(m.RedirectURIs) > maxRedirects {
		return nil, refuseMetadata("invalid_redirect_uri", "At most %d redirect_uris.", maxRedirects)
	}
	uris := registrable(m.RedirectURIs)
	if len(uris) == 0 {
		return nil, refuseMetadata("invalid_redirect_uri", "None of the redirect_uris can be used: https, http on localhost, 127.0.0.1 or [::1], or a private-use scheme with a dot in it.")
	}
	allowed := slices.DeleteFunc(uris, func(uri string) bool { return !registrationAllows(s, uri) })
	if len(allowed) == 0 {
		return nil, refuseMetadata("invalid_redirect_uri", "This workspace takes registrations for other redirect_uris only. An administrator can add yours.")
	}
	return allowed, nil
}

// registrationAllows says whether the tenant's mode of registration takes a redirect URI.
func registrationAllows(s settings.Settings, uri string) bool {
	u, ok := parseRedirect(uri)
	if !ok {
		return false
	}
	switch s.DCR { //nolint:exhaustive // the others are no modes of registration
	case settings.On:
		return true
	case settings.Loopback:
		return u.Scheme == "http" && isLoopback(u)
	case settings.Listed:
		// What stands where a private scheme has its host is anybody's to write.
		return (u.Scheme == "https" || u.Scheme == "http") && slices.Contains(s.DCRHosts, u.Hostname())
	}
	return false
}

// acceptedGrants are those of self-registered clients; one that acts for itself is
// entered by somebody in the console.
func acceptedGrants(asked []string) []string {
	out := slices.Clone(usual)
	for _, grant := range []string{GrantDevice, GrantJWTBearer} {
		if slices.Contains(asked, grant) {
			out = append(out, grant)
		}
	}
	return out
}

// acceptMethod chooses how the client proves itself. Where it says nothing, the default
// of RFC 7591 holds for what runs on a server; what runs on a person's machine keeps no
// secret (RFC 8252, section 8.5).
func (m Metadata) acceptMethod(c *outbound.Client, out *Metadata) *oplib.Error {
	out.TokenEndpointAuthMethod = m.TokenEndpointAuthMethod
	if m.TokenEndpointAuthMethod == "" {
		out.TokenEndpointAuthMethod = AuthNone
		if slices.ContainsFunc(out.RedirectURIs, isWeb) {
			out.TokenEndpointAuthMethod = AuthBasic
		}
	}
	if present(m.JWKS) && m.JWKSURI != "" {
		return refuseMetadata("invalid_client_metadata", "Send jwks or jwks_uri, not both.")
	}
	switch out.TokenEndpointAuthMethod {
	case AuthNone, AuthBasic, AuthPost:
		return nil
	case AuthPrivateKey:
		if err := checkKeys(c, m.JWKS, m.JWKSURI); err != nil {
			return refuseMetadata("invalid_client_metadata", "For private_key_jwt: %s.", err)
		}
		out.JWKS, out.JWKSURI = m.JWKS, m.JWKSURI
		return nil
	}
	return refuseMetadata("invalid_client_metadata", "token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or private_key_jwt.")
}

func isWeb(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Scheme == "https"
}

// present tells a JSON member that is there and not null.
func present(v jsontext.Value) bool { return len(v) > 0 && v.Kind() != 'n' }
