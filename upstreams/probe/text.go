package probe

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Caps on text that a runtime sends, in runes.
const (
	maxShort       = 128
	maxTitle       = 256
	maxDescription = 4096
	maxMessage     = 200
)

// minSecret is the shortest value that is looked for in a runtime's text.
const minSecret = 6

// cleaner makes a runtime's text safe to keep and show. It knows the secrets that were sent, so that a
// runtime which repeats them does not get them stored.
type cleaner struct{ secrets []string }

func newCleaner(t Target) *cleaner {
	c := &cleaner{}
	add := func(s string) {
		if len(s) >= minSecret {
			c.secrets = append(c.secrets, s)
		}
	}
	add(t.Secret)
	for _, v := range t.Headers {
		add(v)
		if _, credential, found := strings.Cut(v, " "); found {
			add(credential)
		}
	}
	return c
}

// line returns s on one line, at most max runes long.
func (c *cleaner) line(s string, limit int) string {
	return capped(strings.Join(strings.Fields(c.strip(s)), " "), limit)
}

// text returns s with its line breaks, at most max runes long.
func (c *cleaner) text(s string, limit int) string {
	return capped(strings.TrimSpace(c.strip(s)), limit)
}

func (c *cleaner) strip(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == zwj || r == zwnj:
			return r
		case invisible(r):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return c.seal(s)
}

// seal takes the secrets out.
func (c *cleaner) seal(s string) string {
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "[sealed]")
	}
	return s
}

func capped(s string, limit int) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}

const (
	zwnj          = '\u200c'
	zwj           = '\u200d'
	emojiSelector = '\ufe0f'
	textSelector  = '\ufe0e'
)

// invisible reports runes that take no room or change the order of others: controls, format characters
// (bidi marks, zero-width characters, tags), private use, blank letters.
func invisible(r rune) bool {
	switch {
	case r == emojiSelector || r == textSelector:
		return false
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp, unicode.Variation_Selector):
		return true
	default:
		return r == '\u034f' || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0'
	}
}

// hides reports whether text holds characters that a reader does not see and a model does. A joiner
// between two letters or emoji is ordinary writing, several in a row are not.
func hides(s string) bool {
	joiners := 0
	for _, r := range s {
		switch {
		case r == zwj || r == zwnj:
			if joiners++; joiners > 1 {
				return true
			}
			continue
		case r == '\n' || r == '\t' || r == '\r':
		case invisible(r):
			return true
		}
		joiners = 0
	}
	return false
}

// json returns a JSON value with every string in it made safe, nil when that is not possible.
func (c *cleaner) json(v jsontext.Value) jsontext.Value { return c.rewrite(v, c.strip) }

// rewrite returns a JSON value with every string in it changed, nil when that makes two names the same.
func (c *cleaner) rewrite(v jsontext.Value, change func(string) string) jsontext.Value {
	var out bytes.Buffer
	dec := jsontext.NewDecoder(bytes.NewReader(v))
	enc := jsontext.NewEncoder(&out)
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			break
		}
		if tok.Kind() == '"' {
			tok = jsontext.String(change(tok.String()))
		}
		if enc.WriteToken(tok) != nil {
			return nil
		}
	}
	cleaned := jsontext.Value(bytes.TrimSpace(out.Bytes()))
	if !cleaned.IsValid() {
		return nil
	}
	return cleaned
}
