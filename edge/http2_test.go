package edge_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/usage/event"
)

// TestHTTP2 calls and streams on a TLS listener, where clients speak HTTP/2.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	runtime := newStepped(sseType)
	b := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		runtime.ServeHTTP(w, r)
	}))
	server := httptest.NewUnstartedServer(nil)
	server.Config = edge.NewServer(b.front.Handler("https"), quiet)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	tenant := b.tenant("tnt_s", "secure", server.URL, newKey(t))
	b.store.Put(start, tenant.ID, tenant)

	request := func(ctx context.Context, method string, body io.Reader) *http.Request {
		req, err := http.NewRequestWithContext(ctx, method, server.URL+"/crm/mcp", body)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+b.token(tenant))
		req.Header.Set("Content-Type", jsonType)
		return req
	}
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := server.Client().Do(request(ctx, "POST", strings.NewReader(toolCall)))
	require.NoError(t, err)
	require.Equal(t, 2, resp.ProtoMajor)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	read := lines(t, resp.Body)
	for _, text := range []string{"data: 1", "data: 2"} {
		runtime.send <- text + "\n"
		require.Equal(t, text, read())
	}
	cancel()
	<-runtime.gone
	require.NoError(t, resp.Body.Close())
	require.Equal(t, event.Cancelled, b.events.wait(t, 2)[1].Outcome)

	// A body whose end comes in a frame of its own is no body.
	for body, status := range map[string]int{"": http.StatusNoContent, "x": http.StatusBadRequest} {
		req := request(t.Context(), "DELETE", io.NopCloser(strings.NewReader(body)))
		req.ContentLength = -1
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		require.Equal(t, status, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	}
}
