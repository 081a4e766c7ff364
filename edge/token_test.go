package edge_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/usage/event"
)

func segment(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(raw)
}

func TestTokensThatAreNotAccepted(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	tenant, key, kid := b.acme, b.acmeKey, "k-acme"
	good := b.tokenClaims(tenant)
	with := func(name string, value any) claims {
		c := b.tokenClaims(tenant)
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
		return c
	}
	now := b.clock.Now()
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hs256 := func(secret []byte) string {
		text := segment(t, claims{"alg": "HS256", "typ": "at+jwt", "kid": kid}) + "." + segment(t, good)
		mac := hmac.New(sha256.New, secret)
		_, _ = mac.Write([]byte(text)) // a hash never fails
		return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	rsaSigner, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: rsaKey, KeyID: kid}}, (&jose.SignerOptions{}).WithType("at+jwt"))
	require.NoError(t, err)
	payload, err := json.Marshal(good)
	require.NoError(t, err)
	rs256, err := rsaSigner.Sign(payload)
	require.NoError(t, err)
	rs256Text, err := rs256.CompactSerialize()
	require.NoError(t, err)
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.ECDH_ES, Key: &key.PublicKey, KeyID: kid}, nil)
	require.NoError(t, err)
	encrypted, err := encrypter.Encrypt(payload)
	require.NoError(t, err)
	jwe, err := encrypted.CompactSerialize()
	require.NoError(t, err)

	valid := sign(t, key, kid, nil, good)
	parts := strings.Split(valid, ".")
	unsigned := func(alg string) string {
		return segment(t, claims{"alg": alg, "typ": "at+jwt", "kid": kid}) + "." + parts[1] + "."
	}
	other := newKey(t)
	header := func(name jose.HeaderKey, value any) string {
		return sign(t, key, kid, map[jose.HeaderKey]any{name: value}, good)
	}
	withKey := func(signer *ecdsa.PrivateKey, embed bool) string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: signer}, (&jose.SignerOptions{EmbedJWK: embed}).WithType("at+jwt"))
		require.NoError(t, err)
		signed, err := s.Sign(payload)
		require.NoError(t, err)
		text, err := signed.CompactSerialize()
		require.NoError(t, err)
		return text
	}

	cases := map[string]struct{ token, reason string }{
		"garbage":                {"abc", "invalid_token"},
		"refresh token":          {ids.Secret("emc_rt"), "invalid_token"},
		"too many dots":          {strings.Repeat("a.", 3000) + "a", "invalid_token"},
		"too long":               {valid + strings.Repeat("A", 8<<10), "invalid_token"},
		"alg none":               {unsigned("none"), "invalid_token"},
		"alg nOnE":               {unsigned("nOnE"), "invalid_token"},
		"alg empty":              {unsigned(""), "invalid_token"},
		"HS256 over public PEM":  {hs256(public), "invalid_token"},
		"HS256 over public DER":  {hs256(der), "invalid_token"},
		"RS256":                  {rs256Text, "invalid_token"},
		"JWE":                    {jwe, "invalid_token"},
		"no signature":           {parts[0] + "." + parts[1] + ".", "invalid_token"},
		"other payload":          {parts[0] + "." + segment(t, with("sub", "acc_eve")) + "." + parts[2], "invalid_token"},
		"other key, our kid":     {sign(t, other, kid, nil, good), "invalid_token"},
		"kid unknown":            {sign(t, key, "k-other", nil, good), "invalid_token"},
		"kid is a path":          {sign(t, key, "../../../etc/passwd", nil, good), "invalid_token"},
		"kid is SQL":             {sign(t, key, "' or '1'='1", nil, good), "invalid_token"},
		"no kid":                 {withKey(key, false), "invalid_token"},
		"embedded jwk":           {withKey(other, true), "invalid_token"},
		"jku":                    {header("jku", "http://127.0.0.1:1/jwks"), "invalid_token"},
		"x5u":                    {header("x5u", "http://127.0.0.1:1/x5u"), "invalid_token"},
		"crit":                   {header("crit", []string{"b64"}), "invalid_token"},
		"typ JWT (an assertion)": {header("typ", "JWT"), "invalid_token"},
		"typ id_token":           {header("typ", "id_token+jwt"), "invalid_token"},
		"typ logout token":       {header("typ", "logout+jwt"), "invalid_token"},
		"other tenant":           {b.token(b.globex), "invalid_token"},
		"our key, other issuer":  {sign(t, key, kid, nil, with("iss", "http://globex.test")), "invalid_token"},
		"issuer with a slash":    {sign(t, key, kid, nil, with("iss", tenant.Issuer+"/")), "invalid_token"},
		"no sub":                 {sign(t, key, kid, nil, with("sub", nil)), "invalid_token"},
		"no client":              {sign(t, key, kid, nil, with("client_id", nil)), "invalid_token"},
		"no jti":                 {sign(t, key, kid, nil, with("jti", nil)), "invalid_token"},
		"no family":              {sign(t, key, kid, nil, with("fid", nil)), "invalid_token"},
		"no exp":                 {sign(t, key, kid, nil, with("exp", nil)), "invalid_token"},
		"no iat":                 {sign(t, key, kid, nil, with("iat", nil)), "invalid_token"},
		"issued in ten minutes":  {sign(t, key, kid, nil, with("iat", now.Add(10*time.Minute).Unix())), "invalid_token"},
		"not yet valid":          {sign(t, key, kid, nil, with("nbf", now.Add(2*time.Minute).Unix())), "invalid_token"},
		"expired":                {sign(t, key, kid, nil, with("exp", now.Unix())), "expired_token"},
		"no audience":            {sign(t, key, kid, nil, with("aud", nil)), "wrong_audience"},
		"other runtime":          {sign(t, key, kid, nil, with("aud", tenant.Issuer+"/billing/mcp")), "wrong_audience"},
		"audience with slash":    {sign(t, key, kid, nil, with("aud", tenant.Edges[slug].Resource+"/")), "wrong_audience"},
		"audience is the issuer": {sign(t, key, kid, nil, with("aud", tenant.Issuer)), "wrong_audience"},
	}
	for name, c := range cases {
		for range 2 { // the second time around the cache
			b.clock.Advance(time.Second / 10) // or the log would leave some of them out
			resp, body := b.do(b.request(http.MethodPost, ping, "Authorization", "Bearer "+c.token))
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode, name)
			require.Contains(t, resp.Header.Get("WWW-Authenticate"), `error="invalid_token"`, name)
			require.True(t, json.Valid([]byte(body)), name)
			require.NotContains(t, body, c.token, name)
			all := b.events.list()
			last := all[len(all)-1]
			require.Equal(t, c.reason, last.Reason, name)
			require.Equal(t, event.Denied, last.Outcome, name)
			require.Empty(t, last.Subject, name)
		}
	}
	require.Empty(t, runtime.requests())
	b.clock.Advance(now.Sub(b.clock.Now()))

	for name, token := range map[string]string{
		"good":                  valid,
		"clock skew of issuer":  sign(t, key, kid, nil, with("iat", now.Add(50*time.Second).Unix())),
		"several audiences":     sign(t, key, kid, nil, with("aud", []string{"https://x.test", tenant.Edges[slug].Resource})),
		"typ in another case":   header("typ", "AT+JWT"),
		"one second before end": sign(t, key, kid, nil, with("exp", now.Add(time.Second).Unix())),
	} {
		resp, _ := b.do(b.request(http.MethodPost, ping, "Authorization", "Bearer "+token))
		require.Equal(t, http.StatusOK, resp.StatusCode, name)
	}
}

