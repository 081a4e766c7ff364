package dpop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/dpop"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const target = "https://acme.mcp.test/crm/mcp"

func request() dpop.Request { return dpop.Request{Method: "POST", URLs: []string{target}, Now: now} }

func claims() map[string]any {
	return map[string]any{"jti": "j-1", "htm": "POST", "htu": target, "iat": now.Unix()}
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

// sign makes a proof with any header over any payload.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, header map[jose.HeaderKey]any, payload map[string]any) string {
	t.Helper()
	options := &jose.SignerOptions{}
	for name, v := range header {
		options.WithHeader(name, v)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	require.NoError(t, err)
	raw, err := json.Marshal(payload)
	require.NoError(t, err)
	signed, err := signer.Sign(raw)
	require.NoError(t, err)
	out, err := signed.CompactSerialize()
	require.NoError(t, err)
	return out
}

func proof(t testing.TB, alg jose.SignatureAlgorithm, key crypto.Signer, payload map[string]any) string {
	t.Helper()
	return sign(t, alg, key, map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jose.JSONWebKey{Key: key.Public()}}, payload)
}

func TestProofOfEachKind(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ec := ecKey(t, elliptic.P256())
	for alg, key := range map[jose.SignatureAlgorithm]crypto.Signer{jose.ES256: ec, jose.EdDSA: ed, jose.PS256: large, jose.RS256: large} {
		require.Contains(t, dpop.Algorithms, string(alg))
		got, err := dpop.Verify(proof(t, alg, key, claims()), request())
		require.NoError(t, err, alg)
		thumb, err := (&jose.JSONWebKey{Key: key.Public()}).Thumbprint(crypto.SHA256)
		require.NoError(t, err)
		require.Equal(t, base64.RawURLEncoding.EncodeToString(thumb), got.Thumbprint)
		require.True(t, dpop.IsThumbprint(got.Thumbprint))
		require.Equal(t, "j-1", got.ID)
		require.Equal(t, now.Unix(), got.IssuedAt.Unix())
	}
	require.Len(t, dpop.Algorithms, 4)
}

