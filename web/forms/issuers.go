package forms

import "strings"

// Issuer is the form of a trusted issuer.
type Issuer struct {
	Name, Issuer, JWKSURI string
	// Clients are the lines of the field, without empty ones.
	Clients []string
}

// ReadIssuer reads the form.
func ReadIssuer(v Values) Issuer {
	return Issuer{Name: v.line("name"), Issuer: v.line("issuer"), JWKSURI: v.line("jwks_uri"), Clients: strings.Fields(v.one("clients"))}
}
