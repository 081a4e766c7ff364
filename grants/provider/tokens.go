package provider

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/emcy/gateway/internal/secret"
)

// tokenAnswer is a token endpoint's answer with every member of any type: what providers
// send differs from what RFC 6749, section 5.1, says. Whether it can be used is decided
// on the one member that is needed, because a refused answer can cost a rotated token.
type tokenAnswer struct {
	refusal
	Access           any `json:"access_token"`
	Refresh          any `json:"refresh_token"`
	Type             any `json:"token_type"`
	ExpiresIn        any `json:"expires_in"`
	RefreshExpiresIn any `json:"refresh_expires_in"`       // Keycloak
	RefreshTokenLife any `json:"refresh_token_expires_in"` // GitHub, Google
	Scope            any `json:"scope"`
	IDToken          any `json:"id_token"`
}

// maxToken is of any token, in bytes: it travels in a header.
const maxToken = 16 << 10

// tokens reads the answer of a token endpoint. exchange allows the type N_A, with which
// RFC 8693, section 2.2.1, marks what is no access token.
func (p *Provider) tokens(c Config, a answer, exchange bool) (Tokens, *Error) {
	if a.status != 200 {
		return Tokens{}, p.refused(a)
	}
	if !a.json() {
		e := p.unusable("not_json", "The provider's answer is not JSON.")
		if a.media() == "text/html" {
			e = p.refused(a)
		}
		if a.media() == "application/x-www-form-urlencoded" {
			e.Cure = "Turn on “ask for JSON” in the profile."
		}
		return Tokens{}, e
	}
	var raw tokenAnswer
	if err := json.Unmarshal(a.body, &raw); err != nil {
		return Tokens{}, p.unusable("bad_json", "The provider's answer is not the JSON that was expected.")
	}
	if raw.Access == nil && raw.Code != nil && c.Style.ErrorsWith200 {
		return Tokens{}, p.refused(a)
	}
	t := Tokens{Type: "Bearer", Scope: readScope(raw.Scope)}
	var ok bool
	if t.Access, ok = readToken(raw.Access); !ok || t.Access.Empty() {
		return Tokens{}, p.unusable("no_access_token", "The provider's answer holds no access token that can be used.")
	}
	if kind, _ := raw.Type.(string); kind != "" && !strings.EqualFold(kind, "Bearer") && (!exchange || kind != "N_A") {
		return Tokens{}, p.unusable("token_type", "The provider's access token is of a type that the gateway cannot use: it is no bearer token.")
	}
	t.Refresh, _ = readToken(raw.Refresh)
	t.IDToken, _ = readToken(raw.IDToken)
	if t.Scope != nil {
		// Some list neither of these two, although they granted them: what they are for is there.
		t.Scope = slices.DeleteFunc(t.Scope, func(s string) bool { return s == c.Style.OfflineScope })
		if !t.IDToken.Empty() && !slices.Contains(t.Scope, "openid") {
			t.Scope = append(t.Scope, "openid")
		}
	}
	now := p.clock.Now()
	t.ExpiresAt = after(now, raw.ExpiresIn, c.Style.DefaultLife)
	t.RefreshExpiresAt = after(now, raw.RefreshExpiresIn, 0)
	if t.RefreshExpiresAt == nil {
		t.RefreshExpiresAt = after(now, raw.RefreshTokenLife, c.Style.RefreshLife)
	}
	return t, nil
}

func (p *Provider) unusable(code, words string) *Error {
	return &Error{Kind: Invalid, Code: code, Status: 200, Sent: true, words: words, Cure: cureSettings}
}

// readToken takes a text that can stand in a header and a form; "" where there is none.
func readToken(value any) (secret.Text, bool) {
	s, ok := value.(string)
	if value == nil {
		return secret.Text{}, true
	}
	if !ok || len(s) > maxToken || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return secret.Text{}, false
	}
	return secret.New(s), true
}

// after is the time that a life in seconds ends at, given as a number or as text; a
// life that is missing, zero or below, or no number at all, is otherwise, and nil for none.
func after(now time.Time, value any, otherwise time.Duration) *time.Time {
	life := otherwise
	var seconds float64
	switch v := value.(type) {
	case float64:
		seconds = v
	case string:
		parsed, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		if err == nil {
			seconds = parsed
		}
	}
	if seconds >= 1 { // not true of NaN
		life = time.Duration(math.Min(seconds, maxLife.Seconds())) * time.Second
	}
	if life <= 0 {
		return nil
	}
	at := now.Add(life)
	return &at
}

// readScope takes scopes as one text, with spaces or commas, or as a list; nil where
// nothing is said (RFC 6749, section 3.3: a scope is never empty).
func readScope(value any) []string {
	var found []string
	switch v := value.(type) {
	case string:
		found = split(v)
	case []any:
		for _, one := range v {
			if s, ok := one.(string); ok {
				found = append(found, split(s)...)
			}
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}
