package server_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAS3AS4AS5AS6_EveryPositionOneIssuer: wherever a client looks, it finds the issuer
// that it looked for, S256, and endpoints at the paths that a client guesses which finds
// no document. The issuer stays when the workspace's runtimes change (AS-27).
func TestAS3AS4AS5AS6_EveryPositionOneIssuer(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		look := func(slug string) {
			for _, kind := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
				for _, path := range []string{kind, kind + "/" + slug + "/mcp", "/" + slug + "/mcp" + kind} {
					p := br.get(path)
					require.Equal(b.t, 200, p.status, path)
					var doc map[string]any
					require.NoError(b.t, json.Unmarshal([]byte(p.body), &doc))
					require.Equal(b.t, tn.issuer, doc["issuer"], path)
					require.Equal(b.t, []any{"S256"}, doc["code_challenge_methods_supported"], path)
					require.Equal(b.t, true, doc["authorization_response_iss_parameter_supported"], path)
					for name, endpoint := range map[string]string{"authorization_endpoint": "/authorize", "token_endpoint": "/token", "registration_endpoint": "/register"} {
						require.Equal(b.t, tn.issuer+endpoint, doc[name], path)
					}
				}
			}
		}
		look("tickets")
		tn.upstream("wiki")
		look("wiki")
		look("tickets")
	})
}

// TestAS12_ApplicationType: every kind of application registers, and so does one that
// says nothing of it or something unknown; it decides nothing about redirects.
func TestAS12_ApplicationType(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		for _, kind := range []string{`"native"`, `"web"`, `""`, `null`, `"service"`} {
			for _, redirect := range []string{"http://127.0.0.1:4711/callback", "https://app.example/callback", "com.example.app:/callback"} {
				p := tn.register(`{"redirect_uris":["` + redirect + `"],"application_type":` + kind + `}`)
				require.Equal(b.t, 201, p.status, "%s %s: %s", kind, redirect, p.body)
			}
		}
		require.Equal(b.t, 201, tn.register(`{"redirect_uris":["https://app.example/callback"]}`).status)
		for _, kind := range []string{`"native"`, `"web"`} {
			p := tn.register(`{"redirect_uris":["http://app.example/callback"],"application_type":` + kind + `}`)
			require.Equal(b.t, 400, p.status, "plain http goes nowhere but to loopback")
		}
	})
}

// TestAS17_RefreshTokensAreTheServersChoice: a client gets a refresh token whether or not
// it registered the grant or asks for offline_access; the answer to the registration says so.
func TestAS17_RefreshTokensAreTheServersChoice(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		require.Contains(b.t, br.get("/.well-known/oauth-authorization-server").body, `"offline_access"`)
		for _, grants := range []string{``, `,"grant_types":["authorization_code","refresh_token"]`, `,"grant_types":["authorization_code"]`} {
			p := tn.register(`{"client_name":"App","redirect_uris":["` + callback + `"]` + grants + `}`)
			require.Equal(b.t, 201, p.status, p.body)
			var out struct {
				ID     string   `json:"client_id"`
				Grants []string `json:"grant_types"`
			}
			require.NoError(b.t, json.Unmarshal([]byte(p.body), &out))
			require.Equal(b.t, []string{"authorization_code", "refresh_token"}, out.Grants, grants)
			a := tn.app()
			a.id = out.ID
			for _, scope := range []string{"mcp", "mcp offline_access"} {
				got := a.redeem(a.code(br, "scope", scope))
				require.Equal(b.t, 200, got.status, got.body)
				require.NotEmpty(b.t, got.Refresh, "%s with %s", grants, scope)
				require.Equal(b.t, 200, a.refresh(got.Refresh).status)
			}
		}
	})
}
