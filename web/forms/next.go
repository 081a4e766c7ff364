package forms

import (
	"slices"
	"strings"
)

const maxNext = 1024

// nowhere are pages that nobody is sent to after signing in: they would send the
// person back or away again.
var nowhere = []string{"/sign-in", "/sign-up", "/sign-out"}

// Next is a path of this console to go on with, or fallback. Only the few
// characters that the console's own addresses are made of pass, and no empty or
// dotted segment: whatever a browser might read as another host, as a scheme or as
// a way out of the path falls back.
func Next(typed, fallback string) string {
	if len(typed) > maxNext {
		return fallback
	}
	path, query, _ := strings.Cut(typed, "?")
	rest, rooted := strings.CutPrefix(path, "/")
	if !rooted || !only(path, "/-_.~") || !only(query, "/-_.~%=&:,+") || slices.Contains(nowhere, path) {
		return fallback
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if segment == "." || segment == ".." || (segment == "" && rest != "") {
			return fallback
		}
	}
	return typed
}

func only(s, others string) bool {
	for _, b := range []byte(s) {
		plain := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
		if !plain && strings.IndexByte(others, b) < 0 {
			return false
		}
	}
	return true
}
