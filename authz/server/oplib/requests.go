package oplib

import (
	"net/http"
	"net/url"
	"slices"
)

// AuthorizeRequest is an authorization request (RFC 6749, section 4.1.1; RFC 7636;
// RFC 8707) whose client and redirect URI were checked.
type AuthorizeRequest struct {
	ClientID            string
	RedirectURI         string
	ResponseType        string
	ResponseMode        string
	State               string
	Scope               string
	CodeChallenge       string
	CodeChallengeMethod string
	Prompt              []string
	RequestObject       bool
	Resources           []string
	// DPoPJKT is the thumbprint that the code is bound to (RFC 9449, section 10).
	DPoPJKT string
}

// CodeRequest redeems an authorization code (RFC 6749, section 4.1.3).
type CodeRequest struct {
	ClientID     string
	Code         string
	RedirectURI  string
	CodeVerifier string
	Resources    []string
	Proofs       Proofs
}

// RefreshRequest renews tokens (RFC 6749, section 6).
type RefreshRequest struct {
	ClientID     string
	RefreshToken string
	Scope        string
	Resources    []string
	Proofs       Proofs
	// Unproven tells that nothing but the client_id came: whether the client may do
	// without is for the backend to read in its transaction.
	Unproven bool
}

// ClientCredentialsRequest asks for a token of the client's own (RFC 6749, section
// 4.4.2).
type ClientCredentialsRequest struct {
	ClientID  string
	Scope     string
	Resources []string
	Proofs    Proofs
}

// AssertionRequest exchanges a JWT of another issuer (RFC 7523, section 2.1).
type AssertionRequest struct {
	ClientID  string
	Assertion string
	Scope     string
	Resources []string
	Proofs    Proofs
}

// DeviceAuthorizationRequest begins the flow of a device without a browser (RFC 8628,
// section 3.1).
type DeviceAuthorizationRequest struct {
	ClientID  string
	Scope     string
	Resources []string
	Proofs    Proofs
}

// DeviceAuthorization is its answer (RFC 8628, section 3.2).
type DeviceAuthorization struct {
	DeviceCode              string `json:"device_code"`
	UserCode                string `json:"user_code"`
	VerificationURI         string `json:"verification_uri"`
	VerificationURIComplete string `json:"verification_uri_complete"`
	ExpiresIn               int64  `json:"expires_in"` // seconds
	Interval                int64  `json:"interval"`   // seconds
}

// DeviceTokenRequest asks whether the person has decided (RFC 8628, section 3.4).
type DeviceTokenRequest struct {
	ClientID   string
	DeviceCode string
	Resources  []string
	Proofs     Proofs
}

// IntrospectionRequest asks what a token is worth (RFC 7662, section 2.1).
type IntrospectionRequest struct {
	ClientID string
	Token    string
}

// Proofs are the values of a request's DPoP header fields, unread (RFC 9449, section
// 4.3: more than one is an error).
type Proofs []string

func proofs(h http.Header) Proofs { return h.Values("DPoP") }

// Tokens is a token response (RFC 6749, section 5.1).
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"` // seconds
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

// resources are the resource parameters; one without a value counts as left out
// (RFC 6749, section 3.1).
func resources(form url.Values) []string {
	return slices.DeleteFunc(slices.Clone(form["resource"]), func(v string) bool { return v == "" })
}
