package provider

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxID    = 255 // OpenID Connect Core, section 2
	maxName  = 200
	maxEmail = 254
)

// Account finds who the tokens belong to, by the style's identity rule. An ID token is
// verified (OpenID Connect Core, section 3.1.3.7) with the nonce, unless that is empty,
// as it is after a refresh (section 12.2). Where an ID token came with them, userinfo
// must be about the same sub (section 5.3.2). Errors: *Error.
func (p *Provider) Account(ctx context.Context, c Config, t Tokens, nonce string) (Account, error) {
	claims, failed := p.claims(ctx, c, t, nonce)
	if failed != nil {
		return Account{}, failed
	}
	if claims == nil {
		return Account{}, nil // there is no rule by which to ask
	}
	return c.Style.Identity.account(claims)
}

func (i Identity) account(claims map[string]any) (Account, error) {
	a, ok := i.read(claims)
	if !ok {
		return Account{}, &Error{Kind: Invalid, Code: "no_account", Sent: true, words: "The provider's answer does not say whose account it is.", Cure: "Correct the identity rule of the profile: the claim that it reads is not there."}
	}
	return a, nil
}

func (p *Provider) claims(ctx context.Context, c Config, t Tokens, nonce string) (map[string]any, *Error) {
	id := c.Style.Identity
	userinfo := id.URL
	if userinfo == "" {
		userinfo = c.Endpoints.UserInfo
	}
	switch {
	case id.From == FromNone:
		return nil, nil
	case id.From == FromIntrospection:
		return p.introspect(ctx, c, t)
	case id.From == FromIDToken && t.IDToken.Empty():
		return nil, &Error{Kind: Invalid, Code: "no_id_token", Sent: true, words: "The provider gave no ID token.", Cure: "Add the scope openid to the profile, or read the account from userinfo."}
	case id.From == FromUserInfo && userinfo == "":
		return nil, missing("userinfo")
	}
	var signed map[string]any
	verifiable := c.Endpoints.JWKS != "" && c.Endpoints.Issuer != "" // not so where endpoints were typed in without them
	if !t.IDToken.Empty() && (verifiable || id.From == FromIDToken) {
		var failed *Error
		if signed, failed = p.verifyIDToken(ctx, c, t, nonce); failed != nil {
			return nil, failed
		}
	}
	if id.From == FromIDToken || id.From == "" && (signed != nil || userinfo == "") {
		return signed, nil
	}
	told, failed := p.userinfo(ctx, userinfo, t)
	if failed != nil {
		return nil, failed
	}
	if signed != nil && told["sub"] != nil && told["sub"] != signed["sub"] {
		return nil, &Error{Kind: Invalid, Code: "wrong_subject", Sent: true, words: "The provider's userinfo is about somebody else than its ID token.", Cure: cureSettings}
	}
	maps.Copy(told, signed) // what is signed comes first
	return told, nil
}

func (p *Provider) userinfo(ctx context.Context, endpoint string, t Tokens) (map[string]any, *Error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, misaddressed()
	}
	req.Header.Set("Authorization", "Bearer "+t.Access.Reveal())
	req.Header.Set("Accept", "application/json")
	a, failed := p.call(ctx, req, t.Access.Reveal())
	if failed != nil {
		return nil, failed
	}
	if a.status == http.StatusUnauthorized {
		e := p.refused(a)
		m := meanings["invalid_token"]
		e.Kind, e.words, e.Cure = m.kind, "The provider does not accept its own access token for its userinfo.", "Add the scopes openid and profile to the profile, or correct the identity rule."
		return nil, e
	}
	return p.object(a)
}

// introspect reads the account from the introspection of the access token (RFC 7662).
func (p *Provider) introspect(ctx context.Context, c Config, t Tokens) (map[string]any, *Error) {
	endpoint := c.Style.Identity.URL
	if endpoint == "" {
		endpoint = c.Endpoints.Introspection
	}
	if endpoint == "" {
		return nil, missing("introspection")
	}
	a, failed := p.post(ctx, c, endpoint, url.Values{"token": {t.Access.Reveal()}, "token_type_hint": {"access_token"}})
	if failed != nil {
		return nil, failed
	}
	claims, failed := p.object(a)
	if failed != nil {
		return nil, failed
	}
	if active, ok := claims["active"].(bool); !ok || !active {
		return nil, &Error{Kind: Rejected, Code: "not_active", Status: a.status, Sent: true, words: "The provider says that the access token is not active.", Cure: cureReconnect}
	}
	return claims, nil
}

// object reads an answer that is a JSON object, whatever is in it. Numbers stay exact.
func (p *Provider) object(a answer) (map[string]any, *Error) {
	if a.status != http.StatusOK {
		return nil, p.refused(a)
	}
	claims, err := parseClaims(a.body)
	if err != nil || !a.json() {
		return nil, &Error{Kind: Invalid, Code: "bad_json", Status: a.status, Sent: true, words: "The provider's answer about the account is not the JSON that was expected.", Cure: cureSettings}
	}
	return claims, nil
}

// number is a number as it was written: an account's id may have more digits than a
// float64 keeps.
type number string

var exactNumbers = json.WithUnmarshalers(json.UnmarshalFromFunc(func(d *jsontext.Decoder, v *any) error {
	if d.PeekKind() != '0' {
		return errors.ErrUnsupported
	}
	raw, err := d.ReadValue()
	*v = number(raw)
	return err
}))

func parseClaims(raw []byte) (map[string]any, error) {
	var claims map[string]any
	if err := json.Unmarshal(raw, &claims, exactNumbers); err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	if claims == nil {
		return nil, errors.New("read claims: no object")
	}
	return claims, nil
}

// read takes the account from claims; it fails where there is no id.
func (i Identity) read(claims map[string]any) (Account, bool) {
	or := func(name, usual string) string {
		if name == "" {
			return usual
		}
		return name
	}
	a := Account{
		ID: line(lookup(claims, or(i.ID, "sub")), maxID), Name: line(lookup(claims, or(i.Name, "name")), maxName), Email: line(lookup(claims, or(i.Email, "email")), maxEmail),
		Claims: claims,
	}
	if local, domain, ok := strings.Cut(a.Email, "@"); !ok || local == "" || domain == "" {
		a.Email = ""
	}
	switch v := lookup(claims, or(i.EmailVerified, "email_verified")).(type) {
	case bool:
		a.EmailVerified = v
	case string: // some providers write it so
		a.EmailVerified = strings.EqualFold(v, "true") || v == "1"
	case number:
		a.EmailVerified = v == "1"
	}
	a.EmailVerified = a.EmailVerified && a.Email != ""
	return a, a.ID != ""
}

// lookup finds a claim by its name, or by a JSON pointer (RFC 6901).
func lookup(claims map[string]any, name string) any {
	if value, ok := claims[name]; ok || !strings.HasPrefix(name, "/") {
		return value
	}
	var at any = claims
	for part := range strings.SplitSeq(name[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		switch inner := at.(type) {
		case map[string]any:
			at = inner[part]
		case []any:
			index, err := strconv.Atoi(part)
			if err != nil || index < 0 || index >= len(inner) {
				return nil
			}
			at = inner[index]
		default:
			return nil
		}
	}
	return at
}

// line is a claim that is a short line of text or a number; "" for anything else. What
// is too long is none: cut, it could be another's.
func line(value any, most int) string {
	s := ""
	switch v := value.(type) {
	case string:
		s = strings.TrimSpace(v)
	case number:
		s = string(v)
	}
	if len(s) > most || !printable(s) {
		return ""
	}
	return s
}
