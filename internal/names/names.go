package names

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Clean gives the name in NFC, on one line, with single spaces, and without
// control, direction and other invisible characters. PostgreSQL refuses NUL and
// broken UTF-8 in text, and a name that turns the reading direction can pose as
// another one.
func Clean(name string) string {
	visible := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp):
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	// Last, because what was invisible may have kept two characters apart that compose.
	return strings.Join(strings.Fields(norm.NFC.String(visible)), " ")
}
