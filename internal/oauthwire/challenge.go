package oauthwire

import "strings"

// Error codes of RFC 6750, section 3.1.
const (
	ErrorInvalidToken      = "invalid_token"
	ErrorInsufficientScope = "insufficient_scope"
)

// Challenge is a Bearer challenge. Clients read its parameters with simple
// patterns, so the scheme comes first, every value is quoted, and every byte is
// printable ASCII.
type Challenge struct {
	// ResourceMetadata is the URL of the metadata document (RFC 9728, section 5.1).
	ResourceMetadata string
	// Scope is what the request needs, as a scope parameter.
	Scope string
	// Error stays empty where no token was presented (RFC 6750, section 3.1).
	Error string
	// Description is shown only together with Error.
	Description string
}

// String is the value of a WWW-Authenticate header.
func (c Challenge) String() string {
	var b strings.Builder
	b.Grow(96 + len(c.ResourceMetadata) + len(c.Scope) + len(c.Description))
	b.WriteString(`Bearer resource_metadata="`)
	quoted(&b, c.ResourceMetadata)
	b.WriteByte('"')
	parameter(&b, "scope", c.Scope)
	parameter(&b, "error", c.Error)
	if c.Error != "" {
		parameter(&b, "error_description", c.Description)
	}
	return b.String()
}

// DPoPChallenge is what stands in a WWW-Authenticate header of its own, behind the
// Bearer one, because clients read the first (RFC 9449, section 7.1).
type DPoPChallenge struct {
	// Error stays empty where no token was presented; Description is shown only with it.
	Error, Description string
	// Algorithms are those of proofs.
	Algorithms []string
}

// String is the value of a WWW-Authenticate header.
func (c DPoPChallenge) String() string {
	var b strings.Builder
	b.WriteString(`DPoP algs="`)
	quoted(&b, strings.Join(c.Algorithms, " "))
	b.WriteByte('"')
	parameter(&b, "error", c.Error)
	if c.Error != "" {
		parameter(&b, "error_description", c.Description)
	}
	return b.String()
}

func parameter(b *strings.Builder, name, value string) {
	if value == "" {
		return
	}
	b.WriteString(", ")
	b.WriteString(name)
	b.WriteString(`="`)
	quoted(b, value)
	b.WriteByte('"')
}

// quoted writes what RFC 6750 allows inside the quotes; anything else, a quote or
// a line break among it, becomes an apostrophe.
func quoted(b *strings.Builder, value string) {
	for i := range len(value) {
		c := value[i]
		if c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			c = '\''
		}
		b.WriteByte(c)
	}
}
