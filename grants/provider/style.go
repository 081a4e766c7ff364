package provider

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Style is how a provider departs from the standards. The zero value is the standards'
// own way. Its JSON is part of a profile's settings, with durations in nanoseconds.
type Style struct {
	// ScopeSeparator stands between scopes; empty is a space.
	ScopeSeparator string `json:"scope_separator,omitempty"`
	// Resource is sent as resource= (RFC 8707, section 2), Audience as audience=.
	Resource string `json:"resource,omitempty"`
	Audience string `json:"audience,omitempty"`
	// OmitResource sends no resource= whatever Resource says.
	OmitResource bool `json:"omit_resource,omitempty"`
	// ResourceOn says which requests carry resource= and audience=: "authorize", "token"
	// and "refresh"; nil is all three.
	ResourceOn []string `json:"resource_on,omitempty"`
	// Authorize and Token are further parameters, of the names that Problems allows.
	Authorize map[string]string `json:"authorize,omitempty"`
	Token     map[string]string `json:"token,omitempty"`
	// ScopeOnRefresh repeats the scopes at a refresh.
	ScopeOnRefresh bool `json:"scope_on_refresh,omitempty"`
	// AcceptJSON asks for JSON: without it the provider answers a form.
	AcceptJSON bool `json:"accept_json,omitempty"`
	// ErrorsWith200 looks for an error in answers that say 200.
	ErrorsWith200 bool `json:"errors_with_200,omitempty"`
	// NoPKCE sends no code challenge, to a provider that refuses what it does not know.
	NoPKCE bool `json:"no_pkce,omitempty"`
	// OfflineScope is added to the scopes, so that a refresh token comes.
	OfflineScope string `json:"offline_scope,omitempty"`
	// Rotates is "yes", "no", or empty where it depends on the provider's settings.
	Rotates string `json:"rotates,omitempty"`
	// DefaultLife is of access tokens without expires_in; 0: such a token does not expire.
	DefaultLife time.Duration `json:"default_life,omitempty"`
	// RefreshLife is how long a refresh token works after its last use, where the answer
	// does not say; 0 is unknown.
	RefreshLife time.Duration `json:"refresh_life,omitempty"`
	// AssertionAudience is what a private_key_jwt is made out to: "token_endpoint" (the
	// same as empty) or "issuer" (RFC 7523, section 3).
	AssertionAudience string `json:"assertion_audience,omitempty"`
	// Identity says how the account is found.
	Identity Identity `json:"identity,omitzero"`
	// RevokeWith says what is sent to be revoked: "refresh_token" (the same as empty),
	// "access_token", "both", or "github" for that provider's own API.
	RevokeWith string `json:"revoke_with,omitempty"`
}

// Where an account is read from.
const (
	FromIDToken       = "id_token"
	FromUserInfo      = "userinfo"
	FromIntrospection = "introspection"
	FromNone          = "none"
)

// Identity is the rule by which the account is found. A claim is a name, or a JSON
// pointer (RFC 6901) where it begins with a slash.
type Identity struct {
	// From is one of the From constants; empty takes the ID token where one came that can
	// be verified, else userinfo where there is such an endpoint, else nothing.
	From string `json:"from,omitempty"`
	// URL replaces the endpoint that userinfo or introspection is read from.
	URL string `json:"url,omitempty"`
	// ID is empty for sub, Name for name, Email for email, EmailVerified for email_verified.
	ID            string `json:"id,omitempty"`
	Name          string `json:"name,omitempty"`
	Email         string `json:"email,omitempty"`
	EmailVerified string `json:"email_verified,omitempty"`
}

// The requests that ResourceOn names.
const (
	onAuthorize = "authorize"
	onToken     = "token"
	onRefresh   = "refresh"
)

// allowed are the further parameters that may be sent. What the protocol itself says is
// not among them: an extra redirect_uri, state or code_challenge would undo a defence.
var allowed = []string{
	"access_type", "acr_values", "allow_signup", "approval_prompt", "audience", "authorization_details", "claims", "connection", "display", "domain_hint", "duration",
	"hd", "idp", "include_granted_scopes", "kc_idp_hint", "login_hint", "max_age", "organization", "prompt", "screen_hint", "show_dialog", "team", "token_access_type",
	"ui_locales", "user_scope",
}

