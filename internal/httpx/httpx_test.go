package httpx_test

import (
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/httpx"
)

func TestClientIP(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"198.51.100.7:1", "1.2.3.4", "198.51.100.7"},
		{"10.0.0.1:1", "1.2.3.4", "1.2.3.4"},
		{"10.0.0.1:1", "6.6.6.6, 1.2.3.4", "1.2.3.4"},
		{"10.0.0.1:1", "1.2.3.4, 10.0.0.2", "1.2.3.4"},
		{"10.0.0.1:1", "garbage", "10.0.0.1"},
		{"10.0.0.1:1", "", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:1", "1.2.3.4", "1.2.3.4"},
		{"[2001:db8::1]:1", "1.2.3.4", "2001:db8::1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		require.Equal(t, c.want, httpx.ClientIP(r, proxies).String(), c)
		require.NotEqual(t, "1.2.3.4", httpx.ClientIP(r, nil).String(), "nobody is trusted by default")
	}
}

func TestParseOrigin(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://Console.Example.com":      "https://console.example.com",
		"https://console.example.com:443/": "https://console.example.com",
		"http://localhost:8080":            "http://localhost:8080",
		"http://[::1]:80":                  "http://[::1]",
	} {
		got, _, err := httpx.ParseOrigin(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got)
	}
	for _, raw := range []string{"", "localhost:8080", "ftp://x", "https://x/y", "https://x?y", "https://u@x", "https://x//"} {
		_, _, err := httpx.ParseOrigin(raw)
		require.Error(t, err, raw)
	}
}
