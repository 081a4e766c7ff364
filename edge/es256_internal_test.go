package edge

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
)

func es256Key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// TestES256AgreesWithGoJose signs with one and verifies with the other.
func TestES256AgreesWithGoJose(t *testing.T) {
	t.Parallel()
	key := es256Key(t)
	for range 300 { // of the numbers of a signature, one in 256 begins with a zero byte
		ours, err := signJWT(snapshot.Signer{KID: "k-1", Key: key}, map[string]string{"sub": "acc_1"})
		require.NoError(t, err)
		parsed, err := jwt.ParseSigned(ours, []jose.SignatureAlgorithm{jose.ES256})
		require.NoError(t, err)
		require.Equal(t, "k-1", parsed.Headers[0].KeyID)
		require.Equal(t, "JWT", parsed.Headers[0].ExtraHeaders[jose.HeaderType])
		var claims map[string]string
		require.NoError(t, parsed.Claims(key.Public(), &claims))
		require.Equal(t, map[string]string{"sub": "acc_1"}, claims)
		payload, ok := verifyES256(&key.PublicKey, ours)
		require.True(t, ok)
		require.JSONEq(t, `{"sub":"acc_1"}`, string(payload))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, nil)
	require.NoError(t, err)
	theirs, err := jwt.Signed(signer).Claims(map[string]any{"sub": "acc_2"}).Serialize()
	require.NoError(t, err)
	payload, ok := verifyES256(&key.PublicKey, theirs)
	require.True(t, ok)
	require.JSONEq(t, `{"sub":"acc_2"}`, string(payload))
}

func TestES256RefusesEveryChange(t *testing.T) {
	t.Parallel()
	key := es256Key(t)
	token, err := signJWT(snapshot.Signer{KID: "k-1", Key: key}, map[string]string{"sub": "acc_1"})
	require.NoError(t, err)
	_, ok := verifyES256(&es256Key(t).PublicKey, token)
	require.False(t, ok, "another key")
	for i := range token {
		for _, c := range "A.=" {
			changed := token[:i] + string(c) + token[i+1:]
			if changed == token {
				continue
			}
			_, ok := verifyES256(&key.PublicKey, changed)
			require.False(t, ok, changed)
		}
		_, ok := verifyES256(&key.PublicKey, token[:i])
		require.False(t, ok, token[:i])
	}
	signed := token[:strings.LastIndexByte(token, '.')+1]
	for _, signature := range []string{"", strings.Repeat("A", 86), strings.Repeat("_", 85) + "w", token[len(signed):] + "AA"} {
		_, ok := verifyES256(&key.PublicKey, signed+signature)
		require.False(t, ok, signature)
	}
}

func BenchmarkSignES256(b *testing.B) {
	key := es256Key(b)
	for b.Loop() {
		_, err := signJWT(snapshot.Signer{KID: "k-1", Key: key}, map[string]string{"sub": "acc_1"})
		require.NoError(b, err)
	}
}

func BenchmarkVerifyES256(b *testing.B) {
	key := es256Key(b)
	token, err := signJWT(snapshot.Signer{KID: "k-1", Key: key}, map[string]string{"sub": "acc_1"})
	require.NoError(b, err)
	for b.Loop() {
		_, ok := verifyES256(&key.PublicKey, token)
		require.True(b, ok)
	}
}

func TestClaimsReadTimesAndAudiences(t *testing.T) {
	t.Parallel()
	var c claims
	require.NoError(t, json.Unmarshal([]byte(`{"aud":"a","exp":1790000000.9,"iat":-5,"nbf":1e300}`), &c))
	require.Equal(t, audience{"a"}, c.Audience)
	require.EqualValues(t, 1790000000, c.Expires.time().Unix())
	require.Zero(t, c.IssuedAt.time().Unix())
	require.Equal(t, 9999, c.NotBefore.time().UTC().Year())
	c = claims{}
	require.NoError(t, json.Unmarshal([]byte(`{"aud":["a","b"],"nbf":null}`), &c))
	require.Equal(t, audience{"a", "b"}, c.Audience)
	require.Nil(t, c.NotBefore)
	for _, bad := range []string{`{"exp":"1"}`, `{"aud":1}`, `{"aud":[1]}`, `{"aud":{}}`, `{"sub":"a","sub":"b"}`, `{"exp":true}`, `{} {}`, `null x`} {
		require.Error(t, json.Unmarshal([]byte(bad), &claims{}), bad)
	}
	c = claims{}
	require.NoError(t, json.Unmarshal([]byte(`{"SUB":"a"}`), &c))
	require.Empty(t, c.Subject, "names are read as they are written")
}
