package idp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
)

// TestIDToken: what does not prove who signed in, to us and now, signs nobody in
// (OpenID Connect Core, section 3.1.3.7).
func TestIDToken(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(b, err)
		unsigned := func(claims map[string]any) string {
			body, err := json.Marshal(claims)
			require.NoError(b, err)
			enc := base64.RawURLEncoding.EncodeToString
			return enc([]byte(`{"alg":"none"}`)) + "." + enc(body) + "."
		}
		set := func(name string, value any) func(map[string]any) {
			return func(c map[string]any) { c[name] = value }
		}
		good := b.fake.Sign
		for what, fault := range map[string]struct {
			code   string
			claims func(map[string]any)
			sign   func(map[string]any) string
			answer func(map[string]any)
		}{
			"another nonce":           {code: "wrong_nonce", claims: set("nonce", "x")},
			"no nonce":                {code: "wrong_nonce", claims: func(c map[string]any) { delete(c, "nonce") }},
			"another issuer":          {code: "wrong_issuer", claims: set("iss", "https://evil.example")},
			"a slash more":            {code: "wrong_issuer", claims: set("iss", b.fake.Issuer+"/")},
			"another audience":        {code: "wrong_audience", claims: set("aud", "other")},
			"two audiences, no azp":   {code: "wrong_audience", claims: set("aud", []string{"gateway", "other"})},
			"another azp":             {code: "wrong_audience", claims: set("azp", "other")},
			"expired":                 {code: "expired", claims: set("exp", time.Now().Add(-time.Minute).Unix())},
			"from the future":         {code: "expired", claims: set("iat", time.Now().Add(time.Hour).Unix())},
			"no subject":              {code: "provider_answer", claims: func(c map[string]any) { delete(c, "sub") }},
			"a subject too long":      {code: "wrong_subject", claims: set("sub", strings.Repeat("s", 256))},
			"alg none":                {code: "wrong_algorithm", sign: unsigned},
			"HS256 with our secret":   {code: "wrong_algorithm", sign: func(c map[string]any) string { return b.fake.SignWith(jose.HS256, []byte(secret+secret), c) }},
			"a stranger's key":        {code: "wrong_signature", sign: func(c map[string]any) string { return b.fake.SignWith(jose.ES256, stranger, c) }},
			"another token's at_hash": {code: "wrong_token", claims: set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")},
			"no ID token":             {code: "no_id_token", answer: func(a map[string]any) { delete(a, "id_token") }},
			"no JWT":                  {code: "provider_answer", answer: func(a map[string]any) { a["id_token"] = "canary" }},
			"no access token":         {code: "provider_answer", answer: func(a map[string]any) { delete(a, "access_token") }},
		} {
			b.fake.Claims, b.fake.Answer, b.fake.Sign = fault.claims, fault.answer, good
			if fault.sign != nil {
				b.fake.Sign = fault.sign
			}
			_, err := b.signIn(p)
			require.Error(b, err, what)
			requireRefused(b, err, fault.code)
		}
		_, total := b.users(idp.Page{})
		require.EqualValues(b, 0, total)
		b.fake.Claims, b.fake.Answer, b.fake.Sign = func(c map[string]any) { c["aud"], c["azp"] = []string{"gateway", "other"}, "gateway" }, nil, good
		_, err = b.signIn(p)
		require.NoError(b, err)
	})
}

// TestAlgorithms: only what the provider says and we accept.
func TestAlgorithms(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		for _, listed := range [][]string{{"none"}, {"HS256"}, {"HS256", "none", "RS1"}} {
			b.fake.Metadata = func(m map[string]any) { m["id_token_signing_alg_values_supported"] = listed }
			_, err := b.providers.Create(b.Context(), b.h, idp.NewID(), b.input())
			require.ErrorContains(b, err, "no algorithm that is accepted", listed)
			b.env.Clock.Advance(time.Minute)
		}
		b.fake.Metadata = func(m map[string]any) { m["id_token_signing_alg_values_supported"] = []string{"RS256", "none"} }
		_, err := b.signIn(b.create())
		requireRefused(b, err, "wrong_algorithm")
	})
}

// TestC12Keys: a huge or crowded key set is refused, unknown key ids cause one request
// a minute, and the last good set is used for a day.
func TestC12Keys(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		_, err := b.signIn(p)
		require.NoError(b, err)
		require.Equal(b, 1, b.fake.Asked("/jwks"))
		good := b.fake.Sign
		b.fake.Sign = func(c map[string]any) string {
			b.fake.KID = rand.Text()
			return good(c)
		}
		b.fake.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == "/jwks" {
				w.WriteHeader(http.StatusInternalServerError)
			}
			return r.URL.Path == "/jwks"
		}
		for range 50 {
			_, err := b.signIn(p)
			requireRefused(b, err, "wrong_signature")
		}
		require.LessOrEqual(b, b.fake.Asked("/jwks"), 2)
		b.env.Clock.Advance(61 * time.Second)
		for range 50 {
			_, err := b.signIn(p)
			requireRefused(b, err, "wrong_signature")
		}
		require.LessOrEqual(b, b.fake.Asked("/jwks"), 3)

		b.fake.Sign = func(c map[string]any) string {
			b.fake.KID = "first"
			return good(c)
		}
		b.env.Clock.Advance(23 * time.Hour)
		_, err = b.signIn(p)
		require.NoError(b, err, "the last good set")
		b.env.Clock.Advance(2 * time.Hour)
		_, err = b.signIn(p)
		requireRefused(b, err, "provider_answer")
	})
}

func TestC12HugeKeys(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		sent := 0
		b.fake.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/jwks" {
				return false
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"keys":[`))
			line := []byte(`{"kty":"oct","k":"` + strings.Repeat("A", 1000) + `"},`)
			for range 100_000 { // 100 MB
				if _, err := w.Write(line); err != nil {
					break
				}
				sent += len(line)
			}
			return true
		}
		_, err := b.signIn(p)
		requireRefused(b, err, "provider_answer")
		require.Less(b, sent, 20<<20, "the rest was not read")
	})
}

// TestC4TokenRedirect: a token endpoint that redirects is an error, and where it leads
// hears nothing.
func TestC4TokenRedirect(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		for _, path := range []string{"/token", "/jwks"} {
			p := b.create()
			b.fake.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == path {
					http.Redirect(w, r, "/inside", http.StatusTemporaryRedirect)
				}
				return r.URL.Path == path
			}
			_, err := b.signIn(p)
			requireRefused(b, err, "provider_answer")
			require.Equal(b, 0, b.fake.Asked("/inside"))
			b.env.Clock.Advance(25 * time.Hour)
			b.fake.Before = nil
		}
	})
}
