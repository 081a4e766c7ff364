package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/issuers"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
)

// assertionIssuer is a company's identity provider, as far as ID-JAGs go.
type assertionIssuer struct {
	*httptest.Server
	t    testing.TB
	key  *ecdsa.PrivateKey
	down atomic.Bool
}

func newAssertionIssuer(t testing.TB) *assertionIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	is := &assertionIssuer{t: t, key: key}
	is.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if is.down.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Use: "sig"}}})
	}))
	t.Cleanup(is.Close)
	return is
}

// claims are those of a good assertion for the client, whose person is the tenant's owner.
func (a *app) claims(is *assertionIssuer) map[string]any {
	now := a.tn.b.env.Clock.Now()
	return map[string]any{
		"iss": is.URL, "sub": "u-1", "aud": a.tn.issuer, "client_id": a.id, "jti": ids.New("jti"), "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"resource": a.tn.mcp("tickets"), "email": a.tn.owner.Email, "email_verified": true,
	}
}

func (is *assertionIssuer) sign(claims map[string]any) string {
	return signAs(is.t, jose.ES256, is.key, issuers.Type, claims)
}

func signAs(t testing.TB, alg jose.SignatureAlgorithm, key any, typ string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	require.NoError(t, err)
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(t, err)
	return raw
}

// trust makes the tenant believe the issuer.
func (tn *tenant) trust(is *assertionIssuer, clients ...string) (id string) {
	tn.b.t.Helper()
	tn.write(func(tx *tenancy.Tx) error {
		made, err := issuers.Add(tx, outbound.New(outbound.Config{AllowPrivate: true}), issuers.Input{Name: "Acme SSO", Issuer: is.URL, JWKSURI: is.URL + "/keys", Clients: clients})
		id = made.ID
		return err
	})
	return id
}

func (tn *tenant) distrust(is *assertionIssuer) {
	tn.b.t.Helper()
	tn.write(func(tx *tenancy.Tx) error {
		found, _, err := issuers.Trusted(tx, is.URL)
		if err != nil {
			return err
		}
		return issuers.Remove(tx, found.ID)
	})
}

func (a *app) exchange(assertion string, more ...string) tokens {
	a.tn.b.t.Helper()
	v := url.Values{"grant_type": {oplib.GrantJWTBearer}, "assertion": {assertion}}
	apply(v, more)
	return a.basic("/token", v)
}

func TestIDJAG(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		is := newAssertionIssuer(b.t)
		tn.trust(is)
		a := tn.confidential("", oplib.GrantJWTBearer)
		got := a.exchange(is.sign(a.claims(is)), "scope", "mcp offline_access")
		require.Equal(b.t, 200, got.status, got.body)
		require.NotContains(b.t, got.body, "refresh_token")
		require.Equal(b.t, "mcp", got.Scope)
		require.Equal(b.t, tn.owner.ID, got.claims()["sub"], "the member of the verified address")
		require.Equal(b.t, tn.mcp("tickets"), got.claims()["aud"])
		require.Equal(b.t, int64(1), tn.count("token_families", "origin = ? AND id = ?", "jwt_bearer", got.family()))
		require.Equal(b.t, int64(1), tn.count("audit_events", "action = ? AND target_id = ?", "assertion.exchange", got.family()))

		// resource may be left out where there is one runtime, and may be a list of one.
		open := a.claims(is)
		delete(open, "resource")
		require.Equal(b.t, tn.mcp("tickets"), a.exchange(is.sign(open)).claims()["aud"])
		listed := a.claims(is)
		listed["resource"], listed["aud"] = []string{tn.mcp("tickets")}, []string{tn.issuer}
		require.Equal(b.t, 200, a.exchange(is.sign(listed), "resource", tn.mcp("tickets")).status)
		tn.upstream("wiki")
		open["jti"] = "another"
		require.Equal(b.t, "invalid_grant", a.exchange(is.sign(open)).Error)
		for _, secret := range []string{"eyJ", "\"u-1\"", open["email"].(string)} {
			require.NotContains(b.t, b.log.String(), secret)
		}
	})
}

