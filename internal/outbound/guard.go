package outbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"code.dny.dev/ssrf"
)

var errAddress = errors.New("address is closed")

// privateV4 and privateV6 are what AllowPrivate opens.
var (
	privateV4 = prefixes("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
	privateV6 = prefixes("::1/128", "fc00::/7")
)

// closed is never dialled, whatever the configuration: the ranges that carry an IPv4 address inside an
// IPv6 one, link-local ranges, the metadata services of clouds, and what no host can have. The ssrf
// package closes these too, except where AllowPrivate opens a range around one.
var closed = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4",
	"::/128", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2002::/16", "5f00::/16",
	"fd00:ec2::/32", "fd20:ce::/32", "fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, p := range list {
		out[i] = netip.MustParsePrefix(p)
	}
	return out
}

// guard decides which addresses may be dialled, and dials them.
type guard struct {
	allowPrivate bool
	guardian     *ssrf.Guardian
	resolver     *net.Resolver
	dialer       *net.Dialer
	connectTo    map[string]string
}

func newGuard(cfg Config) *guard {
	options := []ssrf.Option{ssrf.WithAnyPort()}
	if cfg.AllowPrivate {
		options = append(options, ssrf.WithAllowedV4Prefixes(privateV4...), ssrf.WithAllowedV6Prefixes(privateV6...))
	}
	g := &guard{allowPrivate: cfg.AllowPrivate, guardian: ssrf.New(options...), resolver: cfg.Resolver, connectTo: cfg.ConnectTo}
	if g.resolver == nil {
		g.resolver = net.DefaultResolver
	}
	g.dialer = &net.Dialer{Timeout: connectTimeout, Resolver: g.resolver, Control: g.control}
	return g
}

func (g *guard) addr(a netip.Addr) error {
	for _, p := range closed {
		if p.Contains(a) {
			return fmt.Errorf("%w: %s in %s", errAddress, a, p)
		}
	}
	return g.guardian.SafeAddr(a)
}

// control runs after the name is resolved and before the connection is made, once for every address
// that is tried.
func (g *guard) control(network, address string, conn syscall.RawConn) error {
	if err := g.guardian.Safe(network, address, conn); err != nil {
		return err
	}
	dialled, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", errAddress, err)
	}
	return g.addr(dialled.Addr())
}

// dial refuses a name that resolves to a closed address beside an open one, and then lets the dialer
// race the addresses of a second look-up: what that returns passes control.
func (g *guard) dial(ctx context.Context, network, hostport string) (net.Conn, error) {
	if InTx(ctx) {
		return nil, errInTx()
	}
	if other, ok := g.connectTo[hostport]; ok {
		hostport = other
	}
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, badURL("the host is not valid")
	}
	if host, err = g.host(host); err != nil {
		return nil, err
	}
	if _, err := netip.ParseAddr(host); err != nil {
		found, err := g.resolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return nil, err
		}
		for _, a := range found {
			if err := g.addr(a.Unmap()); err != nil {
				return nil, err
			}
		}
	}
	return g.dialer.DialContext(ctx, network, hostport)
}
