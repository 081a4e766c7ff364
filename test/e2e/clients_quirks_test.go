//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// TestQuirks is what clients that are no part of this suite do on the wire, such as
// Codex, Claude Code and the Gemini CLI, as raw requests.
func TestQuirks(t *testing.T) {
	t.Parallel()

	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()

			g := newGateway(t, db, freePorts(t, 2))
			up := upstream.Start(upstream.Config{})
			t.Cleanup(up.Close)
			ada := httpflow.NewPerson(g.Console, "Ada Lovelace", nil)
			require.NoError(t, ada.SignUp(t.Context()))
			require.NoError(t, ada.CreateWorkspace(t.Context(), "Acme Works", "acme"))
			runtime, err := ada.AddRuntime(t.Context(), "acme", httpflow.RuntimeForm{Name: "Todos", Slug: "todos", URL: up.URL()})
			require.NoError(t, err)
			c := connected(t, ada, runtime)
			for name, quirk := range map[string]func(*testing.T, *httpflow.Person, *httpflow.Client){
				"challenge":     quirkChallenge,
				"session":       quirkSession,
				"registration":  quirkRegistration,
				"authorization": quirkAuthorization,
				"refresh":       quirkRefresh,
				"revocation":    quirkRevocation,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					// A client of its own, so that none sees what another one does.
					own := httpflow.NewClient(c.MCPURL, nil)
					own.Server, own.Resource, own.Challenge = c.Server, c.Resource, c.Challenge
					quirk(t, ada, own)
				})
			}
		})
	}
}

// reply is an answer with its body read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// send sends a raw request; the header is of pairs.
func send(t *testing.T, method, address, body string, header ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return reply{res.StatusCode, res.Header, raw}
}

