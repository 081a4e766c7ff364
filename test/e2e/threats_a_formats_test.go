//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

// TestA10ATokenEndsWithItsTime: a call is refused from the second of its expiry on, and
// a stream that is open then ends within 30 seconds. A token of the future is none.
//
// Only a token that the test signs is so short: a workspace's live five minutes at least.
// On SQLite the key belongs to the gateway, and the edge does not know which it runs on.
func TestA10ATokenEndsWithItsTime(t *testing.T) {
	t.Parallel()
	row(t, "a10", func(h *house) {
		client := h.client("Scripted client")
		access := h.redeem(client, h.grant(h.stranger(), client)).field("access_token")
		require.Equal(h.t, http.StatusOK, h.ask(access).status)
		expiry := claimsOf(h.t, access)
		require.InDelta(h.t, time.Hour.Seconds(), expiry["exp"].(float64)-expiry["iat"].(float64), 0) //nolint:forcetypeassert // both are numbers
		parts := strings.Split(access, ".")
		changed := claimsOf(h.t, access)
		changed["exp"] = time.Now().Add(24 * time.Hour).Unix()
		raw, err := json.Marshal(changed)
		require.NoError(h.t, err)
		h.requireDead(parts[0]+"."+base64.RawURLEncoding.EncodeToString(raw)+"."+parts[2], "a longer life, written into it")

		now := time.Now()
		short, ok := h.forge("at+jwt", access, map[string]any{"exp": now.Add(4 * time.Second).Unix(), "jti": "short"})
		if !ok {
			return
		}
		for what, change := range map[string]map[string]any{
			"ten minutes early": {"iat": now.Add(10 * time.Minute).Unix()}, "not yet": {"nbf": now.Add(10 * time.Minute).Unix()}, "expired": {"exp": now.Add(-time.Second).Unix()},
			"expired long ago": {"exp": 1}, "no exp": {"exp": nil}, "no iat": {"iat": nil}, "exp is text": {"exp": "2099"},
		} {
			forged, _ := h.forge("at+jwt", access, change)
			h.requireDead(forged, what)
		}
		client.Tokens.AccessToken = short
		require.NoError(h.t, client.Initialize(h.t.Context()))
		client.HTTP.Transport = http.DefaultTransport
		stream := openStream(h.t, client)
		expires := time.Unix(now.Add(4*time.Second).Unix(), 0)
		h.untilDead(short, 6*time.Second, "calls with it")
		require.GreaterOrEqual(h.t, time.Now(), expires.Add(-time.Second))
		select {
		case <-stream:
			require.Less(h.t, time.Since(expires), 31*time.Second)
		case <-time.After(time.Until(expires.Add(31 * time.Second))):
			require.Fail(h.t, "the stream outlives its token")
		}
	})
}

// TestA11AlgorithmsAndKeyNames is the list of a JWT attack tool: none of it is accepted,
// nothing of it is a failure of the server, and all of it is refused at once.
func TestA11AlgorithmsAndKeyNames(t *testing.T) {
	t.Parallel()
	row(t, "a11", func(h *house) {
		client := h.client("Scripted client")
		access := h.redeem(client, h.grant(h.stranger(), client)).field("access_token")
		require.Equal(h.t, http.StatusOK, h.ask(access).status)
		slowest := time.Duration(0)
		took := []time.Duration{}
		forgeries := jwtForgeries(h.t, access, h.call(http.MethodGet, "/jwks", "").body)
		require.Greater(h.t, len(forgeries), 60)
		for name, token := range forgeries {
			began := time.Now()
			got := h.ask(token)
			took = append(took, time.Since(began))
			slowest = max(slowest, took[len(took)-1])
			want := []int{http.StatusUnauthorized}
			if len(token) > 500_000 {
				want = append(want, http.StatusRequestHeaderFieldsTooLarge, http.StatusBadRequest) // before anybody reads it
			}
			require.Contains(h.t, want, got.status, "%s: %s", name, got.body)
		}
		slices.Sort(took)
		require.Less(h.t, took[len(took)/2], 50*time.Millisecond)
		h.t.Logf("%d forgeries, the median refused after %s, the slowest after %s", len(took), took[len(took)/2], slowest)
		require.Equal(h.t, http.StatusOK, h.ask(access).status)
	})
}

