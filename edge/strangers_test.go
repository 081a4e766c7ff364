package edge_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/usage/event"
)

// lockedBuffer takes the log of a server that a test reads while it runs.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lockedBuffer) leftOut() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for line := range strings.Lines(l.buf.String()) {
		if _, rest, ok := strings.Cut(line, "tenant_id="); ok {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	return lines
}

func TestStrangersCannotFillTheLog(t *testing.T) {
	t.Parallel()
	log := &lockedBuffer{}
	b := setup(t, echoPong(), func(c *edge.Config) { c.Log = slog.New(slog.NewTextHandler(log, nil)) })
	kinds := [][]string{{"Authorization", ""}, {"Authorization", "Bearer nonsense"}, {"Origin", "https://evil.test"}}
	flood := func(tenant *snapshot.Tenant, n int) {
		t.Helper()
		for i := range n {
			resp, _ := b.do(b.requestTo(tenant, "POST", ping, kinds[i%len(kinds)]...))
			require.GreaterOrEqual(t, resp.StatusCode, http.StatusUnauthorized)
		}
	}
	recorded := func(tenant *snapshot.Tenant) int {
		n := 0
		for _, e := range b.events.list() {
			if e.TenantID == tenant.ID && e.Outcome == event.Denied {
				n++
			}
		}
		return n
	}
	flood(b.acme, 60)
	require.Equal(t, 50, recorded(b.acme))
	require.Equal(t, []string{"tnt_a left_out=1"}, log.leftOut())
	flood(b.globex, 3)
	require.Equal(t, 3, recorded(b.globex), "another tenant's log has room")
	for range 60 {
		resp, _ := b.do(b.request("POST", ping))
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	require.Len(t, b.events.list(), 50+3+60, "whoever has a token is recorded always")

	b.clock.Advance(time.Second)
	flood(b.acme, 15)
	require.Equal(t, 60, recorded(b.acme))
	require.Len(t, log.leftOut(), 1, "one line a minute")
	b.clock.Advance(time.Minute)
	flood(b.acme, 1)
	require.Equal(t, 61, recorded(b.acme))
	require.Equal(t, []string{"tnt_a left_out=1", "tnt_a left_out=14"}, log.leftOut())
}
