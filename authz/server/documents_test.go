package server_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/settings"
)

// TestA17Metadata: every position that clients try has the same bytes, and they
// offer what is built and nothing else.
func TestA17Metadata(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		want, err := os.ReadFile("testdata/metadata.golden.json")
		require.NoError(b.t, err)
		br := tn.browser()
		for _, kind := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
			for _, path := range []string{kind, kind + "/tickets/mcp", "/tickets/mcp" + kind, kind + "?x=y"} {
				p := br.get(path)
				require.Equal(b.t, 200, p.status, path)
				require.Equal(b.t, "application/json", p.header.Get("Content-Type"))
				require.Equal(b.t, "max-age=60", p.header.Get("Cache-Control"))
				var got bytes.Buffer
				require.NoError(b.t, json.Indent(&got, []byte(p.body), "", "  "))
				require.Equal(b.t, strings.TrimSpace(string(want)), got.String(), path)
			}
		}
		require.Equal(b.t, "max-age=300", br.get("/jwks").header.Get("Cache-Control"))
		b.tenant("other").upstream("theirs")
		for _, path := range []string{"/.well-known/unknown", "/.well-known/oauth-authorization-server/", "/.well-known/oauth-authorization-server/a/b/mcp", "/.well-known/oauth-authorization-server/nope/mcp", "/.well-known/openid-configuration/nope/mcp", "/nope/mcp/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/theirs/mcp", "/.well-known/oauth-authorization-server/%00/mcp", "/.well-known/oauth-authorization-server/TICKETS/mcp", "/.well-known/oauth-authorization-server//mcp", "/userinfo", "/device", "/healthz", "/ready", "/authorize/", "//authorize"} {
			p := br.get(path)
			require.Equal(b.t, 404, p.status, path)
			require.Equal(b.t, "application/json", p.header.Get("Content-Type"), "never HTML")
			require.Contains(b.t, p.body, `"error"`)
		}
	})
}

// TestB15MethodsAndOrigins: any origin may read the public documents and call the
// endpoints that take nothing from cookies; never /authorize or a page.
func TestB15MethodsAndOrigins(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		public := func(path string) bool {
			return path == "/jwks" || strings.HasPrefix(path, "/register") || path == "/token" || path == "/revoke" || path == "/par" || path == "/device_authorization" || strings.Contains(path, "/.well-known/")
		}
		methods := map[string][]string{}
		for _, r := range b.server.Routes() {
			methods[r.Path] = append(methods[r.Path], r.Method)
			if r.Method == "GET" {
				methods[r.Path] = append(methods[r.Path], "HEAD")
			}
		}
		br := tn.browser()
		for pattern, have := range methods {
			path := strings.Replace(pattern, "{upstream}", "tickets", 1)
			for _, origin := range []string{"", "https://evil.example", "null", tn.issuer} {
				for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "PUT", "PATCH", "DELETE", "PROPFIND"} {
					header := []string{"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, content-type"}
					if origin != "" {
						header = append(header, "Origin", origin)
					}
					p := br.request(method, path, "", header...)
					name := method + " " + path + " " + origin
					want := ""
					if public(path) {
						want = "*"
					}
					require.Equal(b.t, want, p.header.Get("Access-Control-Allow-Origin"), name)
					require.Empty(b.t, p.header.Get("Access-Control-Allow-Credentials"), name)
					switch {
					case method == "OPTIONS" && public(path):
						require.Equal(b.t, 204, p.status, name)
						require.Equal(b.t, "authorization, content-type", p.header.Get("Access-Control-Allow-Headers"))
						require.Equal(b.t, strings.Join(have, ", "), p.header.Get("Access-Control-Allow-Methods"))
					case slices.Contains(have, method):
						require.NotEqual(b.t, 405, p.status, name)
					default:
						require.Equal(b.t, 405, p.status, name)
						require.Equal(b.t, strings.Join(have, ", "), p.header.Get("Allow"), name)
					}
				}
			}
		}
	})
}

// TestA17MetadataFollowsTheSettings: what is switched on is named, and what is off is not.
func TestA17MetadataFollowsTheSettings(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		optional := []string{
			"registration_endpoint", "pushed_authorization_request_endpoint", "device_authorization_endpoint", "dpop_signing_alg_values_supported",
			"require_pushed_authorization_requests", "client_id_metadata_document_supported", "authorization_grant_profiles_supported",
		}
		named := func() (out []string) {
			doc := tn.metadata()
			for _, name := range optional {
				if _, there := doc[name]; there {
					out = append(out, name)
				}
			}
			return out
		}
		tn.change(func(s *settings.Settings) {
			s.CIMD, s.DCR, s.DPoP, s.PAR, s.SigningAlg = settings.Off, settings.Off, settings.Never, settings.Never, settings.RS256
		})
		require.Empty(b.t, named())
		require.Equal(b.t, []any{"RS256"}, tn.metadata()["id_token_signing_alg_values_supported"])
		tn.change(func(s *settings.Settings) {
			s.CIMD, s.DCR, s.DPoP, s.PAR, s.Device = settings.Known, settings.Loopback, settings.Required, settings.Required, true
		})
		require.Equal(b.t, optional[:6], named())
	})
}
