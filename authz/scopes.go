package authz

import (
	"slices"
	"strings"
)

// The scopes of every tenant's authorization server.
const (
	// ScopeMCP opens a runtime's MCP endpoint, and every tool that no scope of the tenant claims.
	ScopeMCP = "mcp"
	// ScopeOffline asks for a refresh token (OpenID Connect Core, section 11).
	// Clients may ask for it; refresh tokens are issued without it too, because
	// many clients never ask and would lose their sign-in after an hour.
	ScopeOffline = "offline_access"
)

const (
	// MaxScopeName is the longest scope token that is read, in bytes.
	MaxScopeName = 64
	// maxAsked is how many tokens of one scope parameter count. No tenant has more scopes.
	maxAsked = 256
)

// Scopes is a set of scope tokens (RFC 6749, section 3.3).
type Scopes []string

// ParseScopes reads a scope parameter. Repeated tokens count once. What is no scope
// token, and what comes after 256 of them, can be no scope of a tenant and does not count.
func ParseScopes(s string) Scopes {
	var out Scopes
	for token := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || '\t' <= r && r <= '\r' }) {
		if len(out) == maxAsked {
			break
		}
		if ValidScope(token) && !slices.Contains(out, token) {
			out = append(out, token)
		}
	}
	return out
}

// ValidScope reports whether s is a scope token of at most MaxScopeName bytes (RFC 6749, section 3.3).
func ValidScope(s string) bool {
	if s == "" || len(s) > MaxScopeName {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (s Scopes) String() string { return strings.Join(s, " ") }

// Has reports whether the token is in the set.
func (s Scopes) Has(token string) bool { return slices.Contains(s, token) }

// Covers reports whether every token of need is in s, hierarchy left aside.
func (s Scopes) Covers(need Scopes) bool {
	for _, token := range need {
		if !s.Has(token) {
			return false
		}
	}
	return true
}

// Union gives what is in s, then what is in more besides.
func (s Scopes) Union(more Scopes) Scopes {
	out := slices.Clone(s)
	for _, token := range more {
		if !out.Has(token) {
			out = append(out, token)
		}
	}
	return out
}
