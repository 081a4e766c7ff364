package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/secret"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

func TestIDToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		claims func(map[string]any)
		nonce  string
		code   string
	}{
		"good":              {nil, "nonce-1", ""},
		"no nonce to check": {nil, "", ""},
		"another nonce":     {nil, "nonce-2", "wrong_nonce"},
		"without a nonce":   {func(c map[string]any) { delete(c, "nonce") }, "nonce-1", "wrong_nonce"},
		"another issuer":    {func(c map[string]any) { c["iss"] = "https://evil.example.com" }, "nonce-1", "wrong_issuer"},
		"issuer and slash":  {func(c map[string]any) { c["iss"] = c["iss"].(string) + "/" }, "nonce-1", "wrong_issuer"},
		"another audience":  {func(c map[string]any) { c["aud"] = "other" }, "nonce-1", "wrong_audience"},
		"two, no azp":       {func(c map[string]any) { c["aud"] = []any{c["aud"], "other"} }, "nonce-1", "wrong_audience"},
		"another azp":       {func(c map[string]any) { c["azp"] = "other" }, "nonce-1", "wrong_audience"},
		"over":              {func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() }, "nonce-1", "expired"},
		"from the future":   {func(c map[string]any) { c["iat"] = time.Now().Add(time.Hour).Unix() }, "nonce-1", "expired"},
		"no iat":            {func(c map[string]any) { delete(c, "iat") }, "nonce-1", "expired"},
		"nobody":            {func(c map[string]any) { delete(c, "sub") }, "nonce-1", "no_subject"},
		"another at_hash":   {func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }, "nonce-1", "wrong_token"},
	} {
		var options []fake.Option
		if c.claims != nil {
			options = append(options, fake.Claims(c.claims))
		}
		b := newBundle(t, "generic", options...)
		config := b.config()
		account, err := b.provider.Account(t.Context(), config, b.connect(config, "openid"), c.nonce)
		if c.code == "" {
			require.NoError(t, err, name)
			require.Equal(t, fake.Ada.ID, account.ID)
			require.Equal(t, fake.Ada.Name, account.Name)
			require.Equal(t, fake.Ada.Email, account.Email)
			require.True(t, account.EmailVerified)
			continue
		}
		e := requireError(t, err, provider.Invalid, c.code)
		require.NotContains(t, e.Public(), "evil", name)
	}
}

