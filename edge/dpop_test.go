package edge_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/ids"
)

// holder is a client with a key of its own.
type holder struct {
	b   *bundle
	key *ecdsa.PrivateKey
}

func (h holder) thumbprint() string {
	thumb, err := (&jose.JSONWebKey{Key: h.key.Public()}).Thumbprint(crypto.SHA256)
	require.NoError(h.b.t, err)
	return base64.RawURLEncoding.EncodeToString(thumb)
}

// token is bound to the holder's key.
func (h holder) token() string {
	return h.b.token(h.b.acme, func(c claims) { c["cnf"] = claims{"jkt": h.thumbprint()} })
}

// proof is a good one for the token at acme's MCP URL, changed.
func (h holder) proof(token string, changes ...func(claims)) string {
	sum := sha256.Sum256([]byte(token))
	c := claims{
		"jti": ids.New("proof"), "htm": "POST", "htu": h.b.acme.Edges[slug].Resource, "iat": h.b.clock.Now().Unix(),
		"ath": base64.RawURLEncoding.EncodeToString(sum[:]),
	}
	for _, change := range changes {
		change(c)
	}
	payload, err := json.Marshal(c)
	require.NoError(h.b.t, err)
	options := (&jose.SignerOptions{}).WithType("dpop+jwt").WithHeader("jwk", jose.JSONWebKey{Key: h.key.Public()})
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: h.key}, options)
	require.NoError(h.b.t, err)
	signed, err := signer.Sign(payload)
	require.NoError(h.b.t, err)
	text, err := signed.CompactSerialize()
	require.NoError(h.b.t, err)
	return text
}

func (b *bundle) bound(scheme, token string, proofs ...string) (*http.Response, string) {
	req := b.request("POST", ping, "Authorization", scheme+" "+token)
	req.Header["DPoP"] = proofs
	return b.do(req)
}

// TestBoundTokenNeedsItsProof is RFC 9449, section 7: a bound token is worth nothing
// without its key.
func TestBoundTokenNeedsItsProof(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	b.publish(func(tn *snapshot.Tenant) { tn.DPoP = true })
	ada, eve := holder{b, newKey(t)}, holder{b, newKey(t)}
	token := ada.token()
	set := func(name string, v any) func(claims) { return func(c claims) { c[name] = v } }
	used := ada.proof(token)
	resp, _ := b.bound("DPoP", token, used)
	require.Equal(t, 200, resp.StatusCode)
	require.Len(t, runtime.requests(), 1)
	require.Empty(t, runtime.requests()[0].Header.Values("DPoP"), "the proof stays here")
	require.Empty(t, runtime.requests()[0].Header.Values("Authorization"))
	for name, c := range map[string]struct {
		scheme, token string
		proofs        []string
		bearer, dpop  string
	}{
		"as Bearer":           {"Bearer", token, []string{ada.proof(token)}, "invalid_token", "invalid_token"},
		"as Bearer, no proof": {"Bearer", token, nil, "invalid_token", "invalid_token"},
		"no proof":            {"DPoP", token, nil, "invalid_token", "invalid_dpop_proof"},
		"two proofs":          {"DPoP", token, []string{ada.proof(token), ada.proof(token)}, "invalid_token", "invalid_dpop_proof"},
		"replay":              {"DPoP", token, []string{used}, "invalid_token", "invalid_dpop_proof"},
		"another key":         {"DPoP", token, []string{eve.proof(token)}, "invalid_token", "invalid_dpop_proof"},
		"another token":       {"DPoP", token, []string{ada.proof("x")}, "invalid_token", "invalid_dpop_proof"},
		"another method":      {"DPoP", token, []string{ada.proof(token, set("htm", "GET"))}, "invalid_token", "invalid_dpop_proof"},
		"another tenant":      {"DPoP", token, []string{ada.proof(token, set("htu", b.globex.Edges[slug].Resource))}, "invalid_token", "invalid_dpop_proof"},
		"too old":             {"DPoP", token, []string{ada.proof(token, set("iat", b.clock.Now().Add(-61*time.Second).Unix()))}, "invalid_token", "invalid_dpop_proof"},
		"garbage":             {"DPoP", token, []string{"x"}, "invalid_token", "invalid_dpop_proof"},
		"unbound token":       {"DPoP", b.token(b.acme), []string{ada.proof(b.token(b.acme))}, "invalid_token", "invalid_dpop_proof"},
		"not a token":         {"DPoP", "x", []string{ada.proof("x")}, "invalid_token", "invalid_token"},
		"bound otherwise":     {"Bearer", b.token(b.acme, func(c claims) { c["cnf"] = claims{"x5t#S256": "x"} }), nil, "invalid_token", "invalid_token"},
	} {
		resp, _ := b.bound(c.scheme, c.token, c.proofs...)
		require.Equal(t, 401, resp.StatusCode, name)
		challenges := resp.Header.Values("WWW-Authenticate")
		require.Len(t, challenges, 2, name)
		require.Regexp(t, `^Bearer resource_metadata="[^"]+".*, error="`+c.bearer+`"`, challenges[0], name)
		require.Regexp(t, `^DPoP algs="ES256 EdDSA PS256 RS256", error="`+c.dpop+`", error_description="[^"]+"$`, challenges[1], name)
	}
	require.Len(t, runtime.requests(), 1, "the runtime saw none of them")

	b.clock.Advance(2*time.Minute + time.Second)
	resp, _ = b.bound("dpop", token, ada.proof(token))
	require.Equal(t, 200, resp.StatusCode)
	resp, _ = b.bound("Bearer", b.token(b.acme))
	require.Equal(t, 200, resp.StatusCode, "a token that is not bound needs nothing")
}

