package edge_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/secret"
)

const (
	accessOfAda = "canary_downstream_of_ada"
	listTools   = `{"jsonrpc":"2.0","id":3,"method":"tools/list"}`
)

// grants has the access of people, by subject, as the gateway has it behind the edge.
type grants struct {
	mu      sync.Mutex
	tokens  map[string]edge.DownstreamToken
	scopes  map[string][]string
	renewed map[string]edge.DownstreamToken // what Suspect gives
	err     error                           // of Token, in the place of everything
	late    int                             // how often a subject's token is still missing
	asked   []edge.DownstreamQuery
	suspect int
	links   []edge.DownstreamQuery
	noLink  error
}

func (g *grants) Token(_ context.Context, q edge.DownstreamQuery) (edge.DownstreamToken, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, q)
	if g.err != nil {
		return edge.DownstreamToken{}, g.err
	}
	token, ok := g.tokens[q.Subject]
	if g.late > 0 {
		g.late--
		ok = false
	}
	if !ok {
		return edge.DownstreamToken{}, &edge.NeedsConnect{Profile: "Todo", Reason: edge.NotConnected}
	}
	lacking := slices.DeleteFunc(slices.Clone(q.Scopes), func(s string) bool { return slices.Contains(g.scopes[q.Subject], s) })
	if len(lacking) > 0 {
		return edge.DownstreamToken{}, &edge.NeedsConnect{Profile: "Todo", Reason: edge.MoreScopes, Scopes: lacking}
	}
	return token, nil
}

func (g *grants) Suspect(_ context.Context, q edge.DownstreamQuery, refused edge.DownstreamToken) (edge.DownstreamToken, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.suspect++
	if g.err != nil {
		return edge.DownstreamToken{}, g.err
	}
	if token, ok := g.renewed[q.Subject]; ok {
		g.tokens[q.Subject] = token
		return token, nil
	}
	return refused, nil
}

func (g *grants) Link(_ context.Context, q edge.DownstreamQuery) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.noLink != nil {
		return "", g.noLink
	}
	g.links = append(g.links, q)
	return fmt.Sprintf("http://acme.test/connect/link-%d", len(g.links)), nil
}

func (g *grants) set(change func(*grants)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(g)
}

func token(value string, generation int64) edge.DownstreamToken {
	return edge.DownstreamToken{Value: secret.New(value), GrantID: "grt_1", Generation: generation}
}

func ofAda() *grants {
	return &grants{
		tokens: map[string]edge.DownstreamToken{"acc_ada": token(accessOfAda, 1)}, scopes: map[string][]string{"acc_ada": {"todo:read"}},
		renewed: map[string]edge.DownstreamToken{},
	}
}

func todo() *snapshot.Downstream {
	return &snapshot.Downstream{
		ProfileID: "prf_1", ProfileName: "Todo", Kind: snapshot.KindOAuth, Need: snapshot.NeedCalls, Scopes: []string{"todo:read"},
		ToolScopes: map[string][]string{"write": {"todo:read", "todo:write"}}, Allowed: []string{"todo:read", "todo:write", "todo:share"},
	}
}

// withGrants is an edge whose runtime has a profile.
func withGrants(t testing.TB, runtime http.Handler, g edge.Downstreams, change func(*snapshot.Edge), options ...option) *bundle {
	t.Helper()
	b := setup(t, runtime, append(options, func(c *edge.Config) {
		c.Downstreams = g
		if c.Limits.ConnectWait == 0 {
			c.Limits.ConnectWait = 10 * time.Millisecond
		}
	})...)
	target := *b.acme.Edges[slug]
	target.Downstream = todo()
	if change != nil {
		change(&target)
	}
	b.acme.Edges = map[string]*snapshot.Edge{slug: &target}
	b.acme.States = envelope(t, "states of "+b.acme.ID, 1)
	b.store.Put(start, b.acme.ID, b.acme)
	return b
}

