package provider_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/secret"
)

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	s := newSaid(t)
	ask := func(style provider.Style, scopes ...string) url.Values {
		s.config.Style = style
		address, err := s.AuthorizeURL(s.config, scopes, "st", "no", verifier)
		require.NoError(t, err)
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.Equal(t, s.config.Endpoints.Authorization, strings.TrimSuffix(u.Scheme+"://"+u.Host+u.Path, "?"))
		return u.Query()
	}
	require.Equal(t, url.Values{
		"response_type": {"code"}, "client_id": {"our client"}, "redirect_uri": {callback}, "state": {"st"}, "nonce": {"no"}, "scope": {"a b"},
		"code_challenge": {"2KfT10pRvbEHCad_kfvn6HmTv0fwF8aU0HX0lYc3ywY"}, "code_challenge_method": {"S256"},
	}, ask(provider.Style{}, "a", "b"))
	require.False(t, ask(provider.Style{}).Has("scope"), "no scopes are no parameter")
	require.Equal(t, "a,b", ask(provider.Style{ScopeSeparator: ","}, "a", "b").Get("scope"))
	require.Equal(t, "a offline_access", ask(provider.Style{OfflineScope: "offline_access"}, "a").Get("scope"))
	require.Equal(t, "offline_access a", ask(provider.Style{OfflineScope: "offline_access"}, "offline_access", "a").Get("scope"))
	require.False(t, ask(provider.Style{NoPKCE: true}).Has("code_challenge"))
	both := provider.Style{Resource: "https://api.example.com", Audience: "api"}
	require.Equal(t, "https://api.example.com", ask(both).Get("resource"))
	require.Equal(t, "api", ask(both).Get("audience"))
	both.ResourceOn = []string{"token"}
	require.False(t, ask(both).Has("resource"))
	require.False(t, ask(both).Has("audience"))
	both.ResourceOn, both.OmitResource = nil, true
	require.False(t, ask(both).Has("resource"))
	require.Equal(t, "api", ask(both).Get("audience"))
	got := ask(provider.Style{Audience: "api", Authorize: map[string]string{"prompt": "consent", "audience": "other", "state": "evil", "redirect_uri": "https://evil.example.com", "code_challenge": "x", "made_up": "x"}})
	require.Equal(t, "consent", got.Get("prompt"))
	require.Equal(t, []string{"api", "st", callback}, []string{got.Get("audience"), got.Get("state"), got.Get("redirect_uri")})
	require.Len(t, got["code_challenge"], 1)
	require.False(t, got.Has("made_up"))

	s.config.Endpoints.Authorization += "?p=policy&state=theirs&state=two"
	address, err := s.AuthorizeURL(s.config, nil, "st", "", verifier)
	require.NoError(t, err)
	u, err := url.Parse(address)
	require.NoError(t, err)
	require.Equal(t, "policy", u.Query().Get("p"))
	require.Equal(t, []string{"st"}, u.Query()["state"])
	require.False(t, u.Query().Has("nonce"))
	for _, bad := range []string{"", "ftp://x", "javascript:alert(1)", "https://a:b@x.example/"} {
		s.config.Endpoints.Authorization = bad
		_, err := s.AuthorizeURL(s.config, nil, "st", "", verifier)
		require.Error(t, err, bad)
	}
}

func TestTokenRequests(t *testing.T) {
	t.Parallel()
	s := newSaid(t)
	s.body = `{"access_token":"at"}`
	s.config.Style = provider.Style{Resource: "https://api.example.com", Audience: "api", Token: map[string]string{"audience": "x", "team": "t", "grant_type": "password", "client_id": "evil", "scope": "evil"}, OfflineScope: "offline_access"}
	_, err := s.Exchange(t.Context(), s.config, "the code", verifier)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{
		"grant_type": {"authorization_code"}, "code": {"the code"}, "redirect_uri": {callback}, "code_verifier": {verifier}, "resource": {"https://api.example.com"}, "audience": {"api"}, "team": {"t"},
	}, s.form)
	require.Equal(t, "application/x-www-form-urlencoded", s.asked.Get("Content-Type"))
	require.Empty(t, s.asked.Get("Accept"))

	s.config.Style.NoPKCE, s.config.Style.AcceptJSON, s.config.Style.OmitResource = true, true, true
	_, err = s.Exchange(t.Context(), s.config, "the code", verifier)
	require.NoError(t, err)
	require.NotContains(t, s.form, "code_verifier")
	require.NotContains(t, s.form, "resource")
	require.Equal(t, "application/json", s.asked.Get("Accept"))

	_, err = s.refresh(t)
	require.NoError(t, err)
	require.Equal(t, map[string][]string{"grant_type": {"refresh_token"}, "refresh_token": {"canary-refresh-token"}, "audience": {"api"}, "team": {"t"}}, s.form)
	s.config.Style.ScopeOnRefresh, s.config.Style.ResourceOn = true, []string{"authorize"}
	_, err = s.refresh(t)
	require.NoError(t, err)
	require.Equal(t, []string{"a b offline_access"}, s.form["scope"])
	require.NotContains(t, s.form, "resource")
}

