package provider

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
)

// refusal is an error as an endpoint answers it (RFC 6749, section 5.2).
type refusal struct {
	Code        any `json:"error"`
	Description any `json:"error_description"`
}

// refused turns an answer that is not what was asked for into an error. What was sent
// never comes back in it, even where the provider repeats it.
func (p *Provider) refused(a answer) *Error {
	e := &Error{Status: a.status, RetryAfter: p.retryAfter(a.status, a.header), Sent: true}
	said := readRefusal(a)
	code, _ := said.Code.(string) // another shape is as good as none
	description, _ := said.Description.(string)
	if e.Code = code; !validCode(code) || clean(code, a.sent) != code {
		e.Code = ""
	}
	e.Description = clean(description, a.sent)
	m, known := meanings[e.Code]
	if own, ok := aadsts[aadstsCode.FindString(e.Description)]; ok {
		m, known = own, true
	}
	switch {
	case a.status == http.StatusTooManyRequests, a.status == http.StatusForbidden && e.RetryAfter > 0:
		m = byStatus(http.StatusTooManyRequests)
	case a.status >= 500: // whatever the body says, the provider itself is at fault
		m = byStatus(a.status)
	case known:
	case e.Code != "":
		m = meaning{Misconfigured, "The provider refuses the request for a reason of its own.", cureSettings}
	case a.media() == "text/html": // a proxy's or a firewall's page, or one of maintenance
		m = meaning{Temporary, "The provider answers with a web page where data was expected.", cureLater}
	default:
		m = byStatus(a.status)
	}
	e.Kind, e.words, e.Cure = m.kind, m.words, m.cure
	return e
}

func readRefusal(a answer) (r refusal) {
	if a.media() == "application/x-www-form-urlencoded" {
		values, err := url.ParseQuery(string(a.body))
		if err == nil {
			return refusal{Code: values.Get("error"), Description: values.Get("error_description")}
		}
		return r
	}
	if err := json.Unmarshal(a.body, &r); err != nil {
		return refusal{}
	}
	return r
}

var (
	aadstsCode = regexp.MustCompile(`AADSTS[0-9]+`)
	longWord   = regexp.MustCompile(`[A-Za-z0-9_.~+/=-]{20,}|eyJ[A-Za-z0-9_.-]+`)
	guid       = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

// hideToken removes a long word that may be a token, code or secret. Ids of traces, which
// support asks for, stay, and so do words and addresses without a digit in them.
func hideToken(word string) string {
	if guid.MatchString(word) || len(word) <= 40 && !strings.ContainsAny(word, "0123456789") && !strings.HasPrefix(word, "eyJ") {
		return word
	}
	return removed
}

const (
	maxCode        = 64
	maxDescription = 400
	removed        = "[removed]"
	shortest       = 8 // a secret that is shorter is none, and its letters stand in many words
)

// validCode reports whether an error code can be shown and stored.
func validCode(s string) bool {
	return s != "" && len(s) <= maxCode && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	})
}

// clean makes a provider's text fit for a log: one line, without what was sent and
// without what looks like a token.
func clean(s string, sent []string) string {
	s = strings.ToValidUTF8(s, "�")
	for _, one := range sent {
		if len(one) >= shortest {
			s = strings.ReplaceAll(s, one, removed)
		}
	}
	s = strings.Map(func(r rune) rune {
		if !printable(string(r)) {
			return ' '
		}
		return r
	}, s)
	s = longWord.ReplaceAllStringFunc(s, hideToken)
	return clip(strings.Join(strings.Fields(s), " "), maxDescription)
}