// TestA9IDJAGMismatches: one claim at a time is another one's.
func TestA9IDJAGMismatches(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		is, stranger := newAssertionIssuer(b.t), newAssertionIssuer(b.t)
		tn.trust(is)
		other := b.tenant("beta")
		other.upstream("tickets")
		other.trust(stranger)
		a := tn.confidential("", oplib.GrantJWTBearer)
		now := b.env.Clock.Now()
		const gone = "\x00gone"
		for what, change := range map[string][2]any{
			"another tenant's issuer":      {"iss", stranger.URL},
			"an issuer with a slash":       {"iss", is.URL + "/"},
			"no issuer":                    {"iss", gone},
			"another audience":             {"aud", other.issuer},
			"the audience with a slash":    {"aud", tn.issuer + "/"},
			"the token endpoint":           {"aud", tn.issuer + "/token"},
			"two audiences":                {"aud", []string{tn.issuer, other.issuer}},
			"no audience":                  {"aud", gone},
			"another client":               {"client_id", "cli_other"},
			"no client":                    {"client_id", gone},
			"another runtime":              {"resource", other.mcp("tickets")},
			"an unknown runtime":           {"resource", tn.mcp("nothing")},
			"the bare origin":              {"resource", tn.issuer},
			"two runtimes":                 {"resource", []string{tn.mcp("tickets"), other.mcp("tickets")}},
			"a resource that is no string": {"resource", 7},
			"expired":                      {"exp", now.Add(-time.Minute).Unix()},
			"lives too long":               {"exp", now.Add(62 * time.Minute).Unix()},
			"no exp":                       {"exp", gone},
			"from the future":              {"iat", now.Add(2 * time.Minute).Unix()},
			"no iat":                       {"iat", gone},
			"no jti":                       {"jti", gone},
			"an empty jti":                 {"jti", ""},
			"a jti with a zero":            {"jti", "a\x00"},
			"no sub":                       {"sub", gone},
			"a person without a place":     {"email", "nobody@example.com"},
			"an address that is not theirs": {
				"email_verified", false,
			},
			"an address nobody checked": {"email_verified", gone},
		} {
			claims := a.claims(is)
			claims[change[0].(string)] = change[1]
			if change[1] == gone {
				delete(claims, change[0].(string))
			}
			got := a.exchange(is.sign(claims))
			require.Equal(b.t, 400, got.status, "%s: %s", what, got.body)
			require.Equal(b.t, "invalid_grant", got.Error, "%s: %s", what, got.body)
		}
		good := a.claims(is)
		require.Equal(b.t, "invalid_target", a.exchange(is.sign(good), "resource", tn.issuer+"/other/mcp").Error)
		require.Equal(b.t, 200, a.exchange(is.sign(good)).status, "that used nothing up")
		require.Equal(b.t, int64(1), tn.count("token_families", "1 = 1"))
	})
}

// TestA8IDJAGForgeries: what is not the issuer's own signature over an ID-JAG.
func TestA8IDJAGForgeries(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		is := newAssertionIssuer(b.t)
		tn.trust(is)
		a := tn.confidential("", oplib.GrantJWTBearer)
		good := is.sign(a.claims(is))
		parts := strings.Split(good, ".")
		other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(b.t, err)
		p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		require.NoError(b.t, err)
		for what, forged := range map[string]string{
			"another's key":        signAs(b.t, jose.ES256, other, issuers.Type, a.claims(is)),
			"typ JWT":              signAs(b.t, jose.ES256, is.key, "JWT", a.claims(is)),
			"typ of access tokens": signAs(b.t, jose.ES256, is.key, "at+jwt", a.claims(is)),
			"HS256":                signAs(b.t, jose.HS256, []byte(strings.Repeat("k", 32)), issuers.Type, a.claims(is)),
			"ES384":                signAs(b.t, jose.ES384, p384, issuers.Type, a.claims(is)),
			"none":                 "eyJhbGciOiJub25lIiwidHlwIjoib2F1dGgtaWQtamFnK2p3dCJ9." + parts[1] + ".",
			"no signature":         parts[0] + "." + parts[1] + ".",
			"flipped":              parts[0] + "." + parts[1] + "." + flip(parts[2]),
			"another's payload":    parts[0] + "." + strings.Split(is.sign(a.claims(is)), ".")[1] + "." + parts[2],
			"too long":             good + strings.Repeat("A", issuers.MaxAssertion),
			"nonsense":             "x",
			"its own key": func() string {
				signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: other}, (&jose.SignerOptions{EmbedJWK: true}).WithType(issuers.Type))
				require.NoError(b.t, err)
				raw, err := jwt.Signed(signer).Claims(a.claims(is)).Serialize()
				require.NoError(b.t, err)
				return raw
			}(),
		} {
			got := a.exchange(forged)
			require.Equal(b.t, "invalid_grant", got.Error, "%s: %s", what, got.body)
		}
		require.Equal(b.t, "invalid_request", a.exchange("").Error)
		require.Equal(b.t, 200, a.exchange(good).status)
		full := signAs(b.t, jose.ES256, is.key, "application/"+issuers.Type, a.claims(is))
		require.Equal(b.t, 200, a.exchange(full).status, "the full media type is the same one")
	})
}

func flip(s string) string {
	first := "A"
	if s[0] == 'A' {
		first = "B"
	}
	return first + s[1:]
}