// AllowedParameters are the names that Style.Authorize and Style.Token may hold.
func AllowedParameters() []string { return slices.Clone(allowed) }

const (
	maxParameters = 20
	maxParameter  = 1000 // bytes of one value
	maxLife       = 10 * 365 * 24 * time.Hour
)

// Problems says what is wrong with the style, by field as its JSON names it
// ("authorize.prompt", "resource"); it is empty for a style that can be used.
func (s Style) Problems() map[string]string {
	found := map[string]string{}
	for field, extra := range map[string]map[string]string{onAuthorize: s.Authorize, onToken: s.Token} {
		if len(extra) > maxParameters {
			found[field] = "There may be " + strconv.Itoa(maxParameters) + " parameters at most."
		}
		for _, name := range slices.Sorted(maps.Keys(extra)) {
			switch {
			case !slices.Contains(allowed, name):
				found[field+"."+name] = "The parameter “" + clip(name, 60) + "” is not one that may be added."
			case len(extra[name]) > maxParameter || !printable(extra[name]):
				found[field+"."+name] = "The value must be one line of at most " + strconv.Itoa(maxParameter) + " characters."
			}
		}
	}
	oneOf := func(field, value string, options ...string) {
		if value != "" && !slices.Contains(options, value) {
			found[field] = "It must be one of: " + strings.Join(options, ", ") + "."
		}
	}
	oneOf("rotates", s.Rotates, "yes", "no")
	oneOf("assertion_audience", s.AssertionAudience, "token_endpoint", "issuer")
	oneOf("revoke_with", s.RevokeWith, "refresh_token", "access_token", "both", "github")
	oneOf("identity.from", s.Identity.From, FromIDToken, FromUserInfo, FromIntrospection, FromNone)
	for _, where := range s.ResourceOn {
		oneOf("resource_on", where, onAuthorize, onToken, onRefresh)
	}
	oneOf("scope_separator", s.ScopeSeparator, " ", ",", "+", ";", "|")
	if s.Resource != "" {
		if u, err := url.Parse(s.Resource); err != nil || !u.IsAbs() || strings.Contains(s.Resource, "#") || len(s.Resource) > maxParameter || !printable(s.Resource) {
			found["resource"] = "A resource is an absolute URI without a fragment." // RFC 8707, section 2
		}
	}
	if len(s.Audience) > maxParameter || !printable(s.Audience) {
		found["audience"] = "The audience must be one line of at most " + strconv.Itoa(maxParameter) + " characters."
	}
	if !validScope(s.OfflineScope) && s.OfflineScope != "" {
		found["offline_scope"] = "This is not one scope."
	}
	for field, life := range map[string]time.Duration{"default_life": s.DefaultLife, "refresh_life": s.RefreshLife} {
		if life < 0 || life > maxLife {
			found[field] = "It must be between 0 and ten years."
		}
	}
	for field, claim := range map[string]string{"identity.id": s.Identity.ID, "identity.name": s.Identity.Name, "identity.email": s.Identity.Email, "identity.email_verified": s.Identity.EmailVerified} {
		if len(claim) > maxClaimName || !printable(claim) {
			found[field] = "A claim's name is one line of at most " + strconv.Itoa(maxClaimName) + " characters."
		}
	}
	return found
}

// carries reports whether a request of the name has resource and audience in it.
func (s Style) carries(where string) bool {
	return s.ResourceOn == nil || slices.Contains(s.ResourceOn, where)
}

// target adds resource and audience to a request of the name.
func (s Style) target(values url.Values, where string) {
	if !s.carries(where) {
		return
	}
	if s.Resource != "" && !s.OmitResource {
		values.Set("resource", s.Resource)
	}
	if s.Audience != "" {
		values.Set("audience", s.Audience)
	}
}

// scope joins scopes, with the offline scope among them, as the provider wants them.
func (s Style) scope(scopes []string) string {
	if s.OfflineScope != "" && !slices.Contains(scopes, s.OfflineScope) {
		scopes = append(slices.Clone(scopes), s.OfflineScope)
	}
	separator := s.ScopeSeparator
	if separator == "" {
		separator = " "
	}
	return strings.Join(scopes, separator)
}

// extra adds the further parameters, never over one of the protocol.
func extra(values url.Values, more map[string]string) {
	for name, value := range more {
		if slices.Contains(allowed, name) && !values.Has(name) {
			values.Set(name, value)
		}
	}
}
