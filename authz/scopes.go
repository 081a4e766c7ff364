package authz

import (
	"slices"
	"strings"
)

// The scopes of every tenant's authorization server.
const (
	// ScopeMCP opens a runtime's MCP endpoint.
	ScopeMCP = "mcp"
	// ScopeOffline asks for a refresh token (OpenID Connect Core, section 11).
	// Clients may ask for it; refresh tokens are issued without it too, because
	// many clients never ask and would lose their sign-in after an hour.
	ScopeOffline = "offline_access"
)

// Scopes is a set of scope tokens (RFC 6749, section 3.3).
type Scopes []string

// ParseScopes reads a scope parameter. Repeated tokens count once.
func ParseScopes(s string) Scopes {
	var out Scopes
	for token := range strings.FieldsSeq(s) {
		if !slices.Contains(out, token) {
			out = append(out, token)
		}
	}
	return out
}

func (s Scopes) String() string { return strings.Join(s, " ") }

// Has reports whether the token is in the set.
func (s Scopes) Has(token string) bool { return slices.Contains(s, token) }

// Narrow gives what of the requested set is known here. Asking for nothing, or
// for nothing that is known, gives the default: clients ask for whole catalogues
// or for none, and an error would only lock them out.
func Narrow(requested Scopes) Scopes {
	out := Scopes{ScopeMCP}
	if requested.Has(ScopeOffline) {
		out = append(out, ScopeOffline)
	}
	return out
}

// Covers reports whether every token of need is in s.
func (s Scopes) Covers(need Scopes) bool {
	for _, token := range need {
		if !s.Has(token) {
			return false
		}
	}
	return true
}