// TestMetadataSaysWhatOfDPoPIsOn (RFC 9728, section 2).
func TestMetadataSaysWhatOfDPoPIsOn(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	read := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.acme.Edges[slug].MetadataURL, nil)
		require.NoError(t, err)
		resp, body := b.do(req)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		return body
	}
	require.NotContains(t, read(), "dpop")
	b.publish(func(tn *snapshot.Tenant) { tn.DPoP = true })
	optional := read()
	require.Contains(t, optional, `"dpop_signing_alg_values_supported":["ES256","EdDSA","PS256","RS256"]`)
	require.NotContains(t, optional, "dpop_bound_access_tokens_required")
	b.publish(func(tn *snapshot.Tenant) { tn.DPoPRequired = true })
	require.Contains(t, read(), `"dpop_bound_access_tokens_required":true`)
}

// TestDPoPIsOfferedWhereItIsOn: the second challenge is for who can use it.
func TestDPoPIsOfferedWhereItIsOn(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	resp, _ := b.do(b.request("POST", ping, "Authorization", ""))
	require.Len(t, resp.Header.Values("WWW-Authenticate"), 1)
	b.publish(func(tn *snapshot.Tenant) { tn.DPoP = true })
	resp, _ = b.do(b.request("POST", ping, "Authorization", ""))
	require.Len(t, resp.Header.Values("WWW-Authenticate"), 2)
	require.Regexp(t, `^Bearer `, resp.Header.Get("WWW-Authenticate"))
	require.Equal(t, `DPoP algs="ES256 EdDSA PS256 RS256"`, resp.Header.Values("WWW-Authenticate")[1])
	b.publish(func(tn *snapshot.Tenant) { tn.DPoP = false })
	ada := holder{b, newKey(t)}
	token := ada.token()
	resp, _ = b.bound("Bearer", token)
	require.Equal(t, 401, resp.StatusCode, "what was bound stays bound")
	resp, _ = b.bound("DPoP", token, ada.proof(token))
	require.Equal(t, 200, resp.StatusCode)
}
