package edge_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
)

// TestGatewayEndsSlowAnswers: an answer of known length that takes its time is
// ended by what ends a stream, so that a length is no way around a revocation.
func TestGatewayEndsSlowAnswers(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*bundle){
		"revoked_token": func(b *bundle) {
			b.publish(func(t *snapshot.Tenant) { t.Revoked = map[string]struct{}{"fam_1": {}} })
		},
		"gateway_stopping": func(b *bundle) { b.front.Stop() },
	}
	for reason, end := range ends {
		for what, sent := range map[string]int{"before the client saw any of it": 10, "after its first part": 100_000} {
			t.Run(reason+" "+what, func(t *testing.T) {
				t.Parallel()
				began, gone := make(chan struct{}), make(chan struct{})
				b := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					w.Header().Set("Content-Length", strconv.Itoa(200_000))
					_, _ = io.WriteString(w, strings.Repeat("x", sent))
					_ = http.NewResponseController(w).Flush()
					close(began)
					<-r.Context().Done()
					close(gone)
				}))
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					<-began
					end(b)
				}()
				resp, err := client.Do(b.request("POST", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{}}}`))
				require.NoError(t, err)
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, resp.Body.Close())
				if sent < 32<<10 {
					require.NoError(t, err)
					require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
					require.Contains(t, string(body), `"jsonrpc"`)
				} else {
					require.Error(t, err, "a part must not look like the whole")
				}
				<-ended
				<-gone
				require.Equal(t, reason, b.events.wait(t, 1)[0].Reason)
			})
		}
	}
}