const (
	initialize = `{"jsonrpc":"2.0","id":"first","method":"initialize","params":` +
		`{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"quirks","version":"1"}}}`
	discover = `{"jsonrpc":"2.0","id":"probe-1","method":"server/discover","params":{"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
)

// Whatever the first request is, the answer is the same challenge.
func quirkChallenge(t *testing.T, _ *httpflow.Person, c *httpflow.Client) {
	for name, ask := range map[string]struct {
		method, body string
		header       []string
	}{
		"mcp-remote looks by GET":            {http.MethodGet, "", []string{"Accept", "*/*"}},
		"Codex looks by GET, of an old time": {http.MethodGet, "", []string{"Accept", "*/*", "MCP-Protocol-Version", "2024-11-05"}},
		"a stream":                           {http.MethodGet, "", []string{"Accept", "text/event-stream"}},
		"Gemini looks by HEAD":               {http.MethodHead, "", []string{"Accept", "*/*"}},
		"no Accept at all":                   {http.MethodGet, "", nil},
		"initialize":                         {http.MethodPost, initialize, []string{"Content-Type", "application/json"}},
		"Claude Code discovers":              {http.MethodPost, discover, []string{"Content-Type", "application/json", "MCP-Protocol-Version", "2026-07-28", "Mcp-Method", "server/discover"}},
		"ping":                               {http.MethodPost, `{"jsonrpc":"2.0","id":1,"method":"ping"}`, []string{"Content-Type", "application/json"}},
		"mcp-go ends without a token":        {http.MethodDelete, "", []string{"Mcp-Session-Id", "of long ago"}},
		"a token that is none":               {http.MethodPost, initialize, []string{"Content-Type", "application/json", "Authorization", "Bearer of no use"}},
	} {
		answer := send(t, ask.method, c.MCPURL, ask.body, ask.header...)
		require.Equal(t, http.StatusUnauthorized, answer.status, name)
		challenge := answer.header.Get("WWW-Authenticate")
		require.Contains(t, challenge, `Bearer `, name)
		require.Contains(t, challenge, `resource_metadata="`+c.Challenge.ResourceMetadata+`"`, name)
		require.Contains(t, challenge, `scope="`+c.Challenge.Scope+`"`, name)
		require.NotContains(t, challenge, "offline_access", name)
	}
}

// What sessions of older clients look like: no version, an old one, ids that are text.
func quirkSession(t *testing.T, ada *httpflow.Person, c *httpflow.Client) {
	login(t, ada, c)
	rpc := []string{
		"Authorization", "Bearer " + c.Tokens.AccessToken, "Content-Type", "application/json",
		"Accept", "application/json, text/event-stream",
	}
	hello := send(t, http.MethodPost, c.MCPURL, initialize, rpc...)
	require.Equal(t, http.StatusOK, hello.status, string(hello.body))
	require.Contains(t, string(hello.body), `"id":"first"`)
	session := hello.header.Get("Mcp-Session-Id")
	require.NotEmpty(t, session)
	rpc = append(rpc, "Mcp-Session-Id", session)
	require.Equal(t, http.StatusAccepted, send(t, http.MethodPost, c.MCPURL, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, rpc...).status)

	list := send(t, http.MethodPost, c.MCPURL, `{"jsonrpc":"2.0","id":"a-b-c","method":"tools/list"}`, rpc...)
	require.Equal(t, http.StatusOK, list.status, "Gemini never names a version: "+string(list.body))
	require.Contains(t, string(list.body), `"id":"a-b-c"`)
	require.Contains(t, string(list.body), `"whoami"`)
	call := send(t, http.MethodPost, c.MCPURL,
		`{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"},`+
			`"_meta":{"x-codex-turn-metadata":"`+strings.Repeat("m", 8<<10)+`"}}}`, append(rpc, "MCP-Protocol-Version", "2025-06-18")...)
	require.Equal(t, http.StatusOK, call.status, string(call.body))
	require.Contains(t, string(call.body), "hello")

	probe := send(t, http.MethodGet, c.MCPURL, "", "Authorization", "Bearer "+c.Tokens.AccessToken, "Accept", "*/*", "MCP-Protocol-Version", "2024-11-05")
	require.Less(t, probe.status, http.StatusInternalServerError, string(probe.body))
	require.NotEqual(t, http.StatusUnauthorized, probe.status, "Codex is logged in")

	require.Equal(t, http.StatusUnauthorized, send(t, http.MethodDelete, c.MCPURL, "", "Mcp-Session-Id", session).status)
	require.Equal(t, http.StatusOK, send(t, http.MethodPost, c.MCPURL, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, rpc...).status, "nobody ended the session")
	require.Less(t, send(t, http.MethodDelete, c.MCPURL, "", rpc...).status, 300)
	gone := send(t, http.MethodPost, c.MCPURL, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, rpc...)
	require.Equal(t, http.StatusNotFound, gone.status, "so that the client begins anew: "+string(gone.body))
}

// Registrations say more than the standard knows, and come three times for one login.
func quirkRegistration(t *testing.T, _ *httpflow.Person, c *httpflow.Client) {
	for _, more := range []string{
		`"resource":"` + c.MCPURL + `","scope":""`, // mcp-go
		`"client_uri":"https://example.com","software_id":"2e6dc280-f3c3-4e01-99a7-8181dbd1d23d","software_version":"0.15.1","application_type":"native","scope":"mcp offline_access"`, // mcp-remote
		`"scope":"mcp something else","contacts":[],"logo_uri":"https://example.com/logo.png","unheard_of":{"a":[1,null]}`,
	} {
		for range 3 {
			answer := send(t, http.MethodPost, c.Server.RegistrationEndpoint,
				`{"client_name":"Quirks","redirect_uris":["http://localhost:19876/mcp/oauth/callback","http://127.0.0.1:19876/mcp/oauth/callback"],`+
					`"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none",`+more+`}`,
				"Content-Type", "application/json")
			require.Equal(t, http.StatusCreated, answer.status, string(answer.body))
			require.Equal(t, "no-store", answer.header.Get("Cache-Control"))
			var client map[string]any
			require.NoError(t, json.Unmarshal(answer.body, &client))
			require.NotEmpty(t, client["client_id"])
			require.Equal(t, "none", client["token_endpoint_auth_method"])
			require.NotContains(t, client, "client_secret", "some send an empty one back")
		}
	}
}

