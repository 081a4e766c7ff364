package provider

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Claim is a claim that may be shown to an administrator.
type Claim struct{ Name, Value string }

const (
	maxShown = 60
	masked   = "•••"
)

// shown are claims that say nothing of a person.
var shown = []string{"iss", "aud", "azp", "typ", "ver", "tid", "hd", "acr", "amr", "email_verified", "active", "token_type", "client_id", "scope", "scp", "type", "plan", "two_factor_authentication"}

// Redact gives claims as they may be shown: the values that are about the person are
// masked to their first letter, and of anything nested only the kind is told.
func Redact(claims map[string]any) []Claim {
	var out []Claim
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		if name == "" || len(name) > maxClaimName || !printable(name) || len(out) >= maxShown {
			continue
		}
		out = append(out, Claim{Name: name, Value: redact(claims[name], slices.Contains(shown, name))})
	}
	return out
}

func redact(value any, open bool) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case number:
		if open {
			return clip(string(v), maxShown)
		}
		return "number"
	case string:
		if open {
			return clean(v, nil)
		}
		if local, domain, ok := strings.Cut(v, "@"); ok && printable(domain) {
			return mask(local) + "@" + clip(domain, maxShown)
		}
		return mask(v)
	case []any:
		return "list of " + strconv.Itoa(len(v))
	case map[string]any:
		return "object of " + strconv.Itoa(len(v))
	}
	return masked
}

// mask keeps the first letter.
func mask(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 || !printable(string(first)) {
		return masked
	}
	return s[:n] + masked
}