// TestA18IDJAGReplay: an assertion is used once, at whichever node, until it has expired.
func TestA18IDJAGReplay(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		b.second()
		is, twin := newAssertionIssuer(b.t), newAssertionIssuer(b.t)
		tn.trust(is)
		tn.trust(twin)
		a := tn.confidential("", oplib.GrantJWTBearer)
		claims := a.claims(is)
		assertion := is.sign(claims)
		require.Len(b.t, succeeded(b.t, parallel(20, func() tokens { return a.exchange(assertion) })), 1)
		b.env.Clock.Advance(5*time.Minute + 30*time.Second)
		require.Equal(b.t, "invalid_grant", a.exchange(assertion).Error, "within the leeway, and still remembered")
		require.NoError(b.t, b.server.Sweep(b.t.Context()))
		require.Equal(b.t, "invalid_grant", a.exchange(assertion).Error)
		require.Equal(b.t, int64(21), tn.count("audit_events", "action = ?", "assertion.replay"))

		// The jti is the issuer's own: another issuer may use the same.
		same := a.claims(twin)
		same["jti"] = claims["jti"]
		require.Equal(b.t, 200, a.exchange(twin.sign(same)).status)
		require.Equal(b.t, int64(2), tn.count("token_families", "1 = 1"))
	})
}

func TestA6IDJAGIsOneClientsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		is := newAssertionIssuer(b.t)
		a, other := tn.confidential("", oplib.GrantJWTBearer), tn.confidential("", oplib.GrantJWTBearer)
		id := tn.trust(is, a.id)
		assertion := is.sign(a.claims(is))
		require.Equal(b.t, "invalid_grant", other.exchange(assertion).Error)
		require.Equal(b.t, 200, a.exchange(assertion).status, "the other's try used nothing up")
		got := other.exchange(is.sign(other.claims(is)))
		require.Equal(b.t, "invalid_grant", got.Error, "the issuer is trusted for one client alone")
		tn.write(func(tx *tenancy.Tx) error {
			return issuers.Update(tx, outbound.New(outbound.Config{AllowPrivate: true}), id, issuers.Input{Name: "Acme SSO", JWKSURI: is.URL})
		})
		require.Equal(b.t, 200, other.exchange(is.sign(other.claims(is))).status)
	})
}

func TestA20IDJAGOfSomebodyWhoLeft(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		is := newAssertionIssuer(b.t)
		tn.trust(is)
		a := tn.confidential("", oplib.GrantJWTBearer)
		guest := b.account("guest")
		claims := func() string {
			c := a.claims(is)
			c["email"] = strings.ToUpper(guest.Email)
			return is.sign(c)
		}
		require.Equal(b.t, "invalid_grant", a.exchange(claims()).Error, "an account is no member")
		tn.add(guest)
		require.Equal(b.t, guest.ID, a.exchange(claims()).claims()["sub"])
		tn.remove(guest)
		require.Equal(b.t, "invalid_grant", a.exchange(claims()).Error)
	})
}

func TestIDJAGScope(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.write(func(tx *tenancy.Tx) error { return defineScopes(tx, "tickets:read", "tickets:write") })
		is := newAssertionIssuer(b.t)
		tn.trust(is)
		free, bound := tn.confidential("", oplib.GrantJWTBearer), tn.confidential("tickets:read", oplib.GrantJWTBearer)
		for _, row := range []struct {
			a                   *app
			allowed, asked, got string
		}{
			{free, "", "-", "mcp"},
			{free, "", "tickets:read tickets:write", "mcp tickets:read tickets:write"},
			{free, "tickets:read", "-", "mcp tickets:read"},
			{free, "tickets:read", "tickets:read tickets:write", "mcp tickets:read"},
			{free, "tickets:read", "tickets:write", "mcp"},
			{free, "nonsense", "tickets:write", "mcp"},
			{bound, "tickets:read tickets:write", "-", "mcp tickets:read"},
			{bound, "tickets:write", "tickets:write", "mcp"},
		} {
			claims := row.a.claims(is)
			if row.allowed != "" {
				claims["scope"] = row.allowed
			}
			require.Equal(b.t, row.got, row.a.exchange(is.sign(claims), "scope", row.asked).Scope, "%+v", row)
		}
	})
}

func TestIDJAGWhileTheIssuerIsDown(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		is := newAssertionIssuer(b.t)
		tn.trust(is)
		a := tn.confidential("", oplib.GrantJWTBearer)
		is.down.Store(true)
		assertion := is.sign(a.claims(is))
		got := a.exchange(assertion)
		require.Equal(b.t, 503, got.status)
		require.Equal(b.t, "temporarily_unavailable", got.Error)
		require.Equal(b.t, "1", got.header.Get("Retry-After"))
		is.down.Store(false)
		b.env.Clock.Advance(time.Minute)
		require.Equal(b.t, 200, a.exchange(assertion).status, "nothing was used up")
	})
}

func TestIDJAGOfARemovedIssuer(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		is, twin := newAssertionIssuer(b.t), newAssertionIssuer(b.t)
		id := tn.trust(is)
		tn.trust(twin)
		a := tn.confidential("", oplib.GrantJWTBearer)
		got, kept := a.exchange(is.sign(a.claims(is))), a.exchange(twin.sign(a.claims(twin)))
		require.Equal(b.t, 200, kept.status)
		tn.write(func(tx *tenancy.Tx) error { return b.server.RemoveIssuer(tx, id) })
		require.Equal(b.t, []string{got.family()}, tn.revoked())
		require.Equal(b.t, "invalid_grant", a.exchange(is.sign(a.claims(is))).Error)
	})
}
