package issuers

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/emcy/gateway/internal/jwks"
)

const (
	// Type is the typ of an ID-JAG's header (draft-ietf-oauth-identity-assertion-authz-grant, section 3).
	Type = "oauth-id-jag+jwt"
	// MaxAssertion is the longest assertion that is read, in bytes.
	MaxAssertion = 16 << 10
	// LongestLife is how far ahead an assertion may expire: so long its jti is remembered.
	LongestLife = time.Hour
	// leeway is how far the issuer's clock may be off (RFC 7519, section 4.1.4).
	leeway = time.Minute
	// maxClaim is the longest of the claims that are looked up, in bytes.
	maxClaim = 2048
)

// Assertion is an ID-JAG's claims. They mean nothing before the signature was checked.
type Assertion struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience jwt.Audience     `json:"aud"`
	ClientID string           `json:"client_id"`
	ID       string           `json:"jti"`
	Expiry   *jwt.NumericDate `json:"exp"`
	IssuedAt *jwt.NumericDate `json:"iat"`
	// Resource names what the token is for; nil where the issuer left it open.
	Resource Resource `json:"resource"`
	// Scope is the most that the token may hold; "" leaves it open.
	Scope         string `json:"scope"`
	Email         string `json:"email"`
	EmailVerified any    `json:"email_verified"` // true, or "true" as some issuers write it
}

// Resource is one string or a list of them.
type Resource []string

// UnmarshalJSON reads both forms.
func (r *Resource) UnmarshalJSON(raw []byte) error {
	var one string
	if err := json.Unmarshal(raw, &one); err == nil {
		*r = Resource{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return fmt.Errorf("read resource: %w", err)
	}
	*r = many
	return nil
}

// Refusals of an assertion; their text is for the client's developer.
var (
	ErrMalformed = errors.New("the assertion is no ID-JAG that can be read")
	ErrType      = errors.New("the assertion's typ must be " + Type)
	ErrSignature = errors.New("the assertion's signature does not hold")
	ErrIssuer    = errors.New("the assertion's issuer is not trusted here for this client")
	ErrAudience  = errors.New("the assertion's aud must be this authorization server's issuer alone")
	ErrClient    = errors.New("the assertion was issued for another client")
	ErrLife      = errors.New("the assertion has expired, is from the future, or lives longer than an hour")
	ErrClaims    = errors.New("the assertion must have sub, jti, iat and exp")
)

// Read parses an assertion without believing it: the issuer that it names says whose keys
// to ask. Errors: ErrMalformed, ErrType.
func Read(raw string) (*jwt.JSONWebToken, Assertion, error) {
	var claims Assertion
	if len(raw) > MaxAssertion {
		return nil, claims, ErrMalformed
	}
	token, err := jwt.ParseSigned(raw, jwks.Algorithms)
	if err != nil || len(token.Headers) != 1 {
		return nil, claims, ErrMalformed
	}
	// typ is compared without regard to case, and may be written in full (RFC 7515, section 4.1.9).
	typ, _ := token.Headers[0].ExtraHeaders[jose.HeaderType].(string)
	if !strings.EqualFold(strings.TrimPrefix(strings.ToLower(typ), "application/"), Type) {
		return nil, claims, ErrType
	}
	if err := token.UnsafeClaimsWithoutVerification(&claims); err != nil || claims.Issuer == "" || len(claims.Issuer) > maxClaim || !storable(claims.Issuer) {
		return nil, Assertion{}, ErrMalformed
	}
	return token, claims, nil
}

// Check judges everything that the token request does not change: audience, client, times
// and the claims that must be there.
func (a Assertion) Check(i Issuer, audience, clientID string, now time.Time) error {
	switch {
	case a.Issuer != i.Issuer, len(i.Clients) > 0 && !slices.Contains(i.Clients, clientID):
		return ErrIssuer
	case len(a.Audience) != 1 || a.Audience[0] != audience:
		return ErrAudience
	case a.ClientID != clientID:
		return ErrClient
	case a.Subject == "" || a.ID == "" || a.Expiry == nil || a.IssuedAt == nil:
		return ErrClaims
	case len(a.Subject) > maxClaim || len(a.ID) > maxClaim || !storable(a.Subject) || !storable(a.ID) || !storable(a.Email) || len(a.Email) > maxClaim:
		return ErrMalformed
	}
	exp, iat := a.Expiry.Time(), a.IssuedAt.Time()
	if !now.Before(exp.Add(leeway)) || iat.After(now.Add(leeway)) || exp.After(now.Add(LongestLife+leeway)) {
		return ErrLife
	}
	return nil
}

// SpentUntil is how long the jti has to be remembered.
func (a Assertion) SpentUntil() time.Time { return a.Expiry.Time().Add(leeway) }

// VerifiedEmail is the person's address where the issuer says that it is theirs.
func (a Assertion) VerifiedEmail() (string, bool) {
	verified := a.EmailVerified == true || a.EmailVerified == "true"
	return a.Email, verified && a.Email != ""
}
