package jwks_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
)

// issuer serves a key set that a test changes.
type issuer struct {
	*httptest.Server
	mu     sync.Mutex
	keys   []any
	status int
	age    string
	asked  atomic.Int64
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	is := &issuer{status: http.StatusOK}
	is.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		is.asked.Add(1)
		is.mu.Lock()
		defer is.mu.Unlock()
		w.Header().Set("Content-Type", "application/jwk-set+json")
		w.Header().Set("Cache-Control", is.age)
		w.WriteHeader(is.status)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": is.keys})
	}))
	t.Cleanup(is.Close)
	return is
}

func (is *issuer) set(status int, keys ...any) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.status, is.keys = status, append([]any{}, keys...)
}

func public(key crypto.Signer, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"}
}

func ecKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func signed(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string) *jwt.JSONWebToken {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	require.NoError(t, err)
	raw, err := jwt.Signed(signer).Claims(jwt.Claims{Subject: "somebody"}).Serialize()
	require.NoError(t, err)
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{alg})
	require.NoError(t, err)
	return token
}

func newCache(t *testing.T) (*jwks.Cache, *clock.Manual) {
	t.Helper()
	client := outbound.New(outbound.Config{AllowPrivate: true})
	t.Cleanup(client.CloseIdleConnections)
	c := clock.NewManual(time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC))
	return jwks.New(client, c), c
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	ec := ecKey(t)
	is := newIssuer(t)
	cache, _ := newCache(t)
	is.set(http.StatusOK, public(ec, "ec"), public(rsaKey, "rsa"), public(edKey, "ed"), map[string]string{"kty": "new", "kid": "unknown"})
	for _, token := range []*jwt.JSONWebToken{
		signed(t, jose.ES256, ec, "ec"), signed(t, jose.RS256, rsaKey, "rsa"), signed(t, jose.PS256, rsaKey, "rsa"), signed(t, jose.EdDSA, edKey, "ed"),
		signed(t, jose.ES256, ec, ""),
	} {
		var claims jwt.Claims
		require.NoError(t, cache.Verify(t.Context(), is.URL, token, &claims))
		require.Equal(t, "somebody", claims.Subject)
	}
	for name, token := range map[string]*jwt.JSONWebToken{
		"another's key":          signed(t, jose.ES256, ecKey(t), "ec"),
		"another key's kid":      signed(t, jose.ES256, ec, "rsa"),
		"not in the list":        signed(t, jose.RS512, rsaKey, "rsa"),
		"the public key as HMAC": signed(t, jose.HS256, []byte(strings.Repeat("k", 32)), "ec"),
	} {
		require.Error(t, cache.Verify(t.Context(), is.URL, token), name)
	}
	require.Equal(t, int64(1), is.asked.Load())
}

func TestParse(t *testing.T) {
	t.Parallel()
	ec := ecKey(t)
	encode := func(keys ...any) []byte {
		raw, err := json.Marshal(map[string]any{"keys": keys})
		require.NoError(t, err)
		return raw
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // it has to be refused
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	encryption := public(ec, "enc")
	encryption.Use = "enc"
	other := public(ec, "other")
	other.Algorithm = "ES512"
	set, err := jwks.Parse(encode(public(ec, "good"), public(small, "small"), public(p384, "p384"), encryption, other))
	require.NoError(t, err)
	require.Len(t, set, 1)
	require.Equal(t, "good", set[0].KeyID)
	for name, raw := range map[string][]byte{
		"a private key":   encode(jose.JSONWebKey{Key: ec}),
		"a symmetric key": encode(jose.JSONWebKey{Key: []byte("secret")}),
		"no keys":         []byte(`{}`),
		"no object":       []byte(`[]`),
		"too many":        []byte(`{"keys":[` + strings.Repeat(`{},`, 100) + `{}]}`),
		"too large":       []byte(`{"keys":[]` + strings.Repeat(" ", jwks.MaxBytes) + `}`),
	} {
		_, err := jwks.Parse(raw)
		require.Error(t, err, name)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	cache, now := newCache(t)
	first, second := ecKey(t), ecKey(t)
	is.set(http.StatusOK, public(first, "1"))
	require.NoError(t, cache.Verify(t.Context(), is.URL, signed(t, jose.ES256, first, "1")))
	is.set(http.StatusOK, public(second, "2"))
	made := signed(t, jose.ES256, second, "2")
	for range 10 {
		require.ErrorIs(t, cache.Verify(t.Context(), is.URL, made), jwks.ErrNoKey)
	}
	require.Equal(t, int64(1), is.asked.Load(), "an unknown kid is one request a minute at most")
	now.Advance(jwks.RefetchAfter)
	require.NoError(t, cache.Verify(t.Context(), is.URL, made), "a new key is found a minute later")
	require.ErrorIs(t, cache.Verify(t.Context(), is.URL, signed(t, jose.ES256, first, "1")), jwks.ErrNoKey, "one that was taken out is gone")
}

func TestRemovedKeyGoesWhenTheSetIsOld(t *testing.T) {
	t.Parallel()
	for age, wait := range map[string]time.Duration{"": 10 * time.Minute, "max-age=86400": time.Hour, "public, max-age=120": 2 * time.Minute, "max-age=0": time.Minute} {
		is := newIssuer(t)
		is.age = age
		cache, now := newCache(t)
		key := ecKey(t)
		token := signed(t, jose.ES256, key, "1")
		is.set(http.StatusOK, public(key, "1"))
		require.NoError(t, cache.Verify(t.Context(), is.URL, token))
		is.set(http.StatusOK)
		now.Advance(wait)
		require.NoError(t, cache.Verify(t.Context(), is.URL, token), age)
		now.Advance(time.Microsecond)
		require.ErrorIs(t, cache.Verify(t.Context(), is.URL, token), jwks.ErrNoKey, age)
	}
}

func TestLastGood(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	cache, now := newCache(t)
	key := ecKey(t)
	token := signed(t, jose.ES256, key, "1")
	is.set(http.StatusInternalServerError)
	for range 5 {
		err := cache.Verify(t.Context(), is.URL, token)
		require.Equal(t, outbound.KindStatus, outbound.KindOf(err))
	}
	require.Equal(t, int64(1), is.asked.Load(), "a failure is not asked for again at once")
	now.Advance(jwks.RefetchAfter)
	is.set(http.StatusOK, public(key, "1"))
	require.NoError(t, cache.Verify(t.Context(), is.URL, token))
	is.set(http.StatusInternalServerError)
	now.Advance(jwks.LastGood)
	require.NoError(t, cache.Verify(t.Context(), is.URL, token))
	now.Advance(time.Microsecond)
	require.Error(t, cache.Verify(t.Context(), is.URL, token))
}

func TestManyMakeOneRequest(t *testing.T) {
	t.Parallel()
	is := newIssuer(t)
	cache, _ := newCache(t)
	key := ecKey(t)
	token := signed(t, jose.ES256, key, "1")
	is.set(http.StatusOK, public(key, "1"))
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() { require.NoError(t, cache.Verify(t.Context(), is.URL, token)) })
	}
	wg.Wait()
	require.Equal(t, int64(1), is.asked.Load())

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	late := newIssuer(t)
	late.set(http.StatusOK, public(key, "1"))
	_ = cache.Verify(gone, late.URL, token)
	require.NoError(t, cache.Verify(t.Context(), late.URL, token), "who gave up took the answer from nobody")
}
