package pages

import (
	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/kit"
)

// SectionAuthorization lights the Authorization entry.
const SectionAuthorization = "authorization"

// AuthorizationPage is the workspace's authorization settings.
type AuthorizationPage struct {
	Shell  Shell
	Values AuthorizationValues
	// Errors are the messages by field; nil where nothing was refused.
	Errors FieldErrors
	// Summary stands on top of a form that was refused.
	Summary string
}

// AuthorizationValues are the form's fields as they are sent: seconds for times.
type AuthorizationValues struct {
	CIMD, DCR, DCRHosts, Access, RefreshIdle, Family, DPoP, PAR, SigningAlg, Version string

	Review, ClientCredentials, Device, RememberConsent bool
}

// SigningKeysPage lists the workspace's signing keys.
type SigningKeysPage struct {
	Shell Shell
	// JWKS is where the public halves are.
	JWKS string
	Keys []SigningKeyRow
	// Waiting says that a next key is published already.
	Waiting bool
	// Typed and Error are of the confirmation.
	Typed, Error string
}

// SigningKeyRow is one key.
type SigningKeyRow struct {
	KID, Alg  string
	State     Badge
	Means     string // what Until means, such as "signs from"
	Published Moment
	Until     Moment
}

var (
	accessLives = []kit.Option{
		{Value: "300", Text: "5 minutes"},
		{Value: "900", Text: "15 minutes"},
		{Value: "1800", Text: "30 minutes"},
		{Value: "3600", Text: "1 hour (default)"},
		{Value: "14400", Text: "4 hours"},
		{Value: "28800", Text: "8 hours"},
		{Value: "86400", Text: "24 hours"},
	}
	idleLives = []kit.Option{
		{Value: "3600", Text: "1 hour"},
		{Value: "28800", Text: "8 hours"},
		{Value: "86400", Text: "1 day"},
		{Value: "604800", Text: "7 days"},
		{Value: "2592000", Text: "30 days (default)"},
		{Value: "7776000", Text: "90 days"},
		{Value: "31536000", Text: "365 days"},
	}
	familyLives = []kit.Option{
		{Value: "28800", Text: "8 hours"},
		{Value: "86400", Text: "1 day"},
		{Value: "604800", Text: "7 days"},
		{Value: "2592000", Text: "30 days"},
		{Value: "7776000", Text: "90 days (default)"},
		{Value: "15552000", Text: "180 days"},
		{Value: "31536000", Text: "365 days"},
		{Value: "315360000", Text: "10 years"},
	}
	protections = []kit.Option{{Value: "optional", Text: "Optional: clients may use it"}, {Value: "required", Text: "Required for every client"}, {Value: "off", Text: "Off"}}
	algorithms  = []kit.Option{{Value: "ES256", Text: "ES256 (default)"}, {Value: "RS256", Text: "RS256, for runtimes that cannot verify ES256"}}
)

// withValue adds the value that is stored where it is none of the choices, so that the form does not change it.
func withValue(options []kit.Option, value string) []kit.Option {
	for _, o := range options {
		if o.Value == value {
			return options
		}
	}
	return append([]kit.Option{{Value: value, Text: value + " seconds"}}, options...)
}

// IssuersPage lists the trusted issuers.
type IssuersPage struct {
	Shell Shell
	Rows  []IssuerRow
}

// IssuerRow is one of them.
type IssuerRow struct {
	ID, Name, Issuer string
	Clients          int // 0 is all
	Added            Moment
}

// IssuerFormPage adds a trusted issuer or changes one.
type IssuerFormPage struct {
	Shell Shell
	// ID is empty for a new one.
	ID      string
	Values  IssuerValues
	Errors  FieldErrors
	Summary string
}

// IssuerValues are the form's fields.
type IssuerValues struct{ Name, Issuer, JWKSURI, Clients string }

// IssuerRemovePage asks before the trust in an issuer ends.
type IssuerRemovePage struct {
	Shell    Shell
	ID, Name string
	// Given is how much ends at once, such as "3 sign-ins that it gave end"; empty for nothing.
	Given string
}

func issuerAction(p IssuerFormPage) templ.SafeURL {
	if p.ID == "" {
		return at(p.Shell, "authorization", "issuers", "new")
	}
	return at(p.Shell, "authorization", "issuers", p.ID)
}

func issuerTitle(p IssuerFormPage) string {
	if p.ID == "" {
		return "Trust an issuer"
	}
	return "Edit " + p.Values.Name
}
