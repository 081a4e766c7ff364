//go:build e2e

package e2e

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// TestStopWithACallInFlight: a call that does not end in time is cut off by an
// orderly stop, which is in order all the same, and the call is counted.
func TestStopWithACallInFlight(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	began := make(chan struct{}, 1)
	runtime := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)        // or the server would not see that the client is gone
		if r.Header.Get("X-Emcy-Subject") != "" { // a call, not the probe
			began <- struct{}{}
		}
		<-r.Context().Done()
	}))
	t.Cleanup(runtime.Close)

	g := newGateway(t, postgres, freePorts(t, 2))
	ada := httpflow.NewPerson(g.Console, "Ada Lovelace", nil)
	require.NoError(t, ada.SignUp(ctx))
	require.NoError(t, ada.CreateWorkspace(ctx, "Acme Works", "acme"))
	added, err := ada.PostRuntime(ctx, "acme", httpflow.RuntimeForm{Name: "Slow", Slug: "slow", URL: runtime.URL})
	require.NoError(t, err)
	require.NoError(t, ada.ReadMCPURL(ctx, added))
	client := connected(t, ada, added)

	answered := make(chan error, 1)
	go func() {
		_, err := client.CallTool(context.WithoutCancel(ctx), "echo", map[string]any{"text": "x"})
		answered <- err
	}()
	<-began
	g.stop(t)
	require.Error(t, <-answered)

	db, err := pgx.Connect(ctx, g.Database)
	require.NoError(t, err)
	defer func() { _ = db.Close(ctx) }()
	var outcome string
	require.NoError(t, db.QueryRow(ctx, "select outcome from usage_events where method = 'tools/call'").Scan(&outcome))
	require.Equal(t, "cancelled", outcome)
}