// answered reads a JSON-RPC answer.
type answered struct {
	ID     any `json:"id"`
	Result struct {
		ResultType string `json:"resultType"`
		IsError    bool   `json:"isError"`
		Content    []struct {
			Type, Text string
		} `json:"content"`
		InputRequests map[string]struct {
			Method string            `json:"method"`
			Params map[string]string `json:"params"`
		} `json:"inputRequests"`
		RequestState string `json:"requestState"`
	} `json:"result"`
	Error struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Data    struct {
			Elicitations []map[string]string `json:"elicitations"`
		} `json:"data"`
	} `json:"error"`
}

func read(t testing.TB, body string) answered {
	t.Helper()
	var a answered
	require.NoError(t, json.Unmarshal([]byte(body), &a), body)
	return a
}

// TestDownstreamTokenGoesAlong: with every request of its person, under the runtime's own name for it, and the
// client's copy of any name stays out.
func TestDownstreamTokenGoesAlong(t *testing.T) {
	t.Parallel()
	contract := func(change func(*snapshot.Contract)) *snapshot.Contract {
		c := snapshot.DefaultContract
		change(&c)
		return &c
	}
	for name, c := range map[string]struct {
		change func(*snapshot.Edge)
		want   map[string]string // a header and its value, "" for none
	}{
		"as documented": {nil, map[string]string{"X-Emcy-Upstream-Access-Token": accessOfAda, "X-Emcy-Worker-Secret": sharedKey, "Authorization": ""}},
		"as Bearer": {
			func(e *snapshot.Edge) { e.Contract = contract(func(c *snapshot.Contract) { c.Bearer = true }) },
			map[string]string{"Authorization": "Bearer " + accessOfAda, "X-Emcy-Upstream-Access-Token": "", "X-Emcy-Worker-Secret": sharedKey},
		},
		"as Bearer, over a static header": {
			func(e *snapshot.Edge) {
				e.Contract = contract(func(c *snapshot.Contract) { c.Bearer = true })
				e.Headers = []snapshot.Header{{Name: "Authorization", Value: secret.New("Basic static")}}
			},
			map[string]string{"Authorization": "Bearer " + accessOfAda},
		},
		"every name its own": {
			func(e *snapshot.Edge) {
				e.Contract = &snapshot.Contract{Secret: "X-Mcp-Key", Token: "X-Mcp-Token", Subject: "X-Mcp-User", Tenant: "X-Mcp-Org", Client: "X-Mcp-App", RequestID: "X-Mcp-Trace", Assertion: "X-Mcp-Signed"}
			},
			map[string]string{"X-Mcp-Token": accessOfAda, "X-Mcp-Key": sharedKey, "X-Mcp-User": "acc_ada", "X-Mcp-Org": "acme", "X-Mcp-App": "cli_1", "X-Emcy-Upstream-Access-Token": "", "X-Emcy-Worker-Secret": "", "X-Emcy-Subject": "", "X-Emcy-Assertion": ""},
		},
		"assertion only": {
			func(e *snapshot.Edge) {
				e.Contract = contract(func(c *snapshot.Contract) { c.AssertionOnly, c.Secret = true, "X-Mcp-Key" })
			},
			map[string]string{"X-Mcp-Key": "", "X-Emcy-Worker-Secret": "", "X-Emcy-Upstream-Access-Token": accessOfAda},
		},
		"a key": {
			func(e *snapshot.Edge) { e.Downstream.Kind, e.Downstream.Header = snapshot.KindAPIKey, "X-Mcp-Api-Key" },
			map[string]string{"X-Mcp-Api-Key": accessOfAda, "X-Emcy-Upstream-Access-Token": ""},
		},
		"a key with a format": {
			func(e *snapshot.Edge) {
				e.Downstream.Kind, e.Downstream.Header, e.Downstream.Format = snapshot.KindAPIKey, "authorization", "Token token={key}"
			},
			map[string]string{"Authorization": "Token token=" + accessOfAda},
		},
		"a key under a name of the contract": {
			func(e *snapshot.Edge) { e.Downstream.Header = "X-Emcy-Subject" },
			map[string]string{"X-Emcy-Subject": "acc_ada"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runtime := echoPong()
			b := withGrants(t, runtime, ofAda(), c.change)
			for _, r := range []struct{ method, body string }{{"POST", toolCall}, {"POST", listTools}, {"POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`}, {"GET", ""}} {
				req := b.request(r.method, r.body)
				for _, header := range []string{"X-Mcp-Key", "X-Mcp-Token", "X-Mcp-User", "X-Mcp-Org", "X-Mcp-App", "X-Mcp-Trace", "X-Mcp-Signed", "X-Mcp-Api-Key"} {
					if _, contract := c.want[header]; contract {
						req.Header.Set(header, "of the client")
					}
				}
				resp, body := b.do(req)
				require.Equal(t, http.StatusOK, resp.StatusCode, body)
				for header, want := range c.want {
					require.Equal(t, want, runtime.last().Get(header), "%s of %s %s", header, r.method, r.body)
					require.LessOrEqual(t, len(runtime.last().Values(header)), 1, header)
				}
				for header, values := range runtime.last() {
					require.NotContains(t, values, "of the client", header)
				}
			}
		})
	}
}

// TestTheClientsCopyIsNoKey: also where there is none to put in its place.
func TestTheClientsCopyIsNoKey(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := withGrants(t, runtime, &grants{}, func(e *snapshot.Edge) {
		e.Downstream.Kind, e.Downstream.Header, e.Downstream.Need = snapshot.KindAPIKey, "x-mcp-api-key", snapshot.NeedNothing
	})
	_, body := b.do(b.request("POST", toolCall, "X-Mcp-Api-Key", "of the client", "X-Mcp-Other", "theirs"))
	require.Equal(t, pong, body)
	require.Empty(t, runtime.last().Values("X-Mcp-Api-Key"))
	require.Equal(t, "theirs", runtime.last().Get("X-Mcp-Other"))
}

// TestRepeatedCredentialsStayIn: a runtime that answers with what it was sent tells the client nothing.
func TestRepeatedCredentialsStayIn(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	runtime.header = maps.Clone(runtime.header)
	for _, name := range []string{"Authorization", "X-Emcy-Upstream-Access-Token", "X-Token", "X-Key", "X-Api-Key"} {
		runtime.header[name] = []string{accessOfAda}
	}
	b := withGrants(t, runtime, ofAda(), func(e *snapshot.Edge) {
		c := snapshot.DefaultContract
		c.Token, c.Secret = "X-Token", "X-Key"
		e.Contract, e.Downstream.Header = &c, "x-api-key"
	})
	resp, _ := b.do(b.request("POST", toolCall))
	for name, values := range resp.Header {
		require.NotContains(t, values, accessOfAda, name)
	}
}

// TestWhatNeedsAToken: by the attachment's setting; what does not need it goes without.
func TestWhatNeedsAToken(t *testing.T) {
	t.Parallel()
	messages := map[string]string{
		"tools/call":     toolCall,
		"prompts/get":    `{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":"p"}}`,
		"resources/read": `{"jsonrpc":"2.0","id":3,"method":"resources/read","params":{"uri":"a:b"}}`,
		"tools/list":     listTools,
		"initialize":     initialize,
		"ping":           ping,
		"notification":   `{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		"response":       `{"jsonrpc":"2.0","id":3,"result":{}}`,
		"batch of lists": `[` + listTools + `]`,
		"batch of calls": `[` + listTools + `,` + toolCall + `]`,
	}
	calls := []string{"tools/call", "prompts/get", "resources/read", "batch of calls"}
	for need, needed := range map[snapshot.Need][]string{
		snapshot.NeedNothing:    nil,
		snapshot.NeedCalls:      calls,
		snapshot.NeedEverything: append(slices.Clone(calls), "tools/list", "initialize", "batch of lists"),
	} {
		t.Run(string(need), func(t *testing.T) {
			t.Parallel()
			runtime := echoPong()
			b := withGrants(t, runtime, &grants{}, func(e *snapshot.Edge) { e.Downstream.Need = need })
			for name, message := range messages {
				before := len(runtime.requests())
				resp, body := b.do(b.request("POST", message))
				require.Equal(t, http.StatusOK, resp.StatusCode)
				if slices.Contains(needed, name) {
					require.Contains(t, body, "http://acme.test/connect/link-", name)
					require.Len(t, runtime.requests(), before, name)
				} else {
					require.Equal(t, pong, body, name)
					require.Empty(t, runtime.last().Values("X-Emcy-Upstream-Access-Token"), name)
				}
			}
			resp, _ := b.do(b.request("GET", ""))
			require.Equal(t, http.StatusOK, resp.StatusCode)
		})
	}
}

// TestScopesOfACall: what is asked for is what the tool needs, and what is missing begins an incremental connect.
func TestScopesOfACall(t *testing.T) {
	t.Parallel()
	g := ofAda()
	b := withGrants(t, echoPong(), g, nil)
	_, body := b.do(b.request("POST", toolCall))
	require.Equal(t, pong, body)
	_, body = b.do(b.request("POST", listTools))
	require.Equal(t, pong, body)
	write := strings.ReplaceAll(toolCall, "echo", "write")
	_, body = b.do(b.request("POST", write))
	require.Contains(t, read(t, body).Result.Content[0].Text, "more access to your account at Todo than you have allowed so far: todo:write.")
	_, _ = b.do(b.request("POST", `[`+toolCall+`,`+write+`]`))
	var scopes [][]string
	for _, q := range g.asked {
		scopes = append(scopes, q.Scopes)
	}
	require.Equal(t, [][]string{{"todo:read"}, nil, {"todo:read", "todo:write"}, {"todo:read", "todo:write"}}, scopes)
	require.Equal(t, []edge.DownstreamQuery{{
		TenantID: "tnt_a", UpstreamID: "ups_acme", ProfileID: "prf_1", Subject: "acc_ada", Client: "cli_1", Scopes: []string{"todo:read", "todo:write"},
	}}, g.links)
	require.Equal(t, "needs_connect:more_scopes", b.events.list()[2].Reason)

	// A token that is exchanged is made for its scopes, whatever it is for.
	b.publish(func(t *snapshot.Tenant) {
		e := *t.Edges[slug]
		d := *e.Downstream
		d.Kind, d.Audience, e.Downstream = snapshot.KindExchange, "api", &d
		t.Edges = map[string]*snapshot.Edge{slug: &e}
	})
	_, _ = b.do(b.request("POST", listTools))
	require.Equal(t, []string{"todo:read"}, g.asked[len(g.asked)-1].Scopes)
	require.Equal(t, "api", g.asked[len(g.asked)-1].Audience)
}

// TestDownstreamFaults: what cannot be had is a fault of the moment, where it is needed, and its cause is the log's.
func TestDownstreamFaults(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	g := &grants{err: errors.New("canary of the database")}
	b := withGrants(t, runtime, g, nil)
	resp, body := b.do(b.request("POST", toolCall))
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.NotContains(t, body, "canary")
	require.Contains(t, body, `"id":7`)
	require.Empty(t, runtime.requests())
	e := b.events.list()[0]
	require.Equal(t, "downstream_unavailable", e.Reason)
	resp, body = b.do(b.request("POST", listTools))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, pong, body)

	for _, bad := range []string{"", "a\r\nX-Evil: 1", "a\x00b"} {
		g.set(func(g *grants) { g.err, g.tokens = nil, map[string]edge.DownstreamToken{"acc_ada": token(bad, 1)} })
		g.set(func(g *grants) { g.scopes = map[string][]string{"acc_ada": {"todo:read"}} })
		resp, _ = b.do(b.request("POST", toolCall))
		require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "%q", bad)
	}
}

// TestAGatewayWithoutGrants: a profile that nobody serves is a fault, not a call without a token.
func TestAGatewayWithoutGrants(t *testing.T) {
	t.Parallel()
	none := setup(t, echoPong())
	target := *none.acme.Edges[slug]
	target.Downstream = todo()
	none.publish(func(t *snapshot.Tenant) { t.Edges = map[string]*snapshot.Edge{slug: &target} })
	resp, _ := none.do(none.request("POST", toolCall))
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
}

// renewing has another answer to a refused token.
type renewing struct {
	*grants
	err error
}

func (r renewing) Suspect(context.Context, edge.DownstreamQuery, edge.DownstreamToken) (edge.DownstreamToken, error) {
	return edge.DownstreamToken{}, r.err
}
