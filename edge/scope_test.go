package edge_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/edge/snapshot"
)

// claim publishes acme's runtime with scopes: search needs read, lend write, burn
// danger; any is what opens the rest.
func (b *bundle) claim(anyTool string) {
	b.t.Helper()
	id := b.acme.Edges[slug].ID
	tools := func(scope, tool string) []authz.Tool {
		out := []authz.Tool{{UpstreamID: id, Name: tool}}
		if scope == anyTool {
			out = append(out, authz.Tool{UpstreamID: id, Name: authz.AnyTool})
		}
		return out
	}
	c, err := authz.NewCatalogue([]authz.Scope{
		{Name: "read", Initial: true, Tools: tools("read", "search")},
		{Name: "write", Includes: authz.Scopes{"read"}, Tools: tools("write", "lend")},
		{Name: "danger", Includes: authz.Scopes{"write"}, Tools: tools("danger", "burn")},
	})
	require.NoError(b.t, err)
	next := *b.acme.Edges[slug]
	next.Initial, next.Gate = c.At(id).Initial()[1:], c.Gate(id)
	b.publish(func(t *snapshot.Tenant) { t.Edges = map[string]*snapshot.Edge{slug: &next} })
}

func calling(id, tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":{}}}`, id, tool)
}

// modern is a call as 2026-07-28 has it.
func modern(tool string) (body string, headers []string) {
	body = strings.Replace(calling(`"s-1"`, tool), `"arguments":{}`, `"arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`, 1)
	return body, []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", tool}
}

func (b *bundle) as(scope string) string {
	return "Bearer " + b.token(b.acme, func(c claims) { c["scope"] = scope })
}

// TestRS5RS6_TheFirstChallengeAndTheMetadataNameTheInitialScopes: not the whole catalogue.
func TestRS5RS6_TheFirstChallengeAndTheMetadataNameTheInitialScopes(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	b.claim("")
	resp, _ := b.do(b.request("POST", ping, "Authorization", ""))
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	require.Equal(t, fmt.Sprintf(`Bearer resource_metadata="%s", scope="mcp read"`, b.acme.Edges[slug].MetadataURL), resp.Header.Get("WWW-Authenticate"))
	resp, _ = b.do(b.request("POST", ping, "Authorization", "Bearer x.y.z"))
	require.Contains(t, resp.Header.Get("WWW-Authenticate"), `scope="mcp read", error="invalid_token"`)

	req := b.request("GET", "", "Authorization", "")
	req.URL.Path = "/.well-known/oauth-protected-resource/crm/mcp"
	_, body := b.do(req)
	require.Contains(t, body, `"scopes_supported":["mcp","read"]`)
}

// TestRS12_InsufficientScope: 403, the challenge, a JSON-RPC error with the request's
// id, and a line in the log that says what was needed.
func TestRS12_InsufficientScope(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	b.claim("")
	resp, body := b.do(b.request("POST", calling("7", "burn"), "Authorization", b.as("mcp read")))
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Equal(t, []string{fmt.Sprintf(`Bearer resource_metadata="%s", scope="mcp danger read", error="insufficient_scope", error_description="the tool burn needs the scope danger"`,
		b.acme.Edges[slug].MetadataURL)}, resp.Header["Www-Authenticate"])
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	require.JSONEq(t, `{"jsonrpc":"2.0","id":7,"error":{"code":403,"message":"More access is needed: the tool burn needs the scope danger. Connect again and allow it: mcp danger."}}`, body)
	last := b.events.list()[len(b.events.list())-1]
	require.Equal(t, "insufficient_scope:mcp danger", last.Reason)
	require.Equal(t, "burn", last.Name)
	require.Equal(t, "acc_ada", last.Subject)
	require.Equal(t, http.StatusForbidden, last.Status)

	resp, _ = b.do(b.request("POST", calling("8", "burn\", scope=\"é"), "Authorization", b.as("mcp")))
	require.Equal(t, http.StatusOK, resp.StatusCode, "a tool that nobody claims")
	b.claim("danger")
	resp, _ = b.do(b.request("POST", calling("8", "burn\", scope=\"é"), "Authorization", b.as("mcp")))
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "a tool that nobody has heard of, where one scope opens the rest")
	require.Contains(t, resp.Header.Get("WWW-Authenticate"), `error_description="the tool burn', scope='`)
	require.NotRegexp(t, `[^ -~]`, resp.Header.Get("WWW-Authenticate"))
}

// TestRS13_WhatAChallengeNames: since 2026-07-28 what the operation needs, before that
// also what was granted, because older clients replace it.
func TestRS13_WhatAChallengeNames(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	b.claim("")
	scopeOf := func(resp *http.Response) string {
		_, after, _ := strings.Cut(resp.Header.Get("WWW-Authenticate"), `scope="`)
		scope, _, _ := strings.Cut(after, `"`)
		return scope
	}
	for _, version := range []string{"", "2025-03-26", "2025-06-18", "2025-11-25"} {
		resp, _ := b.do(b.request("POST", calling("1", "lend"), "Authorization", b.as("mcp read extra offline_access"), "Mcp-Protocol-Version", version))
		require.Equal(t, "mcp write read extra offline_access", scopeOf(resp), version)
	}
	body, headers := modern("lend")
	resp, answer := b.do(b.request("POST", body, append(headers, "Authorization", b.as("mcp read extra offline_access"))...))
	require.Equal(t, http.StatusForbidden, resp.StatusCode)
	require.Equal(t, "mcp write", scopeOf(resp))
	require.Contains(t, answer, `"id":"s-1"`)

	resp, _ = b.do(b.request("POST", ping, "Authorization", b.as("other")))
	require.Equal(t, http.StatusForbidden, resp.StatusCode, "without the base nothing is open")
	require.Equal(t, "mcp other", scopeOf(resp))
	require.Equal(t, "insufficient_scope:mcp", b.events.list()[len(b.events.list())-1].Reason)
}

// TestRS14_AScopeThatIncludesAnotherOpensItsTools, and a batch is judged whole.
func TestRS14_AScopeThatIncludesAnotherOpensItsTools(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	b.claim("")
	batch := "[" + calling("1", "search") + "," + calling("2", "burn") + "," + calling("3", "lend") + "," + calling("4", "lend") + "]"
	notification := `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"burn"}}`
	for _, row := range []struct {
		scope, body, needs string
	}{
		{"mcp danger", calling("1", "search"), ""},
		{"mcp write", calling("1", "search"), ""},
		{"mcp write", calling("1", "burn"), "mcp danger"},
		{"mcp", calling("1", "search"), "mcp read"},
		{"mcp", calling("1", "nobody's"), ""},
		{"mcp", ping, ""},
		{"mcp", `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"burn"}}`, ""},
		{"mcp", notification, "mcp danger"},
		{"mcp danger", notification, ""},
		{"mcp danger", batch, ""},
		{"mcp read", batch, "mcp danger write"},
		{"mcp write", batch, "mcp danger"},
		{"mcp", "[" + ping + "]", ""},
	} {
		before := len(b.events.list())
		resp, body := b.do(b.request("POST", row.body, "Authorization", b.as(row.scope)))
		last := b.events.wait(t, before+1)[before]
		if row.needs == "" {
			require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s: %s", row.scope, row.body, body)
			continue
		}
		require.Equal(t, http.StatusForbidden, resp.StatusCode, "%s: %s", row.scope, row.body)
		require.Equal(t, "insufficient_scope:"+row.needs, last.Reason)
		if strings.HasPrefix(row.body, "[") || row.body == notification {
			require.Contains(t, body, `"id":null`)
		}
	}
}