func TestProofIsRefused(t *testing.T) {
	t.Parallel()
	key := ecKey(t, elliptic.P256())
	other := ecKey(t, elliptic.P256())
	p384 := ecKey(t, elliptic.P384())
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	jwk := jose.JSONWebKey{Key: key.Public()}
	header := func(more map[jose.HeaderKey]any) map[jose.HeaderKey]any {
		out := map[jose.HeaderKey]any{"typ": "dpop+jwt", "jwk": jwk}
		maps.Copy(out, more)
		return out
	}
	with := func(name string, v any) map[string]any {
		out := claims()
		if out[name] = v; v == nil {
			delete(out, name)
		}
		return out
	}
	secretJWK := map[string]any{"kty": "oct", "k": "c2VjcmV0"}
	private, err := json.Marshal(jose.JSONWebKey{Key: key})
	require.NoError(t, err)
	var privateJWK map[string]any
	require.NoError(t, json.Unmarshal(private, &privateJWK))
	good := proof(t, jose.ES256, key, claims())
	hmacKey := []byte("0123456789abcdef0123456789abcdef")
	for name, c := range map[string]struct {
		proof string
		want  error
	}{
		"empty":              {"", dpop.ErrMalformed},
		"no JWS":             {"abc", dpop.ErrMalformed},
		"two parts":          {"a.b", dpop.ErrMalformed},
		"two proofs":         {good + ", " + good, dpop.ErrMalformed},
		"too long":           {good + strings.Repeat("A", dpop.Longest), dpop.ErrMalformed},
		"padded":             {strings.Replace(good, ".", "=.", 1), dpop.ErrMalformed},
		"typ missing":        {sign(t, jose.ES256, key, map[jose.HeaderKey]any{"jwk": jwk}, claims()), dpop.ErrMalformed},
		"typ of a token":     {sign(t, jose.ES256, key, header(map[jose.HeaderKey]any{"typ": "at+jwt"}), claims()), dpop.ErrMalformed},
		"typ in capitals":    {sign(t, jose.ES256, key, header(map[jose.HeaderKey]any{"typ": "DPOP+JWT"}), claims()), dpop.ErrMalformed},
		"jwk missing":        {sign(t, jose.ES256, key, map[jose.HeaderKey]any{"typ": "dpop+jwt"}, claims()), dpop.ErrKey},
		"jwk of another":     {sign(t, jose.ES256, other, header(nil), claims()), dpop.ErrSignature},
		"private jwk":        {sign(t, jose.ES256, key, header(map[jose.HeaderKey]any{"jwk": privateJWK}), claims()), dpop.ErrKey},
		"secret jwk":         {sign(t, jose.HS256, hmacKey, header(map[jose.HeaderKey]any{"jwk": secretJWK}), claims()), dpop.ErrKey},
		"HMAC with our jwk":  {sign(t, jose.HS256, hmacKey, header(nil), claims()), dpop.ErrKey},
		"none":               {unsigned(t, `{"typ":"dpop+jwt","alg":"none","jwk":{}}`), dpop.ErrKey},
		"another curve":      {proof(t, jose.ES384, p384, claims()), dpop.ErrKey},
		"small RSA":          {proof(t, jose.RS256, small, claims()), dpop.ErrKey},
		"RS512":              {proof(t, jose.RS512, large, claims()), dpop.ErrKey},
		"alg of other kind":  {strings.Replace(good, b64(`{"alg":"ES256"`), b64(`{"alg":"RS256"`), 1), dpop.ErrKey},
		"crit":               {unsigned(t, `{"typ":"dpop+jwt","alg":"ES256","crit":["x"],"x":1,"jwk":{}}`), dpop.ErrMalformed},
		"name twice":         {unsigned(t, `{"typ":"dpop+jwt","typ":"dpop+jwt","alg":"ES256","jwk":{}}`), dpop.ErrMalformed},
		"changed payload":    {swapPayload(good, `{"jti":"j-2","htm":"POST","htu":"`+target+`","iat":1}`), dpop.ErrSignature},
		"no jti":             {proof(t, jose.ES256, key, with("jti", nil)), dpop.ErrMalformed},
		"long jti":           {proof(t, jose.ES256, key, with("jti", strings.Repeat("j", 257))), dpop.ErrMalformed},
		"jti of a number":    {proof(t, jose.ES256, key, with("jti", 1)), dpop.ErrMalformed},
		"no htm":             {proof(t, jose.ES256, key, with("htm", nil)), dpop.ErrMethod},
		"other method":       {proof(t, jose.ES256, key, with("htm", "GET")), dpop.ErrMethod},
		"method lower":       {proof(t, jose.ES256, key, with("htm", "post")), dpop.ErrMethod},
		"no htu":             {proof(t, jose.ES256, key, with("htu", nil)), dpop.ErrURL},
		"other host":         {proof(t, jose.ES256, key, with("htu", "https://evil.test/crm/mcp")), dpop.ErrURL},
		"other path":         {proof(t, jose.ES256, key, with("htu", "https://acme.mcp.test/crm")), dpop.ErrURL},
		"other scheme":       {proof(t, jose.ES256, key, with("htu", "http://acme.mcp.test/crm/mcp")), dpop.ErrURL},
		"no iat":             {proof(t, jose.ES256, key, with("iat", nil)), dpop.ErrMalformed},
		"iat is text":        {proof(t, jose.ES256, key, with("iat", "1795348800")), dpop.ErrMalformed},
		"too old":            {proof(t, jose.ES256, key, with("iat", now.Unix()-61)), dpop.ErrTime},
		"from the future":    {proof(t, jose.ES256, key, with("iat", now.Unix()+61)), dpop.ErrTime},
		"iat beyond numbers": {proof(t, jose.ES256, key, with("iat", 1e300)), dpop.ErrTime},
	} {
		_, err := dpop.Verify(c.proof, request())
		require.ErrorIs(t, err, c.want, name)
	}
	for name, iat := range map[string]any{"a minute ago": now.Unix() - 60, "in a minute": now.Unix() + 60, "a part of a second": float64(now.Unix()) + 0.5} {
		_, err := dpop.Verify(proof(t, jose.ES256, key, with("iat", iat)), request())
		require.NoError(t, err, name)
	}
}

