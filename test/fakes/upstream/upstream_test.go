package upstream_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/fakes/upstream"
)

type withHeaders http.Header

func (h withHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, values := range h {
		r.Header[name] = values
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestUpstream(t *testing.T) {
	t.Parallel()

	for name, stateless := range map[string]bool{"sessions": false, "stateless": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			up := upstream.Start(upstream.Config{Stateless: stateless, Secrets: []string{"new", "old"}})
			t.Cleanup(up.Close)

			headers := http.Header{"X-Emcy-Worker-Secret": {"old"}, "X-Emcy-Subject": {"ada"}}
			client := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
			session, err := client.Connect(t.Context(), &mcp.StreamableClientTransport{
				Endpoint:   up.URL(),
				HTTPClient: &http.Client{Transport: withHeaders(headers)},
			}, nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = session.Close() }) // the server may be gone first

			tools, err := session.ListTools(t.Context(), nil)
			require.NoError(t, err)
			require.Len(t, tools.Tools, 4)

			result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}})
			require.NoError(t, err)
			require.False(t, result.IsError)
			require.Equal(t, []string{"hello"}, up.Calls())

			result, err = session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
			require.NoError(t, err)
			require.Contains(t, result.Content[0].(*mcp.TextContent).Text, `"subject":"ada"`)

			require.Contains(t, up.JSON(), "X-Emcy-Worker-Secret")
		})
	}
}

func TestSecret(t *testing.T) {
	t.Parallel()

	up := upstream.Start(upstream.Config{Secrets: []string{"right"}})
	t.Cleanup(up.Close)

	for name, headers := range map[string]http.Header{
		"missing": {},
		"wrong":   {"X-Emcy-Worker-Secret": {"wrong"}},
		"twice":   {"X-Emcy-Worker-Secret": {"right", "right"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, up.URL(), strings.NewReader("{}"))
			require.NoError(t, err)
			req.Header = headers
			res, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, http.StatusUnauthorized, res.StatusCode)
		})
	}
}
