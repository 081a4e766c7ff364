package pages

import (
	"slices"

	"github.com/emcy/gateway/ui/kit"
)

// profileClientForm is what the client's fields need, in either form.
type profileClientForm struct {
	Kind, ID, AuthMethod, KeyAlg string
	Errors                       FieldErrors
}

// endpointFields are the fields of endpoints that are typed by hand.
var endpointFields = []string{
	"authorization_endpoint", "token_endpoint", "revocation_endpoint", "userinfo_endpoint", "introspection_endpoint", "registration_endpoint", "jwks_uri",
}

// advancedFields are the fields of the fold about the standards.
var advancedFields = []string{
	"resource", "audience", "resource_on", "scope_separator", "offline_scope", "authorize_params", "token_params", "rotates", "default_life", "refresh_life", "revoke_with", "assertion_audience",
}

// profileFields are the form's fields, in order.
var profileFields = slices.Concat(
	[]string{"name", "key_label", "key_help", "key_header", "key_format", "key_check_url", "discovery", "issuer", "resource_url"}, endpointFields,
	[]string{"exchange_audience", "exchange_resource", "client_kind", "client_id", "auth_method", "client_secret", "initial_token", "key_alg", "scopes"},
	[]string{"match", "identity_from", "identity_url", "identity_id", "identity_name", "identity_email", "identity_email_verified", "keep_alive"}, advancedFields,
)

func profileSub(p ProfileFormPage) string {
	switch {
	case p.Edit:
		return "Changes apply to every runtime that the profile is attached to."
	case p.Values.Kind == "api_key":
		return "Each person types in a key of their own; it is stored encrypted, and the runtime gets it with their calls."
	case p.Values.Kind == "exchange":
		return "The provider gives a token for a person in exchange for the gateway's signed assertion (RFC 8693). Nobody has to connect."
	}
	return "Register the gateway at the provider as a web application, with the redirect URI below and the authorization code grant."
}

func otherScopes(p ProfileFormPage) string {
	if len(p.Known) > 0 {
		return "More scopes"
	}
	return "Allowed scopes"
}

func anyError(p ProfileFormPage, fields ...string) bool {
	return slices.ContainsFunc(fields, func(name string) bool { return p.Errors[name] != "" })
}

func discoveryOpen(p ProfileFormPage) bool {
	return p.Values.Preset == "generic" || p.Values.Issuer == "" && p.Values.Discovery != "manual" || anyError(p, "discovery", "issuer", "resource_url") || endpointsOpen(p) && anyError(p, endpointFields...)
}

func endpointsOpen(p ProfileFormPage) bool {
	return p.Values.Discovery == "manual" || anyError(p, endpointFields...)
}

func manualEndpoints(p ProfileFormPage) []kit.FieldSpec {
	v := p.Values
	out := []kit.FieldSpec{
		{Name: "authorization_endpoint", Label: "Authorization endpoint", Value: v.Authorization},
		{Name: "token_endpoint", Label: "Token endpoint", Value: v.Token},
		{Name: "revocation_endpoint", Label: "Revocation endpoint", Value: v.Revocation, Optional: true},
		{Name: "userinfo_endpoint", Label: "Userinfo endpoint", Value: v.UserInfo, Optional: true},
		{Name: "introspection_endpoint", Label: "Introspection endpoint", Value: v.Introspection, Optional: true},
		{Name: "registration_endpoint", Label: "Registration endpoint", Value: v.Registration, Optional: true},
		{Name: "jwks_uri", Label: "Key set", Value: v.JWKS, Optional: true},
	}
	for i := range out {
		out[i].Type, out[i].InputMode, out[i].Mono, out[i].MaxLength, out[i].Error = "url", "url", true, 2048, p.Errors[out[i].Name]
	}
	return out
}

// resourceOnHas says whether a request carries the resource: all do where none is named.
func resourceOnHas(p ProfileFormPage, where string) bool {
	return len(p.Values.ResourceOn) == 0 || slices.Contains(p.Values.ResourceOn, where)
}

var (
	discoveryKinds = []kit.Option{
		{Value: "issuer", Text: "From its issuer", Hint: "The issuer publishes metadata that names them (OAuth or OpenID Connect)."},
		{Value: "resource", Text: "From a runtime", Hint: "The runtime is an OAuth resource itself and names its authorization server."},
		{Value: "manual", Text: "Typed by hand", Hint: "For a provider without metadata."},
	}
	matchKinds = []kit.Option{
		{Value: "any", Text: "Any account of theirs", Hint: "People choose at the provider. A later connection must be the same account."},
		{Value: "email", Text: "Only the one with their e-mail address", Hint: "The provider's verified address must be the one that they are signed in with here."},
	}
	identityKinds = []kit.Option{
		{Value: "", Text: "ID token, else userinfo"},
		{Value: "id_token", Text: "ID token"},
		{Value: "userinfo", Text: "Userinfo endpoint"},
		{Value: "introspection", Text: "Introspection endpoint"},
		{Value: "none", Text: "Nowhere: the account is not known"},
	}
	separatorKinds = []kit.Option{
		{Value: "", Text: "A space (the standard)"}, {Value: ",", Text: "A comma"}, {Value: "+", Text: "A plus sign"}, {Value: ";", Text: "A semicolon"}, {Value: "|", Text: "A vertical bar"},
	}
	rotateKinds    = []kit.Option{{Value: "", Text: "Not known: its answers tell"}, {Value: "yes", Text: "Always"}, {Value: "no", Text: "Never"}}
	revokeKinds    = []kit.Option{{Value: "", Text: "The refresh token"}, {Value: "access_token", Text: "The access token"}, {Value: "both", Text: "Both"}, {Value: "github", Text: "The whole authorization, by GitHub's own API"}}
	assertionKinds = []kit.Option{{Value: "", Text: "The token endpoint"}, {Value: "issuer", Text: "The issuer"}}
	resourceKinds  = []kit.Option{{Value: "authorize", Text: "the authorization request"}, {Value: "token", Text: "the code exchange"}, {Value: "refresh", Text: "every refresh"}}

	clientKindsThere = []kit.Option{
		{Value: "preregistered", Text: "I registered it there", Hint: "You have a client ID, and usually a secret."},
		{Value: "cimd", Text: "By a metadata document (CIMD)", Hint: "The client ID is a URL of this workspace, where the provider reads what the gateway is. The provider has to support that."},
		{Value: "dcr", Text: "It registers itself", Hint: "Dynamic client registration (DCR, RFC 7591). The provider has to support that."},
	}
	authKindsThere = []kit.Option{
		{Value: "client_secret_basic", Text: "A secret, in the Authorization header"},
		{Value: "client_secret_post", Text: "A secret, in the request's body"},
		{Value: "private_key_jwt", Text: "A signature by the gateway's key (private_key_jwt)"},
		{Value: "none", Text: "Nothing (public client with PKCE)"},
	}
	keyAlgs = []kit.Option{{Value: "ES256", Text: "ES256"}, {Value: "RS256", Text: "RS256, for providers such as Auth0"}}
)
