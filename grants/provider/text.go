package provider

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printable reports whether text is one line of characters that show.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// clip cuts a text at a number of bytes, between characters.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// validScope reports whether s is one scope-token (RFC 6749, section 3.3).
func validScope(s string) bool {
	return s != "" && len(s) <= maxScope && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
}

const (
	maxScope     = 500 // bytes of one scope; Microsoft's and Google's are URLs
	maxScopes    = 500
	maxClaimName = 200
)

// split reads scopes that stand in one text, by spaces or by commas.
func split(s string) []string {
	out := []string{}
	for one := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == ' ' || r == ',' }) {
		if validScope(one) && len(out) < maxScopes && !slices.Contains(out, one) {
			out = append(out, one)
		}
	}
	return out
}