func TestIDTokenIsSignedByTheProvider(t *testing.T) {
	t.Parallel()
	b := newBundle(t, "generic")
	config := b.config()
	tokens := b.connect(config, "openid")
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	claims := map[string]any{"iss": config.Endpoints.Issuer, "sub": "mallory", "aud": config.Client.ID, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	forge := func(alg jose.SignatureAlgorithm, key any) secret.Text {
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
		require.NoError(t, err)
		raw, err := jwt.Signed(signer).Claims(claims).Serialize()
		require.NoError(t, err)
		return secret.New(raw)
	}
	for code, token := range map[string]secret.Text{
		"wrong_signature": forge(jose.ES256, jose.JSONWebKey{Key: other, KeyID: "fake-1"}),
		"wrong_algorithm": forge(jose.HS256, []byte(config.Client.Secret.Reveal()+"0123456789abcdef")),
		"bad_id_token":    secret.New("eyJhbGciOiJub25lIn0"),
	} {
		tokens.IDToken = token
		_, err = b.provider.Account(t.Context(), config, tokens, "")
		requireError(t, err, provider.Invalid, code)
	}
	tokens.IDToken = secret.New("")
	config.Style.Identity.From = provider.FromIDToken
	_, err = b.provider.Account(t.Context(), config, tokens, "")
	requireError(t, err, provider.Invalid, "no_id_token")
}

func TestIdentityRules(t *testing.T) {
	t.Parallel()
	s := newSaid(t)
	tokens := provider.Tokens{Access: secret.New("at")}
	who := func(rule provider.Identity, body string) (provider.Account, error) {
		s.config.Style.Identity, s.body = rule, body
		return s.Account(t.Context(), s.config, tokens, "")
	}
	for name, c := range map[string]struct {
		rule provider.Identity
		body string
		want provider.Account
	}{
		"the usual claims":     {provider.Identity{}, `{"sub":"a","name":"Ada","email":"ada@example.com","email_verified":true}`, provider.Account{ID: "a", Name: "Ada", Email: "ada@example.com", EmailVerified: true}},
		"verified, as text":    {provider.Identity{}, `{"sub":"a","email":"ada@example.com","email_verified":"true"}`, provider.Account{ID: "a", Email: "ada@example.com", EmailVerified: true}},
		"verified, as 1":       {provider.Identity{EmailVerified: "xms_edov"}, `{"sub":"a","email":"ada@example.com","xms_edov":1}`, provider.Account{ID: "a", Email: "ada@example.com", EmailVerified: true}},
		"not verified":         {provider.Identity{}, `{"sub":"a","email":"ada@example.com","email_verified":"no"}`, provider.Account{ID: "a", Email: "ada@example.com"}},
		"nothing is verified":  {provider.Identity{}, `{"sub":"a","email_verified":true}`, provider.Account{ID: "a"}},
		"no address":           {provider.Identity{}, `{"sub":"a","email":"ada"}`, provider.Account{ID: "a"}},
		"a number":             {provider.Identity{ID: "id"}, `{"id":9007199254740993}`, provider.Account{ID: "9007199254740993"}},
		"a pointer":            {provider.Identity{ID: "/data/0/id", Name: "/data/0/a~1b", Email: "/data/0/m~0"}, `{"data":[{"id":"x","a/b":"N","m~":"a@b.c"}]}`, provider.Account{ID: "x", Name: "N", Email: "a@b.c"}},
		"a name with a slash":  {provider.Identity{ID: "/id"}, `{"/id":"y","id":"z"}`, provider.Account{ID: "y"}},
		"claims not as wanted": {provider.Identity{}, `{"sub":"a","name":["x"],"email":{"a":1}}`, provider.Account{ID: "a"}},
		"a name of two lines":  {provider.Identity{}, `{"sub":"a","name":"x\ny"}`, provider.Account{ID: "a"}},
	} {
		got, err := who(c.rule, c.body)
		require.NoError(t, err, name)
		got.Claims = nil
		require.Equal(t, c.want, got, name)
	}
	for name, body := range map[string]string{
		"no id": `{"name":"x"}`, "an empty id": `{"sub":""}`, "an object": `{"sub":{}}`, "a boolean": `{"sub":true}`, "an id of two lines": `{"sub":"a\nb"}`, "null": `{"sub":null}`,
		"an id too long": `{"sub":"` + strings.Repeat("x", 300) + `"}`,
	} {
		_, err := who(provider.Identity{}, body)
		require.Equal(t, provider.Invalid, provider.KindOf(err), name)
	}
	for _, pointer := range []string{"/data/1/id", "/data/x/id", "/data/-1", "/data/0/id/deeper", "/", "//"} {
		_, err := who(provider.Identity{ID: pointer}, `{"data":[{"id":"x"}]}`)
		requireError(t, err, provider.Invalid, "no_account")
	}
	_, err := who(provider.Identity{}, `[]`)
	requireError(t, err, provider.Invalid, "bad_json")
	got, err := who(provider.Identity{From: provider.FromNone}, `{"sub":"a"}`)
	require.NoError(t, err)
	require.Zero(t, got)
	require.Equal(t, "Bearer at", s.asked.Get("Authorization"))

	unsigned := provider.Tokens{Access: secret.New("at"), IDToken: secret.New("eyJhbGciOiJub25lIn0.eyJzdWIiOiJtYWxsb3J5In0.")}
	s.config.Style.Identity, s.body = provider.Identity{}, `{"sub":"a"}`
	got, err = s.Account(t.Context(), s.config, unsigned, "")
	require.NoError(t, err)
	require.Equal(t, "a", got.ID, "without keys an ID token says nothing")
	s.config.Style.Identity.From = provider.FromIDToken
	_, err = s.Account(t.Context(), s.config, unsigned, "")
	requireError(t, err, provider.Unsupported, "no_endpoint")

	s.status = http.StatusUnauthorized
	_, err = who(provider.Identity{}, `{"error":"invalid_token"}`)
	requireError(t, err, provider.Rejected, "invalid_token")
	s.status = http.StatusServiceUnavailable
	_, err = who(provider.Identity{}, `{}`)
	require.Equal(t, provider.Temporary, provider.KindOf(err))

	s.config.Endpoints.UserInfo = ""
	got, err = who(provider.Identity{}, `{}`)
	require.NoError(t, err)
	require.Zero(t, got.ID, "nobody can be asked")
	_, err = who(provider.Identity{From: provider.FromUserInfo}, `{}`)
	requireError(t, err, provider.Unsupported, "no_endpoint")
}

func TestIntrospectionAndUserinfo(t *testing.T) {
	t.Parallel()
	b := newBundle(t, "generic")
	config := b.config()
	tokens := b.connect(config, "todos")
	config.Style.Identity = provider.Identity{From: provider.FromIntrospection, Name: "username"}
	account, err := b.provider.Account(t.Context(), config, tokens, "")
	require.NoError(t, err)
	require.Equal(t, fake.Ada.ID, account.ID)
	require.Equal(t, fake.Ada.Name, account.Name)
	config.Style.Identity = provider.Identity{From: provider.FromUserInfo}
	account, err = b.provider.Account(t.Context(), config, tokens, "")
	require.NoError(t, err)
	require.Equal(t, fake.Ada.ID, account.ID)

	b.fake.ExpireAccess()
	config.Style.Identity = provider.Identity{From: provider.FromIntrospection}
	_, err = b.provider.Account(t.Context(), config, tokens, "")
	requireError(t, err, provider.Rejected, "not_active")
	config.Endpoints.Introspection = ""
	_, err = b.provider.Account(t.Context(), config, tokens, "")
	requireError(t, err, provider.Unsupported, "no_endpoint")
}

func TestUserinfoIsAboutTheSamePerson(t *testing.T) {
	t.Parallel()
	b := newBundle(t, "generic", fake.Claims(func(c map[string]any) { delete(c, "at_hash") }))
	config := b.config()
	config.Style.Identity.From = provider.FromUserInfo
	signed := b.connect(config, "openid")
	_, err := b.provider.Account(t.Context(), config, signed, "")
	require.NoError(t, err)
	b.fake.SignIn(fake.User{ID: "9", Name: "Mallory"})
	mixed := b.connect(config, "todos")
	mixed.IDToken = signed.IDToken
	_, err = b.provider.Account(t.Context(), config, mixed, "")
	requireError(t, err, provider.Invalid, "wrong_subject")
}

func TestRedact(t *testing.T) {
	t.Parallel()
	s := newSaid(t)
	s.body = `{"sub":"canary-1","email":"canary@example.com","name":"Çanary","iss":"https://id.example.com","aud":"x","n":12345,"ok":true,"list":["canary"],"deep":{"canary":1},"none":null,"bad\nname":"canary"}`
	account, err := s.Account(t.Context(), s.config, provider.Tokens{Access: secret.New("at")}, "")
	require.NoError(t, err)
	require.Equal(t, []provider.Claim{
		{Name: "aud", Value: "x"},
		{Name: "deep", Value: "object of 1"},
		{Name: "email", Value: "c•••@example.com"},
		{Name: "iss", Value: "https://id.example.com"},
		{Name: "list", Value: "list of 1"},
		{Name: "n", Value: "number"},
		{Name: "name", Value: "Ç•••"},
		{Name: "none", Value: "null"},
		{Name: "ok", Value: "true"},
		{Name: "sub", Value: "c•••"},
	}, provider.Redact(account.Claims))
	raw, err := json.Marshal(provider.Redact(account.Claims))
	require.NoError(t, err)
	require.NotContains(t, string(raw), "canary")
}
