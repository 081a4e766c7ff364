package server_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/ids"
)

// proverKey is a client's key.
type proverKey struct {
	a   *app
	key *ecdsa.PrivateKey
}

func (a *app) newKey() proverKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(a.tn.b.t, err)
	return proverKey{a, key}
}

func (k proverKey) thumbprint() string {
	thumb, err := (&jose.JSONWebKey{Key: k.key.Public()}).Thumbprint(crypto.SHA256)
	require.NoError(k.a.tn.b.t, err)
	return base64.RawURLEncoding.EncodeToString(thumb)
}

func (k proverKey) proof(path string, change ...any) string {
	t := k.a.tn.b.t
	c := map[string]any{"jti": ids.New("proof"), "htm": "POST", "htu": k.a.tn.issuer + path, "iat": k.a.tn.b.env.Clock.Now().Unix()}
	for i := 0; i < len(change); i += 2 {
		c[change[i].(string)] = change[i+1]
	}
	payload, err := json.Marshal(c)
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.key}, (&jose.SignerOptions{}).WithType("dpop+jwt").WithHeader("jwk", jose.JSONWebKey{Key: k.key.Public()}))
	require.NoError(t, err)
	signed, err := signer.Sign(payload)
	require.NoError(t, err)
	text, err := signed.CompactSerialize()
	require.NoError(t, err)
	return text
}

// send posts a form with a proof.
func (a *app) send(path, proof string, v url.Values, header ...string) tokens {
	t := a.tn.b.t
	t.Helper()
	header = append(header, "Content-Type", formType)
	if proof != "" {
		header = append(header, "DPoP", proof)
	}
	p := a.http.request("POST", path, v.Encode(), header...)
	out := tokens{page: p}
	require.NoError(t, json.Unmarshal([]byte(p.body), &out), p.body)
	return out
}

func (a *app) redeemWith(proof, code string) tokens {
	a.tn.b.t.Helper()
	return a.send("/token", proof, url.Values{"grant_type": {"authorization_code"}, "client_id": {a.id}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {a.verifier}})
}

func (a *app) refreshWith(proof, token string) tokens {
	a.tn.b.t.Helper()
	return a.send("/token", proof, url.Values{"grant_type": {"refresh_token"}, "client_id": {a.id}, "refresh_token": {token}})
}

// TestDPoPBindsTheTokens is RFC 9449, section 5: access and refresh token of a public
// client belong to its key, in the grace too.
func TestDPoPBindsTheTokens(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		a := tn.app()
		mine, other := a.newKey(), a.newKey()
		first := a.redeemWith(mine.proof("/token"), a.code(br))
		require.Equal(b.t, 200, first.status, first.body)
		require.Equal(b.t, "DPoP", first.Type)
		require.Equal(b.t, map[string]any{"jkt": mine.thumbprint()}, first.claims()["cnf"])

		for name, proof := range map[string]string{"none": "", "two proofs in one": mine.proof("/token") + ", " + mine.proof("/token"), "another endpoint's": mine.proof("/par")} {
			got := a.refreshWith(proof, first.Refresh)
			require.Equal(b.t, 400, got.status, name)
			require.Equal(b.t, "invalid_dpop_proof", got.Error, name)
		}
		require.Equal(b.t, "invalid_grant", a.refreshWith(other.proof("/token"), first.Refresh).Error, "another key")
		used := mine.proof("/token")
		second := a.refreshWith(used, first.Refresh)
		require.Equal(b.t, 200, second.status, second.body)
		require.Equal(b.t, map[string]any{"jkt": mine.thumbprint()}, second.claims()["cnf"])
		require.Equal(b.t, "invalid_dpop_proof", a.refreshWith(used, second.Refresh).Error, "a proof is good once")
		require.Equal(b.t, "invalid_grant", a.refreshWith(other.proof("/token"), first.Refresh).Error, "the grace is not another key's")
		again := a.refreshWith(mine.proof("/token"), first.Refresh)
		require.Equal(b.t, second.Refresh, again.Refresh)
		require.Empty(b.t, tn.revoked())

		tn.change(func(s *settings.Settings) { s.DPoP = settings.Never })
		require.Equal(b.t, "invalid_dpop_proof", a.refreshWith("", second.Refresh).Error, "what is bound stays bound")
		require.Equal(b.t, 200, a.refreshWith(mine.proof("/token"), second.Refresh).status)
		plain := a.redeemWith(mine.proof("/token"), a.code(br))
		require.Equal(b.t, "Bearer", plain.Type, "where it is off a proof is nothing")
		require.NotContains(b.t, plain.claims(), "cnf")
	})
}

