package provider_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/secret"
)

// FuzzTokenAnswer: whatever an endpoint answers, there is a token that can be sent, or
// an error that can be shown.
func FuzzTokenAnswer(f *testing.F) {
	s := newSaid(f)
	for _, body := range []string{
		`{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt","scope":"a b","id_token":"x"}`, `{"access_token":"at","expires_in":"3600","scope":["a","b"]}`,
		`{"error":"invalid_grant","error_description":"canary-refresh-token"}`, `{"error":{}}`, `error=invalid_grant`, `<html>`, `{"access_token":"a\u0000"}`, `{"access_token":"at","expires_in":1e999}`, `null`,
	} {
		f.Add(200, "application/json", body)
		f.Add(400, "application/x-www-form-urlencoded; charset=utf-8", body)
	}
	f.Fuzz(func(t *testing.T, status int, media, body string) {
		config := s.config
		config.Style.ErrorsWith200 = len(body)%2 == 0
		got, err := s.ReadTokens(config, status, media, body, "canary-refresh-token")
		if err != nil {
			showable(t, err)
			return
		}
		require.Equal(t, 200, status)
		for _, token := range []secret.Text{got.Access, got.Refresh, got.IDToken} {
			require.False(t, strings.ContainsFunc(token.Reveal(), func(r rune) bool { return r <= ' ' || r >= 0x7f }))
		}
		require.False(t, got.Access.Empty())
		for _, at := range []*time.Time{got.ExpiresAt, got.RefreshExpiresAt} {
			if at != nil {
				require.True(t, at.After(s.clock.Now()))
				require.True(t, at.Before(s.clock.Now().Add(11*365*24*time.Hour)))
			}
		}
		for _, scope := range got.Scope {
			require.NotContains(t, scope, " ")
			require.NotEmpty(t, scope)
		}
	})
}

func showable(t testing.TB, err error) {
	t.Helper()
	var e *provider.Error
	require.ErrorAs(t, err, &e)
	require.NotEmpty(t, e.Kind)
	require.NotEmpty(t, e.Public())
	require.NotContains(t, err.Error(), "canary-refresh-token")
	require.False(t, strings.ContainsAny(e.Error()+e.Public()+e.Code+e.Description, "\r\n\x00"))
	require.LessOrEqual(t, len(e.Description), 400)
	require.LessOrEqual(t, len(e.Code), 64)
}

// FuzzAccount: an account has an id of one line, or there is an error.
func FuzzAccount(f *testing.F) {
	s := newSaid(f)
	for _, body := range []string{`{"sub":"a","name":"N","email":"a@b.c","email_verified":true}`, `{"id":9007199254740993}`, `{"data":[{"id":"x"}]}`, `{"sub":{"sub":[]}}`, `[]`, `{"a~/b":{"":1}}`} {
		f.Add(body, "")
		f.Add(body, "/data/0/id")
		f.Add(body, "id")
		f.Add(body, "/a~0~1b/")
	}
	f.Fuzz(func(t *testing.T, body, rule string) {
		got, err := s.ReadAccount(provider.Identity{ID: rule}, body, "canary-refresh-token")
		if err != nil {
			showable(t, err)
			return
		}
		require.NotEmpty(t, got.ID)
		require.False(t, strings.ContainsAny(got.ID+got.Name+got.Email, "\r\n\x00"))
		for _, claim := range provider.Redact(got.Claims) {
			require.LessOrEqual(t, len(claim.Name), 200)
			require.False(t, strings.ContainsAny(claim.Name+claim.Value, "\r\n\x00"))
		}
	})
}

// FuzzMetadata: what is discovered is of the issuer that was asked, and only addresses
// that the gateway connects to are kept.
func FuzzMetadata(f *testing.F) {
	s := newSaid(f)
	for _, doc := range []string{
		`{"issuer":"https://id.example.com/","authorization_endpoint":"https://id.example.com/authorize","token_endpoint":"https://id.example.com/token"}`, `{"issuer":"https://id.example.com","token_endpoint":"https://id.example.com/token"}`, `{"issuer":7}`, `[]`,
		`{"issuer":"https://id.example.com/","token_endpoint":"https://id.example.com/token","jwks_uri":"ftp://x","userinfo_endpoint":"https://id.example.com/u","scopes_supported":["a","b c",""]}`,
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := s.ReadMetadata("https://id.example.com/", body)
		if err != nil {
			showable(t, err)
			return
		}
		require.Equal(t, "https://id.example.com/", got.Issuer)
		require.NotEmpty(t, got.Token)
		for _, address := range []string{got.Authorization, got.Token, got.Revocation, got.UserInfo, got.Introspection, got.Registration, got.JWKS} {
			require.True(t, address == "" || strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://"), address)
		}
		for _, list := range [][]string{got.AuthMethods, got.GrantTypes, got.Scopes, got.SigningAlgs, got.ChallengeMethods} {
			for _, one := range list {
				require.False(t, strings.ContainsAny(one, " \r\n\x00\""), one)
			}
		}
	})
}
