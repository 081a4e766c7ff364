package forms

import "strings"

// Client is the form of a client that somebody enters.
type Client struct {
	Name, AuthMethod, JWKSURI, Scope string
	// RedirectURIs are the lines of the field, without empty ones.
	RedirectURIs []string
	Service      bool
	Device       bool
	DPoP, PAR    bool
	Version      int64 // -1 where it is no number
}

// ReadClient reads the form.
func ReadClient(v Values) Client {
	return Client{
		Name: v.line("name"), AuthMethod: v.one("auth_method"), JWKSURI: strings.TrimSpace(v.line("jwks_uri")), Scope: v.line("scope"),
		RedirectURIs: strings.Fields(v.one("redirect_uris")), Service: v.one("kind") == "service", Device: v.one("device") != "",
		DPoP: v.one("dpop") != "", PAR: v.one("par") != "", Version: v.number("version"),
	}
}

// ReadStatus reads what is decided about a client.
func ReadStatus(v Values) string { return v.one("status") }
