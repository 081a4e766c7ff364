package edge_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/test/fakes/upstream"
	"github.com/emcy/gateway/usage/event"
)

// withToken adds the bearer to every request of the official client.
type withToken struct{ token string }

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+w.token)
	return http.DefaultTransport.RoundTrip(r)
}

// TestOfficialClient drives the official Go client through the edge to an official
// Go server, in both eras of the protocol.
func TestOfficialClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stateless bool
		version   string
	}{"2025-11-25 with a session": {false, "2025-11-25"}, "2026-07-28": {true, "2026-07-28"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runtime := upstream.Start(upstream.Config{Stateless: c.stateless, Secrets: []string{sharedKey}})
			t.Cleanup(runtime.Close)
			b := setup(t, echoPong())
			target, err := url.Parse(runtime.URL())
			require.NoError(t, err)
			real := *b.acme.Edges[slug]
			real.Upstream = target
			b.publish(func(t *snapshot.Tenant) { t.Edges = map[string]*snapshot.Edge{slug: &real} })

			var progress atomic.Int32
			token := b.token(b.acme)
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, &mcp.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, _ *mcp.ProgressNotificationClientRequest) { progress.Add(1) },
			})
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint: b.url(), HTTPClient: &http.Client{Transport: withToken{token}},
			}, nil)
			require.NoError(t, err)
			require.Equal(t, c.version, session.InitializeResult().ProtocolVersion)

			tools, err := session.ListTools(t.Context(), nil)
			require.NoError(t, err)
			require.Len(t, tools.Tools, 4)
			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}})
			require.NoError(t, err)
			require.False(t, result.IsError)
			require.Equal(t, []string{"hello"}, runtime.Calls())
			result, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			require.NoError(t, err)
			content, ok := result.Content[0].(*mcp.TextContent)
			require.True(t, ok)
			require.Contains(t, content.Text, `"subject":"acc_ada"`)
			require.Contains(t, content.Text, `"tenant":"acme"`)
			params := &mcp.CallToolParams{Name: "count", Arguments: map[string]any{"to": 5}}
			params.SetProgressToken("p")
			result, err = session.CallTool(t.Context(), params)
			require.NoError(t, err)
			require.False(t, result.IsError)
			require.Eventually(t, func() bool { return progress.Load() == 5 }, waitFor, tick)
			result, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "fail"})
			require.NoError(t, err)
			require.True(t, result.IsError)
			require.NoError(t, session.Close())

			require.NotContains(t, runtime.JSON(), token, "the client's token never reaches the runtime")
			names := map[string]bool{}
			require.Eventually(t, func() bool {
				for _, e := range b.events.list() {
					if e.Outcome == event.Success && e.Finished {
						names[strings.TrimSpace(e.Method+" "+e.Name)] = true
					}
					if e.HTTPMethod == http.MethodDelete {
						names["DELETE"] = true
					}
				}
				return names["tools/call count"] && names["tools/call fail"] && (c.stateless || names["DELETE"])
			}, waitFor, tick)
			for _, want := range []string{"tools/list", "tools/call echo", "tools/call whoami", "tools/call count", "tools/call fail"} {
				require.Contains(t, names, want)
			}
			require.Contains(t, names, "server/discover", "the client asks for the current era first")
			require.Equal(t, !c.stateless, names["initialize"])
		})
	}
}

// How long a condition may take, and how often it is looked at.
const (
	waitFor = 20 * time.Second
	tick    = 5 * time.Millisecond
)
