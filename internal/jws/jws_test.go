package jws_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/jws"
)

// TestSign has another implementation read what is signed. The numbers of an ES256
// signature begin with zeros once in 128, so one signature proves little.
func TestSign(t *testing.T) {
	t.Parallel()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	for alg, key := range map[jose.SignatureAlgorithm]crypto.Signer{jose.ES256: ec, jose.RS256: rs} {
		signer, err := jws.New(key, "k-1", "at+jwt")
		require.NoError(t, err)
		rounds := 1
		if alg == jose.ES256 {
			rounds = 1000
		}
		for range rounds {
			token, err := signer.Sign([]byte(`{"sub":"acc_1"}`))
			require.NoError(t, err)
			parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{alg})
			require.NoError(t, err)
			payload, err := parsed.Verify(key.Public())
			require.NoError(t, err)
			require.JSONEq(t, `{"sub":"acc_1"}`, string(payload))
			header := parsed.Signatures[0].Header
			require.Equal(t, "k-1", header.KeyID)
			require.Equal(t, "at+jwt", header.ExtraHeaders[jose.HeaderType])
		}
	}
}

// TestNewRefusesOtherKeys: what is called ES256 is on P-256.
func TestNewRefusesOtherKeys(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, err = jws.New(key, "k-1", "JWT")
	require.Error(t, err)
}
