package server_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
)

// service is a confidential client with a token of its own.
func (tn *tenant) service() (*app, tokens) {
	tn.b.t.Helper()
	tn.change(func(s *settings.Settings) { s.ClientCredentials = true })
	a := tn.confidential("", oplib.GrantClientCredentials)
	got := a.basic("/token", url.Values{"grant_type": {oplib.GrantClientCredentials}})
	require.Equal(tn.b.t, 200, got.status, got.body)
	return a, got
}

func (a *app) introspect(token string) (out map[string]any) {
	a.tn.b.t.Helper()
	got := a.basic("/introspect", url.Values{"token": {token}})
	require.Equal(a.tn.b.t, 200, got.status, got.body)
	require.NoError(a.tn.b.t, json.Unmarshal([]byte(got.body), &out))
	return out
}

// TestA19Introspection: a confidential client learns of its own tokens, and everything
// else looks like nothing.
func TestA19Introspection(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, got := tn.service()
		other, theirs := tn.service()
		public := tn.app()
		persons := public.tokens(tn.browser())
		mine := a.introspect(got.Access)
		require.Equal(b.t, map[string]any{
			"active": true, "client_id": a.id, "sub": "client:" + a.id, "aud": tn.mcp("tickets"), "iss": tn.issuer, "scope": got.Scope, "token_type": "Bearer",
			"iat": got.claims()["iat"], "exp": got.claims()["exp"], "jti": got.claims()["jti"],
		}, mine)
		parts := strings.Split(got.Access, ".")
		for name, token := range map[string]string{
			"another client's": theirs.Access, "a person's": persons.Access, "a person's refresh token": persons.Refresh, "nothing": "x", "no signature": parts[0] + "." + parts[1] + ".",
			"changed": got.Access[:len(got.Access)-2] + "AA", "long": strings.Repeat("x", 5000), "control": "\x00",
		} {
			require.Equal(b.t, map[string]any{"active": false}, a.introspect(token), name)
		}
		require.Equal(b.t, true, other.introspect(theirs.Access)["active"], "asking changes nothing")

		p := public.post("/introspect", url.Values{"client_id": {public.id}, "token": {persons.Access}})
		require.Equal(b.t, 401, p.status, "a public client proves nothing")
		require.Equal(b.t, "invalid_client", p.Error)
		require.Equal(b.t, "invalid_client", a.post("/introspect", url.Values{"client_id": {a.id}, "client_secret": {"wrong"}, "token": {got.Access}}).Error)

		require.Equal(b.t, 200, a.basic("/revoke", url.Values{"token": {got.Access}}).status)
		require.Equal(b.t, map[string]any{"active": false}, a.introspect(got.Access), "revoked")
		b.env.Clock.Advance(time.Hour)
		require.Equal(b.t, map[string]any{"active": false}, other.introspect(theirs.Access), "expired")
	})
}

// TestA19RevocationNeedsTheSecret: a confidential client's token is ended by nobody
// who only knows its id.
func TestA19RevocationNeedsTheSecret(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, got := tn.service()
		require.Equal(b.t, "invalid_client", a.post("/revoke", url.Values{"client_id": {a.id}, "token": {got.Access}}).Error)
		require.Equal(b.t, "invalid_client", a.post("/revoke", url.Values{"client_id": {a.id}, "client_secret": {"wrong"}, "token": {got.Access}}).Error)
		require.Empty(b.t, tn.revoked())
	})
}

// TestEmergencyRotation: access tokens die with their key, refresh tokens go on.
func TestEmergencyRotation(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		service, access := tn.service()
		got := a.tokens(tn.browser())
		require.NoError(b.t, keys.Emergency(b.t.Context(), b.env.DB, tn.handle))
		require.Equal(b.t, map[string]any{"active": false}, service.introspect(access.Access), "its key is gone")
		next := a.refresh(got.Refresh)
		require.Equal(b.t, 200, next.status, next.body)
		require.NotEqual(b.t, strings.Split(got.Access, ".")[0], strings.Split(next.Access, ".")[0], "signed by another key")
		require.NotContains(b.t, tn.browser().get("/jwks").body, kidOf(b, got.Access))
		require.Contains(b.t, tn.browser().get("/jwks").body, kidOf(b, next.Access))
	})
}

// TestLifetimesAreTheTenants: what is chosen holds from the next token on.
func TestLifetimesAreTheTenants(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		a := tn.app()
		tn.change(func(s *settings.Settings) {
			s.Access, s.RefreshIdle, s.Family = 10*time.Minute, time.Hour, 3*time.Hour
		})
		got := a.tokens(br)
		require.Equal(b.t, 600, got.Expires)
		require.InDelta(b.t, 600, got.claims()["exp"].(float64)-got.claims()["iat"].(float64), 0)
		tn.change(func(s *settings.Settings) {
			s.Access, s.RefreshIdle, s.Family = 24*time.Hour, 30*24*time.Hour, 90*24*time.Hour
		})
		b.env.Clock.Advance(time.Hour)
		got = a.refresh(got.Refresh)
		require.Equal(b.t, 200, got.status, got.body)
		require.Equal(b.t, 2*3600, got.Expires, "never longer than the sign-in that it comes from")
		b.env.Clock.Advance(time.Hour + time.Second)
		require.Equal(b.t, "invalid_grant", a.refresh(got.Refresh).Error, "the hour that was chosen when it began")
		require.Equal(b.t, 24*3600, a.tokens(br).Expires)
	})
}

// TestReuseIsShown: what ended a sign-in for safety is listed for the console.
func TestReuseIsShown(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		a := tn.app()
		stolen := a.tokens(br)
		require.Equal(b.t, 200, a.refresh(a.refresh(stolen.Refresh).Refresh).status)
		require.Equal(b.t, "invalid_grant", a.refresh(stolen.Refresh).Error)
		b.env.Clock.Advance(time.Minute)
		code := a.code(br)
		replayed := a.redeem(code)
		require.Equal(b.t, "invalid_grant", a.redeem(code).Error)
		revoked := a.tokens(br)
		require.Equal(b.t, 200, a.post("/revoke", url.Values{"client_id": {a.id}, "token": {revoked.Access}}).status)
		require.NoError(b.t, b.env.DB.Read(b.t.Context(), tn.handle, func(tx *tenancy.Tx) error {
			all, err := server.RecentReuse(tx, 10)
			require.NoError(b.t, err)
			require.Len(b.t, all, 2)
			require.Equal(b.t, []string{replayed.family(), stolen.family()}, []string{all[0].FamilyID, all[1].FamilyID})
			require.Equal(b.t, a.id, all[0].ClientID)
			require.Equal(b.t, tn.owner.ID, all[0].Subject)
			require.Equal(b.t, b.env.Clock.Now(), all[0].At)
			return nil
		}))
	})
}

func kidOf(b *testBundle, token string) string {
	b.t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(b.t, err)
	return parsed.Headers[0].KeyID
}
