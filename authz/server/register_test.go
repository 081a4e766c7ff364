package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

func TestC3Registration(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		p := tn.register(`{
			"redirect_uris": ["javascript:alert(1)", "http://localhost/callback", "https://claude.ai/cb", "http://evil.example/cb", "cursor://anysphere.cursor-mcp/cb"],
			"client_name": "Claude", "client_uri": "https://claude.ai", "application_type": "web", "token_endpoint_auth_method": "client_secret_basic",
			"grant_types": ["authorization_code", "client_credentials", "implicit"], "response_types": ["token"], "scope": "admin mcp", "software_id": "s\u0000\u202e1", "software_version": "1.0",
			"client_id": "cli_mine", "client_secret": "s", "tenant_id": "tnt_x", "verified": true, "trusted": true, "kind": "preregistered", "created_at": "2001-01-01T00:00:00Z",
			"jwks_uri": "http://169.254.169.254/", "logo_uri": "http://169.254.169.254/", "resource": "https://x", "contacts": [1, {}], "client_name#de": "x"
		}`)
		require.Equal(b.t, 201, p.status, p.body)
		require.Equal(b.t, "no-store", p.header.Get("Cache-Control"))
		require.Equal(b.t, "application/json", p.header.Get("Content-Type"))
		var got map[string]any
		require.NoError(b.t, json.Unmarshal([]byte(p.body), &got))
		id, _ := got["client_id"].(string)
		require.Regexp(b.t, "^cli_[0-9a-z]{26}$", id)
		for name, secret := range map[string]string{"client_secret": "^emc_cs_[0-9A-Za-z_-]{49}$", "registration_access_token": "^emc_rat_[0-9A-Za-z_-]{49}$"} {
			require.Regexp(b.t, secret, got[name])
			delete(got, name)
		}
		delete(got, "client_id")
		want := map[string]any{
			"client_id_issued_at": float64(b.env.Clock.Now().Unix()), "redirect_uris": []any{"http://localhost/callback", "https://claude.ai/cb", "cursor://anysphere.cursor-mcp/cb"},
			"client_name": "Claude", "client_uri": "https://claude.ai", "application_type": "web", "token_endpoint_auth_method": "client_secret_basic",
			"client_secret_expires_at": float64(0), "registration_client_uri": tn.issuer + "/register/" + id,
			"grant_types": []any{"authorization_code", "refresh_token"}, "response_types": []any{"code"}, "scope": "mcp offline_access", "software_id": "s1", "software_version": "1.0",
		}
		require.Equal(b.t, want, got, "what is stored")
		require.Equal(b.t, int64(1), tn.count("clients", "kind = ?", "dcr"))
		require.Equal(b.t, int64(0), tn.count("clients", "id = ?", "cli_mine"))
		require.Equal(b.t, int64(1), tn.count("audit_events", "action = ? AND target_kind = ? AND target_id = ? AND after = ?", "client.register", "client", id,
			`{"name":"Claude","redirect_uris":["http://localhost/callback","https://claude.ai/cb","cursor://anysphere.cursor-mcp/cb"]}`))

		minimal := tn.register(`{"redirect_uris":["http://127.0.0.1/"],"scope":"","client_name":""}`)
		require.Equal(b.t, 201, minimal.status, minimal.body)
		require.NotContains(b.t, minimal.body, "client_name")
		require.NotContains(b.t, minimal.body, "client_secret", "an empty one would make some libraries send it")
	})
}

func TestRegistrationRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		for body, want := range map[string]string{
			``: "invalid_client_metadata", `{`: "invalid_client_metadata", `[]`: "invalid_client_metadata", `"x"`: "invalid_client_metadata",
			`{"redirect_uris":["http://localhost/"]}{}`: "invalid_client_metadata", `{"redirect_uris":["http://localhost/"],"redirect_uris":["http://localhost/"]}`: "invalid_client_metadata",
			`{"redirect_uris":"http://localhost/"}`: "invalid_client_metadata", `{"redirect_uris":["http://localhost/"],"client_name":{"a":1}}`: "invalid_client_metadata",
			"{\"redirect_uris\":[\"http://localhost/\"],\"client_name\":\"\xff\"}": "invalid_client_metadata",
			`{}`: "invalid_redirect_uri", `null`: "invalid_redirect_uri", `{"redirect_uris":[]}`: "invalid_redirect_uri", `{"redirect_uris":null}`: "invalid_redirect_uri",
			`{"redirect_uris":["javascript:alert(1)"]}`: "invalid_redirect_uri", `{"redirect_uris":["data:text/html,x","vbscript:x","file:///x","http://x.example/"]}`: "invalid_redirect_uri",
			`{"redirect_uris":[` + strings.Repeat(`"http://localhost/",`, 10) + `"http://localhost/"]}`: "invalid_redirect_uri",
		} {
			p := tn.register(body)
			require.Equal(b.t, 400, p.status, "%s: %s", body, p.body)
			require.Contains(b.t, p.body, `"`+want+`"`, body)
			require.Equal(b.t, "no-store", p.header.Get("Cache-Control"))
		}
		large := tn.register(`{"redirect_uris":["http://localhost/"],"x":"` + strings.Repeat("x", 70_000) + `"}`)
		require.Equal(b.t, 413, large.status)
		form := tn.browser().request("POST", "/register", `{"redirect_uris":["http://localhost/"]}`, "Content-Type", "text/plain")
		require.Equal(b.t, 400, form.status, "a page's plain form cannot register")
		require.Equal(b.t, int64(0), tn.count("clients", "kind = ?", "dcr"))
		require.Equal(b.t, int64(0), tn.count("audit_events", "action = ?", "client.register"))
	})
}

func TestC1RegistrationLimits(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		from := netip.MustParseAddr("2001:db8::1")
		b.clientIP = func(*http.Request) netip.Addr { return from }
		const good = `{"redirect_uris":["http://localhost/"]}`
		for range 120 {
			require.Equal(b.t, 201, tn.register(good).status)
		}
		from = netip.MustParseAddr("2001:db8::ffff:2") // the same customer
		p := tn.register(good)
		require.Equal(b.t, 429, p.status)
		require.Equal(b.t, "3600", p.header.Get("Retry-After"))
		require.Contains(b.t, p.body, `"temporarily_unavailable"`)
		require.Equal(b.t, 201, b.tenant("other").register(good).status, "another workspace is not touched")
		from = netip.MustParseAddr("2001:db8:0:1::1")
		require.Equal(b.t, 201, tn.register(good).status, "nor is another address")
		from = netip.MustParseAddr("2001:db8::1")
		b.env.Clock.Advance(time.Hour)
		require.Equal(b.t, 201, tn.register(good).status)
	})
}

func TestC1UnusedClientsAreBounded(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		a.tokens(tn.browser())
		tn.write(func(tx *tenancy.Tx) error {
			rows := make([]clientRow, 10_000)
			for i := range rows {
				rows[i] = clientRow{TenantID: tx.Tenant(), ID: ids.New("cli"), Kind: "dcr", RedirectURIs: "[]", ApplicationType: "native", Name: fmt.Sprint(i), CreatedAt: tx.Now()}
			}
			return tx.DB().CreateInBatches(rows, 1000).Error
		})
		p := tn.register(`{"redirect_uris":["http://localhost/"]}`)
		require.Equal(b.t, 429, p.status, p.body)
		a.tokens(tn.browser()) // who has a client goes on

		b.env.Clock.Advance(time.Hour + time.Second)
		require.Equal(b.t, 201, tn.register(`{"redirect_uris":["http://localhost/"]}`).status, "the oldest make room")
		require.Less(b.t, tn.count("clients", "kind = ?", "dcr"), int64(10_000))
		a.tokens(tn.browser())

		b.env.Clock.Advance(7*24*time.Hour + time.Second)
		require.NoError(b.t, b.server.Sweep(b.t.Context()))
		require.Equal(b.t, int64(1), tn.count("clients", "kind = ?", "dcr"), "a used client stays")
		require.Equal(b.t, 201, tn.register(`{"redirect_uris":["http://localhost/"]}`).status)
	})
}