func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	s := newSaid(t)
	s.body = `{"access_token":"at"}`
	key, _ := newKey(t)
	with := func(change func(*provider.Client)) {
		t.Helper()
		s.config.Client = provider.Client{ID: "our client", Secret: secret.New("s:+/%")}
		change(&s.config.Client)
		_, err := s.refresh(t)
		require.NoError(t, err)
	}
	for _, method := range []string{"", provider.AuthBasic} {
		with(func(c *provider.Client) { c.AuthMethod = method })
		id, password, ok := (&http.Request{Header: s.asked}).BasicAuth()
		require.True(t, ok)
		require.Equal(t, []string{"our+client", "s%3A%2B%2F%25"}, []string{id, password}, "RFC 6749, section 2.3.1")
		require.NotContains(t, s.form, "client_id")
		require.NotContains(t, s.form, "client_secret")
	}
	with(func(c *provider.Client) { c.AuthMethod = provider.AuthPost })
	require.Equal(t, []string{"s:+/%"}, s.form["client_secret"])
	require.Empty(t, s.asked.Get("Authorization"))
	for _, change := range []func(*provider.Client){func(c *provider.Client) { c.AuthMethod = provider.AuthNone }, func(c *provider.Client) { c.Secret = secret.Text{} }} {
		with(change)
		require.Equal(t, []string{"our client"}, s.form["client_id"])
		require.NotContains(t, s.form, "client_secret")
		require.Empty(t, s.asked.Get("Authorization"))
	}
	with(func(c *provider.Client) { c.Secret, c.Key = secret.Text{}, key })
	require.Len(t, s.form["client_assertion"], 1)
	require.Equal(t, []string{"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, s.form["client_assertion_type"])
	require.NotContains(t, s.form, "client_secret")

	s.form = nil
	s.config.Client.AuthMethod = "client_secret_jwt"
	_, err := s.refresh(t)
	requireError(t, err, provider.Misconfigured, "auth_method")
	public := key.Public()
	for _, bad := range []*jose.JSONWebKey{nil, &public, {Key: []byte("symmetric-symmetric-symmetric-32")}} {
		s.config.Client.AuthMethod, s.config.Client.Key = provider.AuthPrivateKey, bad
		_, err = s.refresh(t)
		requireError(t, err, provider.Misconfigured, "client_key")
	}
	require.Nil(t, s.form, "nothing is sent")
}

func TestAssertion(t *testing.T) {
	t.Parallel()
	s := newSaid(t)
	s.body = `{"access_token":"at"}`
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, edPublic, edKey)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(raw)
	require.NoError(t, err)
	ec, _ := newKey(t)
	seen := map[string]bool{}
	for _, c := range []struct {
		key jose.JSONWebKey
		alg jose.SignatureAlgorithm
	}{{*ec, jose.ES256}, {jose.JSONWebKey{Key: rsaKey, KeyID: "r"}, jose.RS256}, {jose.JSONWebKey{Key: rsaKey, KeyID: "r", Algorithm: "PS256"}, jose.PS256}, {jose.JSONWebKey{Key: edKey, KeyID: "e", Certificates: []*x509.Certificate{cert}}, jose.EdDSA}} {
		for audience, want := range map[string]string{"": s.config.Endpoints.Token, "token_endpoint": s.config.Endpoints.Token, "issuer": s.config.Endpoints.Issuer} {
			s.config.Client, s.config.Style.AssertionAudience = provider.Client{ID: "c", AuthMethod: provider.AuthPrivateKey, Key: &c.key}, audience
			_, err := s.refresh(t)
			require.NoError(t, err)
			token, err := jwt.ParseSigned(s.form["client_assertion"][0], []jose.SignatureAlgorithm{c.alg})
			require.NoError(t, err)
			var claims jwt.Claims
			require.NoError(t, token.Claims(c.key.Public().Key, &claims))
			require.Equal(t, jwt.Audience{want}, claims.Audience)
			require.Equal(t, []string{"c", "c"}, []string{claims.Issuer, claims.Subject})
			require.Equal(t, s.clock.Now().Add(time.Minute).Unix(), claims.Expiry.Time().Unix())
			require.False(t, seen[claims.ID], "each is used once")
			seen[claims.ID] = true
			require.GreaterOrEqual(t, len(claims.ID), 20)
			require.Equal(t, c.key.KeyID, token.Headers[0].KeyID)
			thumbprint := token.Headers[0].ExtraHeaders["x5t#S256"]
			if len(c.key.Certificates) == 0 {
				require.Nil(t, thumbprint)
				continue
			}
			text, ok := thumbprint.(string)
			require.True(t, ok)
			decoded, err := base64.RawURLEncoding.DecodeString(text)
			require.NoError(t, err)
			require.Len(t, decoded, 32)
		}
	}
}

