package edge_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/usage/event"
)

const (
	declaresURL  = `"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"url":{}}}`
	declaresForm = `"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}`
	initURL      = `{"jsonrpc":"2.0","id":"i-1","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"form":{},"url":{}}},"clientInfo":{"name":"t","version":"1"}}}`
)

// modernCall is a call of 2026-07-28 with further members of _meta and of params.
func modernCall(id, meta, params string) string {
	return `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},` +
		meta + `},"name":"echo","arguments":{"text":"hi"}` + params + `}}`
}

func (b *bundle) modern(body, name string) *http.Request {
	method := "tools/call"
	switch {
	case strings.Contains(body, `"prompts/get"`):
		method = "prompts/get"
	case strings.Contains(body, `"resources/read"`):
		method = "resources/read"
	case strings.Contains(body, `"tools/list"`):
		return b.request("POST", body, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/list")
	}
	return b.request("POST", body, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method, "Mcp-Name", name)
}

// TestAskModern: 2026-07-28 with url in the request's own capabilities.
func TestAskModern(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := withGrants(t, runtime, &grants{}, nil)
	for method, body := range map[string]string{
		"tools/call":     modernCall("7", declaresURL, ""),
		"prompts/get":    strings.ReplaceAll(modernCall("7", declaresURL, ""), "tools/call", "prompts/get"),
		"resources/read": strings.ReplaceAll(strings.ReplaceAll(modernCall("7", declaresURL, ""), "tools/call", "resources/read"), `"name":"echo"`, `"uri":"echo"`),
	} {
		resp, got := b.do(b.modern(body, "echo"))
		require.Equal(t, http.StatusOK, resp.StatusCode, got)
		require.Equal(t, jsonType, resp.Header.Get("Content-Type"))
		a := read(t, got)
		require.InDelta(t, 7, a.ID, 0, method)
		require.Equal(t, "input_required", a.Result.ResultType, method)
		question := a.Result.InputRequests["emcy-connect"]
		require.Len(t, a.Result.InputRequests, 1)
		require.Equal(t, "elicitation/create", question.Method)
		require.Equal(t, map[string]string{
			"mode": "url", "url": "http://acme.test/connect/link-1", "message": "This needs your account at Todo, which is not connected yet. Open the page to go on.",
		}, question.Params, "no elicitationId since 2026-07-28")
		require.True(t, strings.HasPrefix(a.Result.RequestState, "emcy-connect."))
		require.NotContains(t, a.Result.RequestState, "ada")
	}
	require.Empty(t, runtime.requests())
	e := b.events.list()[0]
	require.Equal(t, []any{"needs_connect:not_connected", event.Denied, 200}, []any{e.Reason, e.Outcome, e.Status})
}

// TestAskLegacy: 2025-11-25 with url in initialize, which the session's id remembers.
func TestAskLegacy(t *testing.T) {
	t.Parallel()
	runtime := sessions(theirs)
	b := withGrants(t, runtime, &grants{}, nil)
	session := func(initialize string) string {
		resp, _ := b.do(b.request("POST", initialize))
		return resp.Header.Get("Mcp-Session-Id")
	}
	can, cannot := session(initURL), session(strings.Replace(initURL, `,"url":{}`, "", 1))
	ask := func(session, version, message string) answered {
		resp, body := b.do(b.request("POST", message, "Mcp-Session-Id", session, "Mcp-Protocol-Version", version))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		return read(t, body)
	}
	a := ask(can, "2025-11-25", toolCall)
	require.Equal(t, -32042, a.Error.Code)
	require.Len(t, a.Error.Data.Elicitations, 1)
	first := a.Error.Data.Elicitations[0]
	require.NotEmpty(t, first["elicitationId"])
	id := first["elicitationId"]
	delete(first, "elicitationId")
	require.Equal(t, map[string]string{"mode": "url", "url": "http://acme.test/connect/link-1", "message": "This needs your account at Todo, which is not connected yet."}, first)
	again := ask(can, "2025-11-25", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"a:b"}}`)
	require.Equal(t, -32042, again.Error.Code, "every request may be answered with it")
	require.NotEqual(t, id, again.Error.Data.Elicitations[0]["elicitationId"])

	for name, a := range map[string]answered{
		"not declared":          ask(cannot, "2025-11-25", toolCall),
		"an older version":      ask(can, "2025-06-18", toolCall),
		"no version":            ask(can, "", toolCall),
		"another client's id":   ask(b.sealed(theirs), "2025-11-25", toolCall),
		"no session, no memory": ask("", "2025-11-25", toolCall),
	} {
		require.True(t, a.Result.IsError, name)
		require.Contains(t, a.Result.Content[0].Text, "/connect/link-", name)
	}

	// The runtime may go on under another id, and what was sealed before there was a mark opens as ever.
	runtime.header.Set("Mcp-Session-Id", "another")
	resp, _ := b.do(b.request("POST", ping, "Mcp-Session-Id", can, "Mcp-Protocol-Version", "2025-11-25"))
	require.Equal(t, theirs, runtime.last().Get("Mcp-Session-Id"), "without the mark")
	require.Equal(t, -32042, ask(resp.Header.Get("Mcp-Session-Id"), "2025-11-25", toolCall).Error.Code)
}

// TestAskInWords: for everybody else, readable by a model and a person.
func TestAskInWords(t *testing.T) {
	t.Parallel()
	g := &grants{}
	b := withGrants(t, echoPong(), g, nil)
	const words = "This needs your account at Todo, which is not connected yet. Open this link in a browser, then ask for the same thing again: http://acme.test/connect/link-1" +
		"\nThe link is for the person who is signed in to this client. It works once, for ten minutes."
	for name, req := range map[string]*http.Request{
		"an old client":           b.request("POST", toolCall, "Mcp-Protocol-Version", "2025-06-18"),
		"a modern one, form only": b.modern(modernCall("7", declaresForm, ""), "echo"),
		"a modern one, nothing":   b.modern(modernCall("7", `"x":1`, ""), "echo"),
		"url is not an object":    b.modern(modernCall("7", strings.Replace(declaresURL, "{}", "true", 1), ""), "echo"),
		"another spelling of url": b.modern(modernCall("7", strings.Replace(declaresURL, `"url"`, `"URL"`, 1), ""), "echo"),
	} {
		resp, body := b.do(req)
		require.Equal(t, http.StatusOK, resp.StatusCode, name)
		a := read(t, body)
		require.True(t, a.Result.IsError, name)
		require.Equal(t, words, a.Result.Content[0].Text, name)
		require.Equal(t, strings.Contains(name, "old"), a.Result.ResultType == "", "the type of a result is 2026-07-28's: "+name)
	}
	_, body := b.do(b.request("POST", `{"jsonrpc":"2.0","id":"x","method":"resources/read","params":{"uri":"a:b"}}`))
	a := read(t, body)
	require.Equal(t, "x", a.ID)
	require.Equal(t, 401, a.Error.Code)
	require.Equal(t, words, a.Error.Message)

	_, body = b.do(b.request("POST", `[`+toolCall+`,{"jsonrpc":"2.0","id":8,"method":"tools/list"},{"jsonrpc":"2.0","method":"notifications/initialized"}]`))
	require.True(t, strings.HasPrefix(body, `[{"jsonrpc":"2.0","id":7,"result":`) && strings.HasSuffix(body, "}]"), body)
	require.Contains(t, body, `,{"jsonrpc":"2.0","id":8,"error":{"code":401`)
	require.Equal(t, 2, strings.Count(body, "link-1"))
	require.Len(t, g.links, 1, "one link for all that comes at once")
}

// TestWordsForEachReason: and for each kind of profile.
func TestWordsForEachReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   string
		reason edge.Reason
		scopes []string
		want   string
	}{
		{snapshot.KindOAuth, edge.NotConnected, nil, "This needs your account at Todo, which is not connected yet."},
		{snapshot.KindOAuth, edge.Ended, nil, "Your connection to Todo has ended. It has to be made again."},
		{snapshot.KindOAuth, edge.MoreScopes, []string{"a", "b"}, "This needs more access to your account at Todo than you have allowed so far: a, b."},
		{snapshot.KindOAuth, edge.MoreScopes, nil, "This needs more access to your account at Todo than you have allowed so far."},
		{snapshot.KindOAuth, edge.MoreScopes, strings.Fields("1 2 3 4 5 6 7 8 9"), "so far: 1, 2, 3, 4, 5, 6, 7, 8 and others."},
		{snapshot.KindAPIKey, edge.NotConnected, nil, "This needs your key for Todo, which is not there yet."},
		{snapshot.KindAPIKey, edge.Ended, nil, "Your key for Todo is not accepted any more. It has to be entered again."},
		{snapshot.KindExchange, edge.Ended, nil, "Todo refuses your access. Only whoever runs this MCP server can change that."},
	} {
		g := &grants{err: &edge.NeedsConnect{Profile: "Todo", Reason: c.reason, Scopes: c.scopes}}
		b := withGrants(t, echoPong(), g, func(e *snapshot.Edge) { e.Downstream.Kind = c.kind })
		_, body := b.do(b.request("POST", toolCall))
		a := read(t, body)
		require.Contains(t, a.Result.Content[0].Text, c.want)
		require.Equal(t, c.kind == snapshot.KindExchange, len(g.links) == 0)
	}
}

// TestLinks: one for what comes at once, another for another person or need, and a page where there is none.
func TestLinks(t *testing.T) {
	t.Parallel()
	g := &grants{}
	b := withGrants(t, echoPong(), g, nil)
	ask := func(tool string, changes ...func(claims)) string {
		_, body := b.do(b.request("POST", strings.ReplaceAll(toolCall, "echo", tool), "Authorization", b.tokenOf(changes...)))
		_, link, _ := strings.Cut(read(t, body).Result.Content[0].Text, "again: ")
		link, _, _ = strings.Cut(link, "\n")
		return link
	}
	first := ask("echo")
	require.Equal(t, first, ask("echo"))
	require.Equal(t, first, ask("other"), "the same scopes")
	require.NotEqual(t, first, ask("write"))
	require.NotEqual(t, first, ask("echo", set("sub", "acc_bob")))
	require.NotEqual(t, first, ask("echo", set("client_id", "cli_2")))
	b.clock.Advance(31 * time.Second)
	require.Equal(t, first, ask("echo"))
	b.clock.Advance(31 * time.Second)
	require.NotEqual(t, first, ask("echo"), "it may have been opened meanwhile")

	// A person gets so many new ones in a while, and then the page.
	for i := range 40 {
		ask("echo", set("client_id", fmt.Sprint("cli_", i)))
	}
	require.Equal(t, b.server.URL+"/me/apps", ask("echo", set("client_id", "cli_x")))
	made := len(g.links)
	require.Less(t, made, 20)
	require.NotEqual(t, b.server.URL+"/me/apps", ask("echo", set("sub", "acc_eve")), "others still do")

	b.clock.Advance(2 * time.Minute)
	g.set(func(g *grants) { g.noLink = errors.New("canary") })
	require.Equal(t, b.server.URL+"/me/apps", ask("echo"))
	g.set(func(g *grants) { g.noLink = nil })
	require.Contains(t, ask("echo"), "/connect/link-", "a failure is not remembered")
}
