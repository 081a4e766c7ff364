package kit

import (
	"strings"
	"unicode/utf8"
)

// Kinds of a DiffLine.
const (
	// DiffSame is on both sides.
	DiffSame = "same"
	// DiffAdded is new.
	DiffAdded = "added"
	// DiffRemoved is gone.
	DiffRemoved = "removed"
)

// DiffLine is a line of a comparison.
type DiffLine struct {
	// Kind is one of the kinds.
	Kind string
	// Text is the line.
	Text string
}

// token is a piece of JSON with the class that colours it.
type token struct{ class, text string }

// tokens splits JSON for colouring. Whatever it is given comes out whole: text that is no JSON is plain.
func tokens(text string) []token {
	var out []token
	plain := 0
	put := func(from, to int, class string) {
		if plain < from {
			out = append(out, token{text: text[plain:from]})
		}
		out = append(out, token{class: class, text: text[from:to]})
		plain = to
	}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '"':
			end := stringEnd(text, i)
			class := "j-text"
			if strings.HasPrefix(strings.TrimLeft(text[end:], " \t\n\r"), ":") {
				class = "j-key"
			}
			put(i, end, class)
			i = end
		case isWord(c):
			end := i
			for end < len(text) && isWord(text[end]) {
				end++
			}
			put(i, end, "j-word")
			i = end
		default:
			_, size := utf8.DecodeRuneInString(text[i:])
			i += size
		}
	}
	if plain < len(text) {
		out = append(out, token{text: text[plain:]})
	}
	return out
}

// stringEnd is behind the closing quote, or the end of the text.
func stringEnd(text string, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(text)
}

// isWord says whether a byte belongs to a number or a literal.
func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '+' || c == '.'
}
