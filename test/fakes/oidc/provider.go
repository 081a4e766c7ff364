package oidc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"
)

// Provider is an OpenID provider that does what it is told. Its functions may be
// replaced before it is asked anything.
type Provider struct {
	Issuer string
	Key    *ecdsa.PrivateKey
	KID    string
	// Metadata, Claims, Answer and Userinfo change what is about to be sent.
	Metadata func(map[string]any)
	Claims   func(map[string]any)
	Answer   func(map[string]any)
	Userinfo func(map[string]any)
	// Redirect changes the authorization response.
	Redirect func(url.Values)
	// Sign makes the ID token.
	Sign func(claims map[string]any) string
	// Before stands in for an endpoint where it answers true.
	Before func(w http.ResponseWriter, r *http.Request) bool

	t      testing.TB
	mu     sync.Mutex
	asked  map[string]int
	codes  map[string]url.Values
	token  http.Header
	form   url.Values
	access string
}

// New starts a provider until the test ends.
func New(t testing.TB) *Provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p := &Provider{Key: key, KID: "first", t: t, asked: map[string]int{}, codes: map[string]url.Values{}, access: rand.Text()}
	p.Sign = func(claims map[string]any) string { return p.SignWith(jose.ES256, p.Key, claims) }
	server := httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(server.Close)
	p.Issuer = server.URL
	return p
}

// Asked counts the requests to a path.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Token is the last request to the token endpoint.
func (p *Provider) Token() (http.Header, url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.token, p.form
}

// SignWith makes a JWT with a key of any kind.
func (p *Provider) SignWith(alg jose.SignatureAlgorithm, key any, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: p.KID}}, nil)
	require.NoError(p.t, err)
	raw, err := jwt.Signed(signer).Claims(claims).Serialize()
	require.NoError(p.t, err)
	return raw
}

// Approve asks the authorization endpoint as a browser does and gives the
// authorization response.
func (p *Provider) Approve(address string) url.Values {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, address, nil)
	require.NoError(p.t, err)
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(p.t, err)
	require.NoError(p.t, res.Body.Close())
	require.Equal(p.t, http.StatusFound, res.StatusCode)
	u, err := url.Parse(res.Header.Get("Location"))
	require.NoError(p.t, err)
	return u.Query()
}

func (p *Provider) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	p.mu.Unlock()
	if p.Before != nil && p.Before(w, r) {
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		p.write(w, p.Metadata, map[string]any{
			"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token", "jwks_uri": p.Issuer + "/jwks",
			"userinfo_endpoint": p.Issuer + "/userinfo", "id_token_signing_alg_values_supported": []string{"ES256"},
			"authorization_response_iss_parameter_supported": true,
		})
	case "/jwks":
		p.write(w, nil, map[string]any{"keys": []any{jose.JSONWebKey{Key: p.Key.Public(), KeyID: p.KID, Use: "sig"}}})
	case "/authorize":
		p.authorize(w, r)
	case "/token":
		p.exchange(w, r)
	case "/userinfo":
		p.write(w, p.Userinfo, map[string]any{"sub": "person-1"})
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q, code := r.URL.Query(), rand.Text()
	p.mu.Lock()
	p.codes[code] = q
	p.mu.Unlock()
	answer := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.Issuer}}
	if p.Redirect != nil {
		p.Redirect(answer)
	}
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusFound)
}

func (p *Provider) exchange(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // what is missing is found below
	p.mu.Lock()
	q, ok := p.codes[r.PostForm.Get("code")]
	delete(p.codes, r.PostForm.Get("code"))
	p.token, p.form = r.Header.Clone(), r.PostForm
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if !ok || base64.RawURLEncoding.EncodeToString(sum[:]) != q.Get("code_challenge") || r.PostForm.Get("redirect_uri") != q.Get("redirect_uri") {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant","error_description":"canary-of-the-provider"}`))
		return
	}
	now := time.Now()
	claims := map[string]any{
		"iss": p.Issuer, "sub": "person-1", "aud": q.Get("client_id"), "exp": now.Add(5 * time.Minute).Unix(), "iat": now.Unix(), "nonce": q.Get("nonce"),
		"email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
	}
	if p.Claims != nil {
		p.Claims(claims)
	}
	p.write(w, p.Answer, map[string]any{"access_token": p.access, "token_type": "Bearer", "expires_in": 300, "id_token": p.Sign(claims)})
}

func (p *Provider) write(w http.ResponseWriter, edit func(map[string]any), body map[string]any) {
	if edit != nil {
		edit(body)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // who asked may be gone
}