// jwtForgeries are tokens made of a good one by somebody without the key.
func jwtForgeries(t *testing.T, good, jwks string) map[string]string {
	t.Helper()
	parts := strings.Split(good, ".")
	var header map[string]any
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &header))
	kid, _ := header["kid"].(string)
	segment := func(change map[string]any) string {
		members := map[string]any{"alg": "ES256", "typ": "at+jwt", "kid": kid}
		for name, value := range change {
			members[name] = value
		}
		raw, err := json.Marshal(members)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	out := map[string]string{}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "HS256", "HS512", "RS256", "PS256", "ES384", "ES512", "EdDSA", "es256", "ES256K", "dir", "ECDH-ES"} {
		out["alg "+alg+", no signature"] = segment(map[string]any{"alg": alg}) + "." + parts[1] + "."
		out["alg "+alg+", its signature"] = segment(map[string]any{"alg": alg}) + "." + parts[1] + "." + parts[2]
	}
	var set jose.JSONWebKeySet
	require.NoError(t, json.Unmarshal([]byte(jwks), &set))
	public, ok := set.Keys[0].Key.(*ecdsa.PublicKey)
	require.True(t, ok)
	der, err := x509.MarshalPKIXPublicKey(public)
	require.NoError(t, err)
	one, err := json.Marshal(set.Keys[0])
	require.NoError(t, err)
	block := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, secret := range map[string][]byte{
		"PEM": block, "PEM without its end": []byte(strings.TrimSpace(string(block))), "DER": der, "JWKS": []byte(jwks), "JWK": one, "nothing": {}, "kid": []byte(kid), "zeros": make([]byte, 32),
	} {
		text := segment(map[string]any{"alg": "HS256"}) + "." + parts[1]
		mac := hmac.New(sha256.New, secret)
		_, _ = mac.Write([]byte(text)) // a hash never fails
		out["HS256 over "+name] = text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	require.NoError(t, err)
	sign := func(kid any, embed bool, more map[jose.HeaderKey]any) string {
		options := (&jose.SignerOptions{EmbedJWK: embed}).WithType("at+jwt")
		for name, value := range more {
			options = options.WithHeader(name, value)
		}
		if kid != nil {
			options = options.WithHeader("kid", kid)
		}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: own}, options)
		require.NoError(t, err)
		var claims map[string]any
		require.NoError(t, json.Unmarshal(payload, &claims))
		text, err := jwt.Signed(signer).Claims(claims).Serialize()
		require.NoError(t, err)
		return text
	}
	for _, name := range []any{
		kid, "", "../../../../dev/null", "/dev/null", "file:///etc/passwd", "' or '1'='1", "x'; drop table signing_keys; --", "|sleep 5", "$(sleep 5)", "http://127.0.0.1:1/key", "\x00", strings.Repeat("k", 5000), 7, nil, []string{kid}, map[string]any{"a": kid}, kid + "\x00", strings.ToUpper(kid),
	} {
		raw, err := json.Marshal(name)
		require.NoError(t, err)
		out["kid "+string(raw[:min(len(raw), 40)])] = sign(name, false, nil)
	}
	out["our kid, embedded key"] = sign(nil, true, nil)
	for name, value := range map[jose.HeaderKey]any{
		"jku": "http://127.0.0.1:1/jwks", "x5u": "http://127.0.0.1:1/x5u", "x5c": []string{base64.StdEncoding.EncodeToString(der)}, "crit": []string{"exp"}, "b64": false, "cty": "JWT", "zip": "DEF",
	} {
		out["our kid and "+string(name)] = sign(kid, false, map[jose.HeaderKey]any{name: value})
	}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.ECDH_ES, Key: public, KeyID: kid}, (&jose.EncrypterOptions{}).WithType("at+jwt"))
	require.NoError(t, err)
	for name, content := range map[string][]byte{"claims": payload, "a token": []byte(good)} {
		sealed, err := encrypter.Encrypt(content)
		require.NoError(t, err)
		out["JWE of "+name], err = sealed.CompactSerialize()
		require.NoError(t, err)
	}
	out["psychic signature"] = parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64))
	out["ASN.1 signature"] = parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(append([]byte{0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00}, make([]byte, 56)...))
	out["padded"], out["a space"] = parts[0]+"=."+parts[1]+"."+parts[2], parts[0]+" ."+parts[1]+"."+parts[2]
	out["10,000 segments"], out["10,000 more"] = strings.Repeat("a.", 10_000)+"a", good+strings.Repeat(".", 10_000)
	out["a header of 1 MB"] = segment(map[string]any{"x": strings.Repeat("x", 1<<20)}) + "." + parts[1] + "." + parts[2]
	out["JSON serialization"] = `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`
	return out
}

// TestA12OpaqueTokensAreWholeOrNothing: of 100 refresh tokens no byte can be cut, changed
// or added. They are the generations of one family: were any of it taken for one of
// them, the family would be dead at the end.
func TestA12OpaqueTokensAreWholeOrNothing(t *testing.T) {
	t.Parallel()
	row(t, "a12", func(h *house) {
		client := h.client("Scripted client")
		got := h.redeem(client, h.grant(h.stranger(), client))
		access := got.field("access_token")
		tokens := []string{got.field("refresh_token")}
		for len(tokens) < 100 {
			next := h.refresh(client, tokens[len(tokens)-1]).field("refresh_token")
			require.NotEmpty(h.t, next)
			tokens = append(tokens, next)
		}
		var tried []string
		for n, token := range tokens {
			for i := range len(token) {
				flipped := byte('A')
				if token[i] == flipped {
					flipped = 'B'
				}
				tried = append(tried, token[:i]+string(flipped)+token[i+1:])
				if n < 20 {
					tried = append(tried, token[:i], token[:i]+token[i+1:])
				}
			}
			tried = append(tried, token[:len(token)-1], token[1:], token+"A", "A"+token, token+"\x00", token+token)
		}
		var wrong atomic.Int64
		byMany(len(tried), func(i int) {
			want := "invalid_grant"
			if tried[i] == "" {
				want = "invalid_request" // it counts as left out
			}
			if h.refresh(client, tried[i]).code() != want {
				wrong.Add(1)
			}
		})
		require.Zero(h.t, wrong.Load(), "of %d", len(tried))
		for i := 0; i < len(tried); i += 50 {
			if !strings.ContainsAny(tried[i], "\x00") {
				require.Equal(h.t, http.StatusUnauthorized, h.ask(tried[i]).status)
			}
		}
		require.Equal(h.t, http.StatusOK, h.ask(access).status, "nothing of it ended the family")
		require.Equal(h.t, http.StatusOK, h.refresh(client, tokens[99]).status)
	})
}
