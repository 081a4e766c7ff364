package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/emcy/gateway/internal/outbound"
)

// healthcheck asks this machine's process whether it is ready, for a container's
// HEALTHCHECK. It knows the address from the same settings.
func healthcheck(ctx context.Context, cfg config, stdout, _ io.Writer) error {
	host, port, err := net.SplitHostPort(cfg.Listen[0])
	if err != nil {
		return configError{fmt.Errorf("EMCY_LISTEN: %w", err)}
	}
	if ip := net.ParseIP(host); host == "localhost" || ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	client, err := outbound.Self(net.JoinHostPort(host, port))
	if err != nil {
		return err
	}
	scheme := "http"
	if cfg.TLSCert != "" {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+cfg.Public.Host+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("the process cannot be reached: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the process is not ready: status %d", resp.StatusCode)
	}
	_, _ = fmt.Fprintln(stdout, "ready")
	return nil
}