// SDK 2 and its like ask for more than is needed, from whatever port is free.
func quirkAuthorization(t *testing.T, ada *httpflow.Person, c *httpflow.Client) {
	for _, ask := range []url.Values{
		{"scope": {c.Challenge.Scope + " offline_access"}, "prompt": {"consent"}},
		{"scope": nil}, // mcp-go
		{"scope": {c.Challenge.Scope + " offline_access read:everything"}},
	} {
		require.NoError(t, c.Register(t.Context()))
		c.RedirectURI = "http://127.0.0.1:54321/callback" // not the one that was registered
		address, err := url.Parse(c.AuthorizeURL())
		require.NoError(t, err)
		query := address.Query()
		for name, values := range ask {
			query[name] = values
		}
		address.RawQuery = query.Encode()
		callback, err := elsewhere(ada).Allow(t.Context(), address.String(), c.RedirectURI)
		require.NoError(t, err)
		require.NoError(t, c.Redeem(t.Context(), callback), "the port is of no account, and iss is there")
		require.Contains(t, strings.Fields(c.Tokens.Scope), c.Challenge.Scope)
		require.NotContains(t, c.Tokens.Scope, "everything")
		require.NoError(t, c.Initialize(t.Context()))
		c.SessionID, c.RedirectURI = "", "http://127.0.0.1:33418/callback"
	}
}

// No two clients refresh alike.
func quirkRefresh(t *testing.T, ada *httpflow.Person, c *httpflow.Client) {
	login(t, ada, c)
	for _, more := range []url.Values{
		{}, // the Go SDK
		{"resource": {c.Resource}},
		{"resource": {c.Resource}, "scope": {c.Challenge.Scope}},
		{"scope": {c.Challenge.Scope}},
	} {
		form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.Tokens.RefreshToken}, "client_id": {c.ClientID}}
		for name, values := range more {
			form[name] = values
		}
		answer := send(t, http.MethodPost, c.Server.TokenEndpoint, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(t, http.StatusOK, answer.status, string(answer.body))
		require.Equal(t, "no-store", answer.header.Get("Cache-Control"))
		before := c.Tokens
		require.NoError(t, json.NewDecoder(bytes.NewReader(answer.body)).Decode(&c.Tokens))
		require.NotEqual(t, before.RefreshToken, c.Tokens.RefreshToken)
		require.NoError(t, c.Initialize(t.Context()))
		c.SessionID = ""
	}
}

// Claude Code logs out by revoking both tokens, and looks for metadata at the root.
func quirkRevocation(t *testing.T, ada *httpflow.Person, c *httpflow.Client) {
	login(t, ada, c)
	root := send(t, http.MethodGet, c.Server.Issuer+"/.well-known/oauth-protected-resource", "")
	require.Less(t, root.status, http.StatusInternalServerError)
	require.NotContains(t, root.header.Get("Content-Type"), "html")
	for range 2 {
		for hint, token := range map[string]string{"refresh_token": c.Tokens.RefreshToken, "access_token": c.Tokens.AccessToken} {
			form := url.Values{"token": {token}, "token_type_hint": {hint}, "client_id": {c.ClientID}}
			answer := send(t, http.MethodPost, c.Server.RevocationEndpoint, form.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			require.Equal(t, http.StatusOK, answer.status, string(answer.body))
		}
	}
	var answer *httpflow.Answer
	require.ErrorAs(t, c.Refresh(t.Context()), &answer)
	require.Equal(t, "invalid_grant", answer.OAuthError())
	require.Eventually(t, func() bool {
		after := send(t, http.MethodPost, c.MCPURL, initialize, "Content-Type", "application/json", "Authorization", "Bearer "+c.Tokens.AccessToken)
		return after.status == http.StatusUnauthorized
	}, patience, patience/200, "the access token ends, too")
}

// login is a first login of a client that knows the server.
func login(t *testing.T, ada *httpflow.Person, c *httpflow.Client) {
	t.Helper()
	require.NoError(t, c.Register(t.Context()))
	callback, err := elsewhere(ada).Allow(t.Context(), c.AuthorizeURL(), c.RedirectURI)
	require.NoError(t, err)
	require.NoError(t, c.Redeem(t.Context(), callback))
}
