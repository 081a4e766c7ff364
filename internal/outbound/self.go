package outbound

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Self returns a client that reaches one listener of this machine and nothing
// else, whatever the URL's host says: the health check asks the running process
// under its public name. The address must be loopback, so the certificate, which
// is for the public name, is not checked.
func Self(address string) (*http.Client, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("%s is not an address of this machine", address)
	}
	dialer := net.Dialer{Timeout: time.Second}
	return &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, address)
			},
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}, //nolint:gosec // loopback only, see above
			DisableKeepAlives: true,
		},
	}, nil
}
