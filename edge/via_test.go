package edge_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/usage/event"
)

func withVia(c *edge.Config) { c.Via = "emcy-a1b2" }

// TestRuntimeThatIsTheEdge gives the runtime the MCP URL itself, and a token that
// would be accepted there.
func TestRuntimeThatIsTheEdge(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong(), withVia)
	itself := *b.acme.Edges[slug]
	var err error
	itself.Upstream, err = url.Parse(b.url())
	require.NoError(t, err)
	itself.Headers = []snapshot.Header{
		{Name: "Authorization", Value: secret.New("Bearer " + b.token(b.acme))},
		{Name: "Via", Value: secret.New("1.1 nobody")},
	}
	b.publish(func(t *snapshot.Tenant) { t.Edges = map[string]*snapshot.Edge{slug: &itself} })

	resp, body := b.do(b.request("POST", toolCall))
	require.Equal(t, http.StatusLoopDetected, resp.StatusCode)
	require.Equal(t, jsonType, resp.Header.Get("Content-Type"))
	require.Contains(t, body, `"id":7,"error":{"code":508,"message":"The runtime's address leads back to this gateway.`)
	all := b.events.list()
	require.Len(t, all, 2, "one nested request")
	for i, subject := range []string{"", "acc_ada"} {
		require.Equal(t, subject, all[i].Subject)
		require.Equal(t, "loop", all[i].Reason)
		require.Equal(t, event.Failure, all[i].Outcome)
		require.Equal(t, http.StatusLoopDetected, all[i].Status)
	}
}

func TestVia(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime, withVia)
	send := func(via ...string) int {
		req := b.request("POST", ping)
		req.Header["Via"] = via
		resp, _ := b.do(req)
		return resp.StatusCode
	}
	for _, via := range [][]string{
		{"1.1 emcy-a1b2"}, {"1.1 EMCY-A1B2"}, {"HTTP/2 emcy-a1b2 (a comment)"}, {"1.0 proxy, 1.1\temcy-a1b2 ,1.1 cdn"}, {"1.1 proxy", "1.1 cdn,1.1 emcy-a1b2"},
	} {
		require.Equal(t, http.StatusLoopDetected, send(via...), via)
	}
	require.Empty(t, runtime.requests())
	for i, via := range [][]string{nil, {""}, {","}, {"emcy-a1b2"}, {"1.1 proxy"}, {"1.1 emcy-a1b2c"}, {"1.1 proxy (emcy-a1b2)"}} {
		require.Equal(t, http.StatusOK, send(via...), via)
		require.Equal(t, []string{"1.1 emcy-a1b2"}, runtime.requests()[i].Header["Via"], "the client's own is dropped")
	}
}

func TestWithoutVia(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	resp, _ := b.do(b.request("POST", ping, "Via", "1.1 proxy"))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NotContains(t, runtime.requests()[0].Header, "Via")
}
