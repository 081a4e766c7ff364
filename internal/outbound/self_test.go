package outbound_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/outbound"
)

func TestSelfReachesOneListenerOnly(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) }))
	t.Cleanup(s.Close)
	client, err := outbound.Self(s.Listener.Addr().String())
	require.NoError(t, err)
	resp, err := client.Get("https://console.example.com/readyz")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, "console.example.com", string(body))
	for _, addr := range []string{"192.0.2.1:80", "example.com:80", "10.0.0.1:1", ""} {
		_, err := outbound.Self(addr)
		require.Error(t, err, addr)
	}
}
