package provider_test

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/secret"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

func TestRegister(t *testing.T) {
	t.Parallel()
	b := newBundle(t, "generic")
	config := b.config()
	key, public := newKey(t)
	for method, r := range map[string]provider.Registration{
		"":                      {},
		provider.AuthPost:       {AuthMethod: provider.AuthPost},
		provider.AuthNone:       {AuthMethod: provider.AuthNone},
		provider.AuthPrivateKey: {AuthMethod: provider.AuthPrivateKey, JWKS: &public},
	} {
		r.RedirectURIs, r.Name, r.GrantTypes = []string{callback}, "Emcy", []string{"authorization_code", "refresh_token"}
		made, token, uri, expires, err := b.provider.Register(t.Context(), config, r)
		require.NoError(t, err, method)
		require.False(t, token.Empty())
		require.Contains(t, uri, made.ID)
		require.Nil(t, expires)
		made.Key = key
		own := config
		own.Client = made
		tokens := b.connect(own, "todos")
		require.NoError(t, b.use(tokens.Access), method)
		_, err = b.provider.Refresh(t.Context(), own, tokens.Refresh, nil)
		require.NoError(t, err, method)
	}
	_, _, _, _, err := b.provider.Register(t.Context(), config, provider.Registration{})
	requireError(t, err, provider.Misconfigured, "invalid_redirect_uri")
	asked := b.fake.Asked("register")
	_, _, _, _, err = b.provider.Register(t.Context(), config, provider.Registration{RedirectURIs: []string{callback}, JWKS: &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{*key}}})
	requireError(t, err, provider.Misconfigured, "client_key")
	require.Equal(t, asked, b.fake.Asked("register"), "a private key leaves for nobody")
	config.Endpoints.Registration = ""
	_, _, _, _, err = b.provider.Register(t.Context(), config, provider.Registration{})
	requireError(t, err, provider.Unsupported, "no_endpoint")
}

func TestRegisterWithAnInitialToken(t *testing.T) {
	t.Parallel()
	b := newBundle(t, "generic", fake.InitialToken("canary-initial"))
	config := b.config()
	r := provider.Registration{RedirectURIs: []string{callback}}
	_, _, _, _, err := b.provider.Register(t.Context(), config, r)
	e := requireError(t, err, provider.Misconfigured, "invalid_token")
	require.Contains(t, e.Cure, "initial access token")
	r.InitialToken = secret.New("canary-initial")
	_, _, _, _, err = b.provider.Register(t.Context(), config, r)
	require.NoError(t, err)
}

func TestRegistrationAnswers(t *testing.T) {
	t.Parallel()
	s := newSaid(t)
	r := provider.Registration{RedirectURIs: []string{callback}, AuthMethod: provider.AuthPost}
	s.body = `{"client_id":"c","client_secret":"s","client_secret_expires_at":1800000000,"token_endpoint_auth_method":"client_secret_basic","registration_client_uri":"ftp://x"}`
	made, token, uri, expires, err := s.Register(t.Context(), s.config, r)
	require.NoError(t, err)
	require.Equal(t, provider.AuthBasic, made.AuthMethod, "what the provider says")
	require.Equal(t, "s", made.Secret.Reveal())
	require.True(t, token.Empty())
	require.Empty(t, uri)
	require.Equal(t, time.Unix(1800000000, 0).UTC(), *expires)
	for code, bodies := range map[string][]string{
		"bad_registration": {``, `[]`, `{}`, `{"client_id":""}`, `{"client_id":7}`, `{"client_id":"a b"}`, `{"client_id":"c"}`, `{"client_id":"c","client_secret":"a\nb"}`, `{"client_id":"c","client_id":"d","client_secret":"s"}`},
		"auth_method":      {`{"client_id":"c","client_secret":"s","token_endpoint_auth_method":"tls_client_auth"}`},
	} {
		for _, body := range bodies {
			s.body = body
			_, _, _, _, err = s.Register(t.Context(), s.config, r)
			e := requireError(t, err, provider.Invalid, code)
			require.True(t, e.Sent, "a client may have been made")
		}
	}
	s.status, s.body = 403, ``
	_, _, _, _, err = s.Register(t.Context(), s.config, r)
	require.Equal(t, provider.Misconfigured, provider.KindOf(err))
	s.status = 500
	_, _, _, _, err = s.Register(t.Context(), s.config, r)
	require.Equal(t, provider.Temporary, provider.KindOf(err))
}
