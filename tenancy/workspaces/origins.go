package workspaces

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/errs"
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

// place inserts the origin of a new tenant. On one machine it is the lowest port
// that no tenant has and that nobody listens on; a tenant's port never changes.
// Errors: Invalid on slug where the origin is somebody's already; Conflict where no
// port is left, which waiting does not cure.
func (p Placement) place(tx *tenancy.Tx, tenantID, slug string) (originRow, error) {
	row := originRow{TenantID: tenantID, CreatedAt: tx.Now()}
	if p.Pattern != "" {
		row.Origin = strings.ToLower(p.Preview(slug))
		inserted, err := row.insert(tx)
		if err == nil && !inserted {
			err = errs.Field("slug", "That address is taken. Choose another.")
		}
		return row, err
	}
	var used []int
	if err := tx.DB().Model(&originRow{}).Where("port IS NOT NULL").Pluck("port", &used).Error; err != nil {
		return originRow{}, fmt.Errorf("list ports: %w", err)
	}
	for port := p.FirstPort; port <= p.LastPort; port++ {
		if slices.Contains(used, port) || !free(tx.Context(), port) {
			continue
		}
		row.Origin, row.Port = "http://localhost:"+strconv.Itoa(port), &port
		inserted, err := row.insert(tx)
		if err != nil || inserted {
			return row, err
		}
		// Another new tenant took it since the list was read.
	}
	return originRow{}, errs.E(errs.Conflict, "No port is left for another workspace on this machine. Whoever runs the gateway can widen EMCY_EDGE_PORTS.", nil)
}

// insert reports false where the origin or its port is another tenant's. It waits
// for a transaction that has just inserted the same one.
func (o originRow) insert(tx *tenancy.Tx) (bool, error) {
	res := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Create(&o)
	if res.Error != nil {
		return false, fmt.Errorf("store origin: %w", res.Error)
	}
	return res.RowsAffected == 1, nil
}

// probing makes free take turns: two tries at one port at a time would each find
// it occupied by the other.
var probing sync.Mutex

// free tries to listen on the port, on both loopback addresses where they exist.
func free(ctx context.Context, port int) bool {
	probing.Lock()
	defer probing.Unlock()
	var lc net.ListenConfig
	for network, host := range map[string]string{"tcp4": "127.0.0.1", "tcp6": "::1"} {
		l, err := lc.Listen(ctx, network, net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			err = l.Close()
		} else if network == "tcp6" && !listens(ctx, network, host) {
			continue // a machine without IPv6
		}
		if err != nil {
			return false
		}
	}
	return true
}

// listens reports whether the machine has the address at all.
func listens(ctx context.Context, network, host string) bool {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, network, net.JoinHostPort(host, "0"))
	return err == nil && l.Close() == nil
}