// TestDPoPProofIsGoodOnceAtAllNodes: of parallel uses of one proof one succeeds.
func TestDPoPProofIsGoodOnceAtAllNodes(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		b.second()
		br := tn.browser()
		a := tn.app()
		key := a.newKey()
		first := a.redeemWith(key.proof("/token"), a.code(br))
		proof := key.proof("/token")
		won := 0
		for _, got := range parallel(20, func() tokens { return a.refreshWith(proof, first.Refresh) }) {
			if got.status == 200 {
				won++
			} else {
				require.Equal(b.t, "invalid_dpop_proof", got.Error)
			}
		}
		require.Equal(b.t, 1, won)
		require.Empty(b.t, tn.revoked(), "a proof that comes twice says nothing about the token")
	})
}

// TestDPoPCodeOfAKey is RFC 9449, section 10.
func TestDPoPCodeOfAKey(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		a := tn.app()
		mine, other := a.newKey(), a.newKey()
		code := a.code(br, "dpop_jkt", mine.thumbprint())
		require.Equal(b.t, "invalid_dpop_proof", a.redeemWith("", code).Error)
		require.Equal(b.t, "invalid_grant", a.redeemWith(other.proof("/token"), code).Error)
		got := a.redeemWith(mine.proof("/token"), code)
		require.Equal(b.t, 200, got.status, "neither try used the code: "+got.body)
		for _, bad := range []string{"x", mine.thumbprint() + "=", mine.thumbprint()[1:] + "+"} {
			require.Contains(b.t, a.authorize(br, "dpop_jkt", bad).location, "error=invalid_request", bad)
		}
	})
}

// TestDPoPRequired: a tenant that insists asks for a nonce, which every node knows.
func TestDPoPRequired(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		a := tn.app()
		before := a.tokens(br)
		tn.change(func(s *settings.Settings) { s.DPoP = settings.Required })
		b.second()
		require.Equal(b.t, "invalid_dpop_proof", a.refreshWith("", before.Refresh).Error)
		key := a.newKey()
		code := a.code(br)
		asked := a.redeemWith(key.proof("/token"), code)
		require.Equal(b.t, 400, asked.status)
		require.Equal(b.t, "use_dpop_nonce", asked.Error)
		nonce := asked.header.Get("DPoP-Nonce")
		require.NotEmpty(b.t, nonce)
		require.Equal(b.t, "DPoP-Nonce", asked.header.Get("Access-Control-Expose-Headers"), "a browser client can read it")
		got := a.redeemWith(key.proof("/token", "nonce", nonce), code)
		require.Equal(b.t, 200, got.status, "the code was not used: "+got.body)
		require.NotEmpty(b.t, got.header.Get("DPoP-Nonce"))
		require.Equal(b.t, "use_dpop_nonce", a.refreshWith(key.proof("/token", "nonce", "made up"), got.Refresh).Error)
		upgraded := a.refreshWith(key.proof("/token", "nonce", nonce), before.Refresh)
		require.Equal(b.t, 200, upgraded.status, "an older sign-in goes on with a key")
		require.Equal(b.t, "DPoP", upgraded.Type)
		b.env.Clock.Advance(15 * time.Minute)
		require.Equal(b.t, "use_dpop_nonce", a.refreshWith(key.proof("/token", "nonce", nonce), upgraded.Refresh).Error, "a nonce ends")
	})
}

// TestDPoPRequiredOfAClient: one client may have to, where others need not.
func TestDPoPRequiredOfAClient(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		a, other := tn.app(), tn.app()
		before, free := a.tokens(br), other.tokens(br)
		tn.demand(a, "dpop_required")
		require.Equal(b.t, "invalid_dpop_proof", a.refresh(before.Refresh).Error)
		require.Equal(b.t, 200, a.refreshWith(a.newKey().proof("/token"), before.Refresh).status, "without a nonce")
		require.Equal(b.t, 200, other.refresh(free.Refresh).status)
	})
}