func TestStyleProblems(t *testing.T) {
	t.Parallel()
	require.Empty(t, provider.Style{}.Problems())
	require.Empty(t, provider.Style{
		ScopeSeparator: ",", Resource: "https://x.example/a", Audience: "x y", ResourceOn: []string{"token", "refresh"}, Authorize: map[string]string{"prompt": "consent"}, Token: map[string]string{"audience": "x"},
		OfflineScope: "offline_access", Rotates: "no", DefaultLife: time.Hour, AssertionAudience: "issuer", RevokeWith: "both", Identity: provider.Identity{From: "none", ID: "/a/b"},
	}.Problems())
	many := map[string]string{}
	for i := range 21 {
		many[string(rune('a'+i))] = ""
	}
	for field, bad := range map[string]provider.Style{
		"authorize.state":         {Authorize: map[string]string{"state": "x"}},
		"authorize.redirect_uri":  {Authorize: map[string]string{"redirect_uri": "https://evil.example.com"}},
		"authorize.request_uri":   {Authorize: map[string]string{"request_uri": "x"}},
		"authorize.response_mode": {Authorize: map[string]string{"response_mode": "fragment"}},
		"authorize.prompt":        {Authorize: map[string]string{"prompt": "a\nb"}},
		"authorize":               {Authorize: many},
		"token.grant_type":        {Token: map[string]string{"grant_type": "password"}},
		"token.client_secret":     {Token: map[string]string{"client_secret": "x"}},
		"token.team":              {Token: map[string]string{"team": strings.Repeat("x", 1001)}},
		"resource":                {Resource: "no uri"},
		"audience":                {Audience: "a\rb"},
		"resource_on":             {ResourceOn: []string{"revoke"}},
		"scope_separator":         {ScopeSeparator: "x"},
		"offline_scope":           {OfflineScope: "a b"},
		"rotates":                 {Rotates: "maybe"},
		"assertion_audience":      {AssertionAudience: "https://evil.example.com"},
		"revoke_with":             {RevokeWith: "x"},
		"identity.from":           {Identity: provider.Identity{From: "x"}},
		"identity.id":             {Identity: provider.Identity{ID: strings.Repeat("x", 201)}},
		"default_life":            {DefaultLife: -1},
		"refresh_life":            {RefreshLife: 11 * 365 * 24 * time.Hour},
	} {
		require.NotEmpty(t, bad.Problems()[field], field)
	}
	require.NotEmpty(t, provider.Style{Resource: "https://x.example/#f"}.Problems()["resource"])
	for _, name := range []string{"client_id", "client_secret", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "request", "request_uri", "grant_type", "code", "refresh_token", "code_verifier", "client_assertion", "subject_token", "resource", "id_token_hint"} {
		require.NotContains(t, provider.AllowedParameters(), name)
	}
}
