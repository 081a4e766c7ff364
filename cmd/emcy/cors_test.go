package main

import (
	"cmp"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/feed"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/ui/assets"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

const corsGolden = "testdata/cors.golden.txt"

type unrecorded struct{}

func (unrecorded) Record(event.Event) {}

// TestCORS is security.md's row B15: which pages may call which route of a tenant's
// origin, and what they may read, with the authorization server behind the edge as
// the gateway wires it.
func TestCORS(t *testing.T) {
	t.Parallel()
	runtime := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Mcp-Session-Id", "s-1")
		w.Header().Set("Access-Control-Allow-Credentials", "true") // a runtime has no say in this
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":{}}`))
	}))
	t.Cleanup(runtime.Close)
	handler, token := wired(t, runtime.URL)

	const body = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
	bearer := "Bearer " + token
	routes := []struct {
		method, path, body string
		header             []string
	}{
		{"POST", "/files/mcp", body, []string{"Authorization", bearer, "Content-Type", "application/json"}},
		{"POST", "/files/mcp", body, []string{"Content-Type", "application/json"}},
		{"POST", "/files/mcp", "{", []string{"Authorization", bearer, "Content-Type", "application/json"}},
		{"GET", "/files/mcp", "", []string{"Authorization", bearer}},
		{"DELETE", "/files/mcp", "", []string{"Authorization", bearer, "Mcp-Session-Id", "made-up"}},
		{"PUT", "/files/mcp", "", []string{"Authorization", bearer}},
		{"POST", "/nothing/mcp", body, nil},
		{"GET", "/files/mcp/", "", nil},
		{"GET", "/files/../files/mcp", "", nil},
		{"GET", "/.well-known/oauth-protected-resource/files/mcp", "", nil},
		{"GET", "/.well-known/oauth-protected-resource", "", nil},
		{"GET", "/.well-known/oauth-authorization-server", "", nil},
		{"GET", "/.well-known/openid-configuration/files/mcp", "", nil},
		{"GET", "/.well-known/nothing", "", nil},
		{"GET", "/jwks", "", nil},
		{"POST", "/register", "{}", []string{"Content-Type", "application/json"}},
		{"POST", "/token", "grant_type=authorization_code", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"POST", "/revoke", "token=x", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"GET", "/authorize?client_id=x", "", nil},
		{"GET", "/sign-in", "", nil},
		{"POST", "/sign-in", "", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"GET", "/consent", "", nil},
		{"POST", "/consent", "", []string{"Content-Type", "application/x-www-form-urlencoded"}},
		{"GET", "/", "", nil},
	}
	origins := []string{"", "https://alpha.mcp.test", "http://localhost:6274", "https://playground.test", "https://evil.test", "null"}

	send := func(method, path, body, origin string, header ...string) http.Header {
		req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		req.Host = "alpha.mcp.test"
		if body == "" {
			req.Body, req.ContentLength = http.NoBody, 0
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		h := w.Result().Header
		h.Set(":status", fmt.Sprint(w.Code))
		require.Empty(t, h.Values("Access-Control-Allow-Credentials"), "%s %s", method, path)
		return h
	}
	const (
		asked   = "authorization,content-type,last-event-id,mcp-method,mcp-name,mcp-param-region,mcp-protocol-version,mcp-session-id"
		exposed = "www-authenticate, mcp-session-id, mcp-protocol-version, retry-after, x-request-id"
	)
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, "asked = %s\nexposed = %s\n", asked, exposed)
	for _, route := range routes {
		_, _ = fmt.Fprintf(&out, "%s %s%s\n", route.method, route.path, map[bool]string{true: " (with a token)"}[len(route.header) > 0 && route.header[0] == "Authorization"])
		for _, origin := range origins {
			got := send(route.method, route.path, route.body, origin, route.header...)
			pre := send(http.MethodOptions, route.path, "", origin, "Access-Control-Request-Method", route.method, "Access-Control-Request-Headers", asked)
			line := fmt.Sprintf("  %-24s allow=%s expose=%s | preflight allow=%s methods=%s headers=%s", cmp.Or(origin, "(none)"),
				cmp.Or(got.Get("Access-Control-Allow-Origin"), "-"), cmp.Or(got.Get("Access-Control-Expose-Headers"), "-"),
				cmp.Or(pre.Get("Access-Control-Allow-Origin"), "-"), cmp.Or(pre.Get("Access-Control-Allow-Methods"), "-"), cmp.Or(pre.Get("Access-Control-Allow-Headers"), "-"))
			line = strings.NewReplacer(asked, "asked", exposed, "exposed").Replace(line)
			if strings.HasSuffix(strings.Trim(route.path, "/"), "/mcp") { // the pages' own answers are another test's
				line += fmt.Sprintf(" | %s, preflight %s", got.Get(":status"), pre.Get(":status"))
			}
			_, _ = fmt.Fprintln(&out, line)
		}
	}
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755)) //nolint:gosec // for everybody to read
		require.NoError(t, os.WriteFile(corsGolden, []byte(out.String()), 0o600))
	}
	want, err := os.ReadFile(corsGolden)
	require.NoError(t, err)
	require.Equal(t, string(want), out.String(), "the CORS matrix changed: look at the difference, then run go test ./cmd/emcy -run CORS -update")
}

