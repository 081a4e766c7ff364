package edge_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
)

// TestKeysOfBothKinds: while a tenant changes its algorithm, tokens of both keys are
// good, each with its key's algorithm only, and assertions are signed by the active one.
func TestKeysOfBothKinds(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	old := b.acme.Signer
	oldToken := b.token(b.acme)
	b.publish(func(tn *snapshot.Tenant) {
		tn.Keys = map[string]crypto.PublicKey{old.KID: old.Key.Public(), "k-rsa": key.Public()}
		tn.Signer = snapshot.Signer{KID: "k-rsa", Key: key}
	})
	signed := func(alg jose.SignatureAlgorithm, key any, kid string) string {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, (&jose.SignerOptions{}).WithType("at+jwt"))
		require.NoError(t, err)
		text, err := jwt.Signed(signer).Claims(b.tokenClaims(b.acme)).Serialize()
		require.NoError(t, err)
		return text
	}
	// The signature is right, and the header names another algorithm.
	lying := func(alg string) string {
		text := segment(t, claims{"alg": alg, "kid": "k-rsa", "typ": "at+jwt"}) + "." + segment(t, b.tokenClaims(b.acme))
		digest := sha256.Sum256([]byte(text))
		signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		require.NoError(t, err)
		return text + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	for name, c := range map[string]struct {
		token  string
		status int
	}{
		"told so":                {lying("RS256"), 200},
		"called ES256":           {lying("ES256"), 401},
		"called none":            {lying("none"), 401},
		"ES256":                  {oldToken, 200},
		"RS256":                  {signed(jose.RS256, key, "k-rsa"), 200},
		"PS256 of the RSA key":   {signed(jose.PS256, key, "k-rsa"), 401},
		"RS512 of the RSA key":   {signed(jose.RS512, key, "k-rsa"), 401},
		"RS256, kid of the EC":   {signed(jose.RS256, key, old.KID), 401},
		"ES256, kid of the RSA":  {signed(jose.ES256, old.Key, "k-rsa"), 401},
		"HS256 over the modulus": {signed(jose.HS256, key.N.Bytes(), "k-rsa"), 401},
	} {
		resp, _ := b.do(b.request("POST", ping, "Authorization", "Bearer "+c.token))
		require.Equal(t, c.status, resp.StatusCode, name)
	}
	parsed, err := jwt.ParseSigned(runtime.requests()[0].Header.Get("X-Emcy-Assertion"), []jose.SignatureAlgorithm{jose.RS256})
	require.NoError(t, err)
	require.Equal(t, "k-rsa", parsed.Headers[0].KeyID)
	var c claims
	require.NoError(t, parsed.Claims(key.Public(), &c))
	require.Equal(t, b.acme.Issuer, c["iss"])

	b.publish(func(tn *snapshot.Tenant) { tn.Keys = map[string]crypto.PublicKey{"k-rsa": key.Public()} })
	resp, _ := b.do(b.request("POST", ping, "Authorization", "Bearer "+oldToken))
	require.Equal(t, 401, resp.StatusCode, "what a key signed dies with it")
}
