package edge

import (
	"crypto"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/dpop"
)

// clockSkew is how far our nodes' clocks may be apart. It never lengthens a
// token's life.
const clockSkew = 60 * time.Second

// access is what a verified token says. It does not change.
type access struct {
	tenant, issuer          string
	subject, client, family string
	scope                   string // as in the token
	scopes                  []string
	audience                []string
	expires                 time.Time
	jkt                     string // the key that the token is bound to, empty for none (RFC 9449, section 6)
	kid                     string
	key                     crypto.PublicKey
	// assertion is the last one made for this token's owner.
	assertion atomic.Pointer[assertion]
	// session is the last one that this token was used in.
	session atomic.Pointer[session]
	// told are the steps of connecting that it was seen to take.
	told told
}

// tokenFault says why a token is not accepted.
type tokenFault struct{ reason, description string }

var (
	faultInvalid  = &tokenFault{reasonInvalidToken, "it is not an access token of this server"}
	faultExpired  = &tokenFault{reasonExpiredToken, "it has expired"}
	faultAudience = &tokenFault{reasonWrongAudience, "it was issued for another resource"}
	faultRevoked  = &tokenFault{reasonRevokedToken, "it was revoked"}
)

// verify accepts or refuses a token for one runtime. The signature is checked once
// per token; everything that can change since then is checked every time.
func (f *Front) verify(token string, tenant *snapshot.Tenant, target *snapshot.Edge) (*access, *tokenFault) {
	now := f.clock.Now()
	a := f.tokens.get(token)
	if a == nil {
		var ok bool
		if a, ok = parseAccessToken(token, tenant, now); !ok {
			return nil, faultInvalid
		}
		f.tokens.put(token, a, now)
	}
	if fault := a.check(tenant, target, now); fault != nil {
		return nil, fault
	}
	return a, nil
}

// check holds the token against a snapshot and a moment.
func (a *access) check(tenant *snapshot.Tenant, target *snapshot.Edge, now time.Time) *tokenFault {
	if a.tenant != tenant.ID || a.issuer != tenant.Issuer {
		return faultInvalid
	}
	if key := tenant.Keys[a.kid]; key == nil || key != a.key && !sameKey(key, a.key) {
		return faultInvalid
	}
	if !now.Before(a.expires) {
		return faultExpired
	}
	if !slices.Contains(a.audience, target.Resource) {
		return faultAudience
	}
	if _, revoked := tenant.Revoked[a.family]; revoked {
		return faultRevoked
	}
	return nil
}

func (a *access) covers(need []string) bool {
	for _, scope := range need {
		if !slices.Contains(a.scopes, scope) {
			return false
		}
	}
	return true
}

// claims are those of an access token of ours (RFC 9068, and fid, the token family).
type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub"`
	Audience  audience `json:"aud"`
	ClientID  string   `json:"client_id"`
	Scope     string   `json:"scope"`
	ID        string   `json:"jti"`
	Family    string   `json:"fid"`
	Expires   *seconds `json:"exp"`
	IssuedAt  *seconds `json:"iat"`
	NotBefore *seconds `json:"nbf"`
	Bound     *bound   `json:"cnf"`
}

// bound names the key that a token is bound to. Any other way of binding is one that
// we do not check, so such a token is not accepted.
type bound struct {
	Thumbprint string `json:"jkt"`
}

// audience is one name or a list of them.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(b []byte) error {
	if b[0] == '"' {
		*a = make(audience, 1)
		return json.Unmarshal(b, &(*a)[0])
	}
	return json.Unmarshal(b, (*[]string)(a))
}

// seconds is a NumericDate (RFC 7519, section 2). A part of a second does not count.
type seconds float64

// furthest is the end of the year 9999, beyond which times cannot be written.
const furthest = 253402300799

func (s seconds) time() time.Time { return time.Unix(int64(max(0, min(s, furthest))), 0) }

func parseAccessToken(token string, tenant *snapshot.Tenant, now time.Time) (*access, bool) {
	kid, alg, ok := tokenHeader(token)
	if !ok {
		return nil, false
	}
	key := tenant.Keys[kid]
	payload, ok := verifyJWS(key, alg, token)
	if !ok {
		return nil, false
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, false
	}
	if c.Issuer != tenant.Issuer || c.Subject == "" || c.ClientID == "" || c.ID == "" || c.Family == "" || c.Expires == nil || c.IssuedAt == nil {
		return nil, false
	}
	var jkt string
	if c.Bound != nil {
		if jkt = c.Bound.Thumbprint; !dpop.IsThumbprint(jkt) {
			return nil, false
		}
	}
	latest := now.Add(clockSkew)
	if c.IssuedAt.time().After(latest) || c.NotBefore != nil && c.NotBefore.time().After(latest) {
		return nil, false
	}
	return &access{
		tenant: tenant.ID, issuer: c.Issuer, subject: c.Subject, client: c.ClientID, family: c.Family,
		scope: c.Scope, scopes: strings.Fields(c.Scope), audience: c.Audience, expires: c.Expires.time(), jkt: jkt, kid: kid, key: key,
	}, true
}

// tokenHeader reads the header of a compact JWS. A header of ours holds alg, typ and
// kid and nothing else, so everything that might lead a verifier to a key of the
// sender's choice (jku, jwk, x5u, crit) and every other kind of token is refused
// before any cryptography.
func tokenHeader(token string) (kid, alg string, ok bool) {
	if strings.Count(token, ".") != 2 {
		return "", "", false
	}
	first, _, _ := strings.Cut(token, ".")
	// Another spelling of the same bytes would be another token to everything that
	// compares texts. verifyJWS is as strict with the other two parts.
	raw, ok := decodeStrict(first)
	if !ok {
		return "", "", false
	}
	var header map[string]string
	if err := json.Unmarshal(raw, &header); err != nil || len(header) != 3 {
		return "", "", false
	}
	if header["alg"] == "" || !strings.EqualFold(header["typ"], "at+jwt") || header["kid"] == "" {
		return "", "", false
	}
	return header["kid"], header["alg"], true
}

// joinScopes writes a scope parameter without repetitions.
func joinScopes(scopes []string, more ...string) string {
	if len(more) == 0 {
		return strings.Join(scopes, " ")
	}
	all := slices.Clone(scopes)
	for _, scope := range more {
		if !slices.Contains(all, scope) {
			all = append(all, scope)
		}
	}
	return strings.Join(all, " ")
}
