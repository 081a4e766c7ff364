package integration_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/upstreams"
)

// claim makes three scopes: talk opens echo and is asked for first, ask opens whoami
// and includes talk, break opens the rest.
func (b *bundle) claim(t *testing.T) {
	t.Helper()
	var runtime string
	require.NoError(t, b.env.DB.Read(t.Context(), b.handle, func(tx *tenancy.Tx) error {
		names, err := upstreams.Names(tx)
		if err == nil {
			runtime = names[0].ID
		}
		return err
	}))
	s := scopes.New(b.env.DB)
	for _, row := range []struct {
		scopes.Input
		tool string
	}{
		{scopes.Input{Name: "talk", Title: "Talk", Initial: true}, "echo"},
		{scopes.Input{Name: "ask", Title: "Ask", Includes: authz.Scopes{"talk"}}, "whoami"},
		{scopes.Input{Name: "break", Title: "Break"}, authz.AnyTool},
	} {
		require.NoError(t, s.Create(t.Context(), b.handle, row.Input))
		require.NoError(t, s.SetTools(t.Context(), b.handle, row.Name, "", runtime, []string{row.tool}))
	}
}

// tool calls a tool at a node and gives the status, the challenge's scope and the body.
func (b *bundle) tool(t *testing.T, n *node, token, name, version string) (status int, scope, body string) {
	t.Helper()
	params := map[string]any{"name": name, "arguments": map[string]any{"text": "hello"}}
	if version == "2026-07-28" {
		params["_meta"] = map[string]any{"io.modelcontextprotocol/protocolVersion": version}
	}
	message, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 41, "method": "tools/call", "params": params})
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.mcp(), bytes.NewReader(message))
	require.NoError(t, err)
	for header, value := range map[string]string{
		"Content-Type": "application/json", "Accept": "application/json, text/event-stream", "Authorization": "Bearer " + token,
		"MCP-Protocol-Version": version, "Mcp-Method": "tools/call", "Mcp-Name": name,
	} {
		r.Header.Set(header, value)
	}
	tr := b.transport(n)
	defer tr.CloseIdleConnections()
	res, err := (&http.Client{Transport: tr}).Do(r)
	require.NoError(t, err)
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	_, after, _ := strings.Cut(res.Header.Get("WWW-Authenticate"), `scope="`)
	scope, _, _ = strings.Cut(after, `"`)
	return res.StatusCode, scope, string(raw)
}

// everywhere waits until a call of the tool is answered so at every edge.
func (b *bundle) everywhere(t *testing.T, token, name string, status int) (scope string) {
	t.Helper()
	for _, n := range b.nodes {
		require.Eventually(t, func() bool {
			var got int
			got, scope, _ = b.tool(t, n, token, name, "2025-11-25")
			return got == status
		}, patience, 5*time.Millisecond, "%s answers %d", name, status)
	}
	return scope
}

// ask is a sign-in with a scope parameter.
func (a *app) ask(t *testing.T, scope string) *httpflow.Tokens {
	t.Helper()
	a.Challenge.Scope = scope
	got, err := a.Token(t.Context(), a.grant(t))
	require.NoError(t, err)
	return got
}

// TestAS28RS12_StepUp: from the first challenge over the 403 of a call that needs more to
// the call that passes, as a client does it that keeps what it had, as one that
// replaces it, and as one that asks for nothing.
func TestAS28RS12_StepUp(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.app(t)
		require.Equal(t, "mcp", a.Challenge.Scope)
		plain := a.ask(t, "mcp talk ask nothing")
		require.Equal(t, "mcp", plain.Scope, "excess is narrowed silently, and said")
		b.everywhere(t, plain.AccessToken, "whoami", http.StatusOK)

		b.claim(t)
		require.Equal(t, "mcp break", strings.TrimSuffix(b.everywhere(t, plain.AccessToken, "fail", http.StatusForbidden), " offline_access"))
		require.NoError(t, a.Discover(t.Context()))
		require.Equal(t, "mcp talk", a.Challenge.Scope, "the first challenge names the initial scopes")

		first := a.ask(t, a.Challenge.Scope)
		require.Equal(t, "mcp talk", first.Scope)
		b.everywhere(t, first.AccessToken, "echo", http.StatusOK)
		status, needs, body := b.tool(t, b.nodes[0], first.AccessToken, "whoami", "2026-07-28")
		require.Equal(t, http.StatusForbidden, status)
		require.Equal(t, "mcp ask", needs, "what the operation needs")
		require.Contains(t, body, `"id":41`)
		status, needs, _ = b.tool(t, b.nodes[0], first.AccessToken, "whoami", "2025-11-25")
		require.Equal(t, http.StatusForbidden, status)
		require.Equal(t, "mcp ask talk", needs, "and what was granted")

		union := a.ask(t, "mcp talk ask")
		require.Equal(t, "mcp talk ask", union.Scope)
		b.everywhere(t, union.AccessToken, "whoami", http.StatusOK)
		b.everywhere(t, union.AccessToken, "echo", http.StatusOK)
		b.everywhere(t, union.AccessToken, "fail", http.StatusForbidden)

		refreshed, err := a.Token(t.Context(), a.refreshForm(union.RefreshToken))
		require.NoError(t, err)
		require.Equal(t, "mcp talk ask", refreshed.Scope, "a refresh keeps what was granted")
		b.everywhere(t, refreshed.AccessToken, "whoami", http.StatusOK)

		other := b.app(t)
		narrow := other.ask(t, "ask")
		require.Equal(t, "mcp ask", narrow.Scope)
		b.everywhere(t, narrow.AccessToken, "echo", http.StatusOK)
		require.Equal(t, "mcp talk", b.app(t).ask(t, "").Scope, "who asks for nothing asks for the initial scopes")
		require.Equal(t, "mcp talk", b.app(t).ask(t, "openid profile").Scope)

		// Taking a scope away reaches living tokens at once.
		require.NoError(t, scopes.New(b.env.DB).Delete(t.Context(), b.handle, "talk"))
		b.everywhere(t, narrow.AccessToken, "echo", http.StatusForbidden)
	})
}

// TestMetadataNamesTheInitialScopes: clients ask for the whole list.
func TestMetadataNamesTheInitialScopes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.claim(t)
		a := b.app(t)
		tr := b.transport(b.nodes[0])
		defer tr.CloseIdleConnections()
		for path, want := range map[string]string{
			"/.well-known/oauth-authorization-server":           `"scopes_supported":["mcp","talk","offline_access"]`,
			"/.well-known/oauth-protected-resource/tickets/mcp": `"scopes_supported":["mcp","talk"]`,
		} {
			require.Eventually(t, func() bool {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.issuer+path, nil)
				require.NoError(t, err)
				res, err := (&http.Client{Transport: tr}).Do(r)
				require.NoError(t, err)
				raw, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				return strings.Contains(string(raw), want)
			}, patience, 5*time.Millisecond, path)
		}
		require.NoError(t, a.Discover(t.Context()))
	})
}
