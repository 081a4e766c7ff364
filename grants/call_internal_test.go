package grants

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
)

// TestATokenIsNotSentLate: a process that stood still after it took the lease sends
// nothing when it wakes up, because another node may have sent the token meanwhile.
func TestATokenIsNotSentLate(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"canary_at","token_type":"Bearer"}`))
	}))
	t.Cleanup(server.Close)
	out := outbound.New(outbound.Config{AllowPrivate: true})
	s := &Service{provider: provider.New(out, jwks.New(out, clock.System{}), clock.System{})}
	f := &flight{refresh: secret.New("canary_rt"), config: provider.Config{Endpoints: provider.Endpoints{Token: server.URL}, Client: provider.Client{ID: "c", AuthMethod: "none"}}}

	f.leased = time.Now().Add(-leaseLife)
	_, err := s.call(t.Context(), f)
	require.Equal(t, provider.Temporary, provider.KindOf(err))
	require.Zero(t, asked.Load())

	f.leased = time.Now()
	_, err = s.call(t.Context(), f)
	require.NoError(t, err)
	require.EqualValues(t, 1, asked.Load())
}
