package vendors

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
)

//go:embed clients/*.json
var files embed.FS

// Profile is one client as it was seen on a day.
type Profile struct {
	Name   string `json:"name"`
	Seen   string `json:"seen"`   // the day, as YYYY-MM-DD
	Source string `json:"source"` // where its shapes come from
	// First is the client's first request, which nobody has authorized.
	First Request `json:"first"`
	// ServerMetadata are the paths that it tries, in its order; {path} is the MCP URL's.
	ServerMetadata []string `json:"server_metadata"`
	// Registration are the kinds that it tries, in its order: cimd, dcr.
	Registration []string        `json:"registration"`
	CIMD         *Document       `json:"cimd,omitempty"`
	DCR          json.RawMessage `json:"dcr,omitempty"`
	// RedirectURI is what it sends; {port} is a port that changes with each sign-in.
	RedirectURI string `json:"redirect_uri"`
	// Scope is where it takes the scope from: challenge, resource, server, none, or the scope itself.
	Scope   string `json:"scope"`
	Offline bool   `json:"offline_access"` // added where the server lists it
	Prompt  string `json:"prompt"`
	// TokenAuth is how it proves itself at the token endpoint.
	TokenAuth string  `json:"token_auth"`
	Refresh   Refresh `json:"refresh"`
	Checks    Checks  `json:"checks"`
	// Protocol is the MCP revision that it speaks.
	Protocol string `json:"protocol"`
}

// Request is a request before there is a token.
type Request struct {
	Method string          `json:"method"`
	Accept string          `json:"accept,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// Document is a client ID metadata document.
type Document struct {
	ClientID string          `json:"client_id"`
	Document json.RawMessage `json:"document"`
	// JWKSURI is where the keys of private_key_jwt stand.
	JWKSURI string `json:"jwks_uri,omitempty"`
	// NeedsNone says that the client uses its document only where public clients are welcome.
	NeedsNone bool `json:"needs_none"`
}

// Refresh says what the client sends along with a refresh token.
type Refresh struct {
	Resource bool `json:"resource"`
	Scope    bool `json:"scope"`
}

// Checks are the client's own.
type Checks struct {
	// Resource compares the metadata's resource with the address that was typed: exact or normalised.
	Resource string `json:"resource"`
	// Issuer holds the metadata's issuer against the address that it came from.
	Issuer bool `json:"issuer"`
	// S256 refuses a server that does not list it.
	S256 bool `json:"s256"`
	// Iss holds the iss of the authorization response against the issuer.
	Iss bool `json:"iss"`
}

// Load reads the profiles.
func Load() ([]Profile, error) {
	names, err := fs.Glob(files, "clients/*.json")
	if err != nil {
		return nil, err
	}
	profiles := make([]Profile, 0, len(names))
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var p Profile
		decoder := json.NewDecoder(strings.NewReader(string(raw)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&p); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		profiles = append(profiles, p)
	}
	return profiles, nil
}

// Loopback says whether the client listens on the person's own computer.
func (p *Profile) Loopback() bool {
	u, err := url.Parse(strings.ReplaceAll(p.RedirectURI, "{port}", "1"))
	return err == nil && u.Scheme == "http"
}