// wired is an edge at https://alpha.mcp.test with the runtime "files" and everything
// behind it, and a token for that runtime.
func wired(t *testing.T, target string) (http.Handler, string) {
	t.Helper()
	env := tenancytest.SQLite(t)
	quiet := slog.New(slog.DiscardHandler)
	queue, err := jobs.New(env.DB, quiet)
	require.NoError(t, err)
	ws := workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, keys.Create)
	as := server.New(server.Config{
		DB: env.DB, People: people{accounts.New(env.DB, accounts.DefaultCost)}, Resources: resources{}, Outbound: outbound.New(outbound.Config{AllowPrivate: true}), SignIn: outbound.Config{AllowPrivate: true}, Assets: assets.Handler(), AssetsPrefix: assets.Prefix,
		ClientIP: func(*http.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") }, Log: quiet,
	})
	client := outbound.New(outbound.Config{AllowPrivate: true})
	owner := tenancytest.Account(t, env, "ada@example.com")
	_, err = ws.Create(t.Context(), owner, "Alpha", "alpha")
	require.NoError(t, err)
	h, _, err := env.DB.ForMember(t.Context(), owner, "alpha")
	require.NoError(t, err)
	_, err = upstreams.New(env.DB, client, nil, as, queue).Create(t.Context(), h, upstreams.Input{Name: "Files", Slug: "files", URL: target})
	require.NoError(t, err)

	store := snapshot.NewStore()
	follow := feed.New(env.DB, ws, store, quiet)
	require.NoError(t, follow.Start(t.Context()))
	t.Cleanup(follow.Stop)
	pages, err := edge.ParsePages("loopback, https://playground.test")
	require.NoError(t, err)
	front, err := edge.New(edge.Config{
		Snapshots: store, Transport: client.Transport(outbound.TransportOptions{}), Recorder: unrecorded{}, Clock: env.Clock, Log: quiet, Pages: pages,
		Auth: func(w http.ResponseWriter, r *http.Request, tenant *snapshot.Tenant) { as.Serve(w, r, tenant.Issuer) },
	})
	require.NoError(t, err)
	return front.Handler("https"), accessToken(t, store.Load().ByID(h.Tenant()), h)
}

// accessToken is what the token endpoint would issue for the runtime.
func accessToken(t *testing.T, tenant *snapshot.Tenant, h tenancy.Handle) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: tenant.Signer.Key, KeyID: tenant.Signer.KID}}, (&jose.SignerOptions{}).WithType("at+jwt"))
	require.NoError(t, err)
	target := tenant.Edges["files"]
	require.NotNil(t, target, h.Tenant())
	token, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": tenant.Issuer, "sub": "acc_ada", "aud": target.Resource, "client_id": "cli_1", "scope": strings.Join(target.Scopes, " "),
		"jti": "jti_1", "fid": "fam_1", "iat": tenancytest.Start.Unix(), "exp": tenancytest.Start.Add(time.Hour).Unix(),
	}).Serialize()
	require.NoError(t, err)
	return token
}
