package clients

import (
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

const maxClientName = 60 // characters

func shownName(name string) string {
	if name == "" {
		return "An app without a name"
	}
	return name
}

// cleanName makes a name that somebody else chose safe to show: NFC, nothing
// invisible, at most 60 characters.
func cleanName(name string) string {
	clean := strings.Join(strings.Fields(cleanText(norm.NFC.String(cut(name, 1024)))), " ")
	if runes := []rune(clean); len(runes) > maxClientName {
		clean = string(runes[:maxClientName-1]) + "…"
	}
	return clean
}

// cleanText takes out what does not show, or changes how the rest shows.
func cleanText(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.IsControl(r) || r == '\u2800' || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Other_Default_Ignorable_Code_Point) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// webURL keeps an https address and drops everything else.
func webURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(raw) > 512 {
		return ""
	}
	return u.String()
}

func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}
