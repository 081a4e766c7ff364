package workspaces

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/emcy/gateway/tenancy"
)

// Placement decides which origin a new tenant gets. Either Pattern or the port
// range is set.
type Placement struct {
	// Pattern is an origin with {tenant} in it, such as https://{tenant}.mcp.example.com.
	Pattern string
	// FirstPort and LastPort bound the loopback ports of a one-machine installation.
	FirstPort, LastPort int
}

// ParsePattern checks EMCY_EDGE_ORIGIN.
func ParsePattern(pattern string) error {
	u, err := url.Parse(strings.Replace(pattern, "{tenant}", "tenant", 1))
	switch {
	case err != nil || strings.Count(pattern, "{tenant}") != 1 || !strings.Contains(pattern, "://{tenant}."):
		return errors.New("it must look like https://{tenant}.mcp.example.com")
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("it must start with https:// or http://")
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("it must be an origin: scheme, host and port, nothing behind them")
	}
	return nil
}

// ParsePorts reads EMCY_EDGE_PORTS, "first-last".
func ParsePorts(s string) (first, last int, err error) {
	a, b, ok := strings.Cut(s, "-")
	if ok {
		first, err = strconv.Atoi(a)
		if err == nil {
			last, err = strconv.Atoi(b)
		}
	}
	if !ok || err != nil || first < 1 || last > 65535 || first > last {
		return 0, 0, errors.New("it must be a range of ports such as 8081-8180")
	}
	return first, last, nil
}

// Preview is the origin that a slug would get, for the form; on one machine the
// port is not known before.
func (p Placement) Preview(slug string) string {
	if p.Pattern != "" {
		return strings.Replace(p.Pattern, "{tenant}", slug, 1)
	}
	return "http://localhost:" + strconv.Itoa(p.FirstPort)
}

// place gives the origin for a new tenant. On one machine it is the lowest port
// that no tenant has and that nobody listens on; a tenant's port never changes.
func (p Placement) place(tx *tenancy.Tx, slug string) (originRow, error) {
	if p.Pattern != "" {
		return originRow{Origin: strings.ToLower(p.Preview(slug))}, nil
	}
	var used []int
	if err := tx.DB().Model(&originRow{}).Where("port IS NOT NULL").Pluck("port", &used).Error; err != nil {
		return originRow{}, fmt.Errorf("list ports: %w", err)
	}
	taken := map[int]bool{}
	for _, port := range used {
		taken[port] = true
	}
	for port := p.FirstPort; port <= p.LastPort; port++ {
		if !taken[port] && free(tx.Context(), port) {
			return originRow{Origin: "http://localhost:" + strconv.Itoa(port), Port: &port}, nil
		}
	}
	return originRow{}, errors.New("no free port is left for a workspace: widen EMCY_EDGE_PORTS")
}

// free tries to listen on the port, on both loopback addresses where they exist.
func free(ctx context.Context, port int) bool {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