func TestRememberedTokenIsHeldAgainstTheSnapshot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*bundle)
		reason string
	}{
		"revoked": {func(b *bundle) {
			b.publish(func(t *snapshot.Tenant) { t.Revoked = map[string]struct{}{"fam_1": {}} })
		}, "revoked_token"},
		"key withdrawn": {func(b *bundle) {
			b.publish(func(t *snapshot.Tenant) { t.Keys = nil })
		}, "invalid_token"},
		"key replaced under its name": {func(b *bundle) {
			other := newKey(b.t)
			b.publish(func(t *snapshot.Tenant) { t.Keys = map[string]crypto.PublicKey{"k-acme": &other.PublicKey} })
		}, "invalid_token"},
		"issuer changed": {func(b *bundle) {
			b.publish(func(t *snapshot.Tenant) { t.Issuer = "http://other.test" })
		}, "invalid_token"},
		"expired": {func(b *bundle) { b.clock.Advance(time.Hour) }, "expired_token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, echoPong())
			token := "Bearer " + b.token(b.acme)
			for range 2 {
				resp, _ := b.do(b.request(http.MethodPost, ping, "Authorization", token))
				require.Equal(t, http.StatusOK, resp.StatusCode)
			}
			c.change(b)
			resp, _ := b.do(b.request(http.MethodPost, ping, "Authorization", token))
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
			require.Equal(t, c.reason, b.events.list()[2].Reason)
		})
	}
}

func TestTokenOfOneRuntimeIsRefusedAtAnother(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	second := *b.acme.Edges[slug]
	second.Slug, second.ID, second.Resource = "billing", "ups_billing", b.server.URL+"/billing/mcp"
	b.publish(func(t *snapshot.Tenant) {
		t.Edges = map[string]*snapshot.Edge{slug: b.acme.Edges[slug], "billing": &second}
	})
	token := "Bearer " + b.token(b.acme)
	resp, _ := b.do(b.request(http.MethodPost, ping, "Authorization", token))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	req := b.request(http.MethodPost, ping, "Authorization", token)
	req.URL.Path = "/billing/mcp"
	resp, _ = b.do(req)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Equal(t, "wrong_audience", b.events.list()[1].Reason)
}