func TestProofComesWithItsToken(t *testing.T) {
	t.Parallel()
	key := ecKey(t, elliptic.P256())
	sum := sha256.Sum256([]byte("token"))
	c := claims()
	r := request()
	r.AccessToken = "token"
	_, err := dpop.Verify(proof(t, jose.ES256, key, c), r)
	require.ErrorIs(t, err, dpop.ErrToken, "without ath")
	c["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	_, err = dpop.Verify(proof(t, jose.ES256, key, c), r)
	require.NoError(t, err)
	r.AccessToken = "another"
	_, err = dpop.Verify(proof(t, jose.ES256, key, c), r)
	require.ErrorIs(t, err, dpop.ErrToken)
}

func TestSameURL(t *testing.T) {
	t.Parallel()
	for _, same := range []string{
		target, target + "?a=b", target + "#f", target + "/", "HTTPS://ACME.mcp.test/crm/mcp", "https://acme.mcp.test:443/crm/mcp",
	} {
		require.True(t, dpop.SameURL(same, target), same)
	}
	require.True(t, dpop.SameURL("http://localhost:8081", "http://localhost:8081/"))
	for _, other := range []string{
		"", "/crm/mcp", "https://acme.mcp.test/CRM/mcp", "https://acme.mcp.test:80/crm/mcp", "https://acme.mcp.test:8443/crm/mcp", "https://u@acme.mcp.test/crm/mcp",
		"https://acme.mcp.test/crm/x/../mcp", "https://acme.mcp.test/crm%2fmcp", "https://acme.mcp.test//crm/mcp", "acme.mcp.test/crm/mcp", "https:acme.mcp.test/crm/mcp", "https://acme.mcp.test./crm/mcp", "\x00",
	} {
		require.False(t, dpop.SameURL(other, target), other)
	}
}

func TestNonces(t *testing.T) {
	t.Parallel()
	a, b := dpop.NewNonces([32]byte{1}), dpop.NewNonces([32]byte{2})
	n := a.At(now)
	require.Len(t, n, 32)
	require.True(t, a.Valid(n, now))
	require.True(t, a.Valid(n, now.Add(2*dpop.NonceStep-time.Second)))
	require.False(t, a.Valid(n, now.Add(2*dpop.NonceStep)))
	require.True(t, a.Valid(a.At(now.Add(dpop.NonceStep)), now), "another node is a little ahead")
	require.False(t, a.Valid(a.At(now.Add(2*dpop.NonceStep)), now))
	require.False(t, b.Valid(n, now), "another tenant's")
	require.False(t, a.Valid("", now))
	require.NotEqual(t, n, a.At(now.Add(dpop.NonceStep)))
}

func unsigned(t testing.TB, header string) string {
	t.Helper()
	return b64(header) + "." + b64(`{}`) + "." + b64("signature")
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func swapPayload(token, payload string) string {
	parts := strings.Split(token, ".")
	return parts[0] + "." + b64(payload) + "." + parts[2]
}

// FuzzProof: nothing makes it panic, and what is accepted names a key and itself.
func FuzzProof(f *testing.F) {
	key := ecKey(f, elliptic.P256())
	good := proof(f, jose.ES256, key, claims())
	f.Add(good, target)
	f.Add(unsigned(f, `{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`), target)
	f.Add(unsigned(f, `{"typ":"dpop+jwt","alg":"RS256","jwk":{"kty":"RSA","n":"AQAB","e":"AQAB"}}`), target+"?x")
	f.Add(swapPayload(good, `{"jti":"j","htm":"POST","htu":"`+target+`","iat":1e308}`), "")
	f.Fuzz(func(t *testing.T, proof, own string) {
		got, err := dpop.Verify(proof, dpop.Request{Method: "POST", URLs: []string{own}, Now: now})
		if err != nil {
			require.Empty(t, got)
			return
		}
		require.True(t, dpop.IsThumbprint(got.Thumbprint))
		require.NotEmpty(t, got.ID)
		require.LessOrEqual(t, got.IssuedAt.Sub(now).Abs(), dpop.Window+time.Second)
	})
}

// FuzzSameURL: it is an equivalence, and never joins two hosts.
func FuzzSameURL(f *testing.F) {
	for _, s := range []string{target, target + "/", "HTTPS://ACME.MCP.TEST:443/crm/mcp?x#y", "http://[::1]:80", "//", "https://a\\b", "https://a@b/", "%"} {
		f.Add(s, target)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		same := dpop.SameURL(a, b)
		require.Equal(t, same, dpop.SameURL(b, a))
		require.True(t, dpop.SameURL(a, a))
		if same && a != b {
			require.True(t, strings.Contains(a, "://") && strings.Contains(b, "://"))
		}
	})
}
