package provider_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/secret"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

func TestRevoke(t *testing.T) {
	t.Parallel()
	s := newSaid(t)
	rt, at, none := secret.New("rt"), secret.New("at"), secret.Text{}
	for _, c := range []struct {
		with            string
		refresh, access secret.Text
		token, hint     string
	}{
		{"", rt, at, "rt", "refresh_token"},
		{"", none, at, "at", "access_token"},
		{"refresh_token", rt, none, "rt", "refresh_token"},
		{"access_token", rt, at, "at", "access_token"},
		{"both", rt, at, "at", "access_token"}, // the last of the two
		{"both", none, at, "at", "access_token"},
	} {
		s.form, s.config.Style.RevokeWith = nil, c.with
		require.NoError(t, s.Revoke(t.Context(), s.config, c.refresh, c.access))
		require.Equal(t, []string{c.token}, s.form["token"])
		require.Equal(t, []string{c.hint}, s.form["token_type_hint"])
	}
	s.form, s.config.Style.RevokeWith = nil, ""
	require.NoError(t, s.Revoke(t.Context(), s.config, none, none))
	require.Nil(t, s.form)
	for _, gone := range []string{"invalid_token", "invalid_grant"} {
		s.status, s.body = 400, `{"error":"`+gone+`"}`
		require.NoError(t, s.Revoke(t.Context(), s.config, rt, at), "it is gone already")
	}
	s.body = `{"error":"unsupported_token_type"}`
	requireError(t, s.Revoke(t.Context(), s.config, rt, none), provider.Unsupported, "unsupported_token_type")
	_ = s.Revoke(t.Context(), s.config, rt, at)
	require.Equal(t, []string{"at"}, s.form["token"], "the other kind is tried")
	s.body = `{"error":"invalid_client"}`
	requireError(t, s.Revoke(t.Context(), s.config, rt, at), provider.Misconfigured, "invalid_client")
	s.status, s.body = 503, ``
	s.header.Set("Retry-After", "7")
	e := requireError(t, s.Revoke(t.Context(), s.config, rt, at), provider.Temporary, "")
	require.Equal(t, 7*time.Second, e.RetryAfter)
	s.config.Endpoints.Revocation = ""
	requireError(t, s.Revoke(t.Context(), s.config, rt, at), provider.Unsupported, "no_endpoint")
}

func TestTokenExchange(t *testing.T) {
	t.Parallel()
	b := newBundle(t, "generic", fake.Resources("https://api.example.com"))
	config := b.config()
	subject := b.connect(config, "openid").Access
	config.Style = provider.Style{Resource: "https://not.this.example.com", Audience: "nor this", OfflineScope: "offline_access"}
	got, err := b.provider.TokenExchange(t.Context(), config, subject, provider.TypeAccessToken, "todo", "https://api.example.com", []string{"todos:read"})
	require.NoError(t, err)
	require.NoError(t, b.use(got.Access))
	require.Equal(t, []string{"todos:read"}, got.Scope)
	require.True(t, got.Refresh.Empty())
	last := b.fake.Ledger()[len(b.fake.Ledger())-2].Form
	require.Equal(t, []string{"todo", "https://api.example.com", "todos:read", provider.TypeAccessToken}, []string{last.Get("audience"), last.Get("resource"), last.Get("scope"), last.Get("requested_token_type")})

	_, err = b.provider.TokenExchange(t.Context(), config, subject, provider.TypeAccessToken, "", "https://other.example.com", nil)
	requireError(t, err, provider.Misconfigured, "invalid_target")
	_, err = b.provider.TokenExchange(t.Context(), config, secret.New("made-up"), provider.TypeJWT, "", "", nil)
	requireError(t, err, provider.Misconfigured, "invalid_request")

	s := newSaid(t)
	s.body = `{"access_token":"at","issued_token_type":"` + provider.TypeAccessToken + `","token_type":"N_A"}`
	got, err = s.TokenExchange(t.Context(), s.config, secret.New("x"), provider.TypeJWT, "", "", nil)
	require.NoError(t, err)
	require.Equal(t, "at", got.Access.Reveal())
	for _, absent := range []string{"audience", "resource", "scope"} {
		require.NotContains(t, s.form, absent)
	}
}
