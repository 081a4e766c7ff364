package provider

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"
)

// Approve opens an authorization URL as the browser of who is signed in does, and gives
// what the redirect back carries.
func (p *Provider) Approve(t testing.TB, address string) url.Values {
	t.Helper()
	to := p.Follow(t, address)
	return to.Query()
}

// Follow is Approve with the whole address that the browser is sent to.
func (p *Provider) Follow(t testing.TB, address string) *url.URL {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if p.pool != nil { // the vendor's hosts are here
		trusted := &tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.RootCAs(), ServerName: req.URL.Hostname()}}
		transport.DialTLSContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return trusted.DialContext(ctx, network, p.server.Listener.Addr().String())
		}
	}
	res, err := transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusFound, res.StatusCode, "the provider shows a page instead of going back")
	to, err := url.Parse(res.Header.Get("Location"))
	require.NoError(t, err)
	return to
}
