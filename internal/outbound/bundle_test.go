package outbound

import (
	"context"
	"crypto/x509"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"code.dny.dev/ssrf"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// serve starts a TLS server on loopback and returns it with a client that may reach it: private targets
// are open and its authority is trusted.
func serve(t *testing.T, handler http.HandlerFunc, change func(*Config)) (*httptest.Server, *Client) {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	cfg := Config{AllowPrivate: true, RootCAs: authority(srv)}
	if change != nil {
		change(&cfg)
	}
	return srv, New(cfg)
}

func authority(srv *httptest.Server) *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	return pool
}

func get(t *testing.T, c *Client, url string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := c.Do(req)
	if resp != nil {
		t.Cleanup(func() { _ = resp.Body.Close() })
	}
	return resp, err
}

// trap is a listener that must see no connection.
type trap struct {
	listener net.Listener
	port     string
}

func newTrap(t *testing.T, address string) *trap {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return &trap{listener: listener, port: port}
}

// requireUntouched connects once itself: connections are accepted in order, so that this one is first
// exactly when there was no other.
func (tr *trap) requireUntouched(t *testing.T) {
	t.Helper()
	own, err := new(net.Dialer).DialContext(t.Context(), "tcp", tr.listener.Addr().String())
	require.NoError(t, err)
	defer func() { _ = own.Close() }()
	first, err := tr.listener.Accept()
	require.NoError(t, err)
	defer func() { _ = first.Close() }()
	require.Equal(t, own.LocalAddr().String(), first.RemoteAddr().String(), "a connection was made")
}

// nameServer answers A questions on UDP with what answer returns for the n-th question (from zero).
type nameServer struct {
	mu    sync.Mutex
	asked int
}

func newNameServer(t *testing.T, answer func(n int) []string) (*nameServer, *net.Resolver) {
	t.Helper()
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ns := &nameServer{}
	go ns.run(conn, answer)
	return ns, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (ns *nameServer) run(conn net.PacketConn, answer func(n int) []string) {
	buf := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var msg dnsmessage.Message
		if msg.Unpack(buf[:n]) != nil || len(msg.Questions) != 1 {
			continue
		}
		q := msg.Questions[0]
		msg.Response, msg.RecursionAvailable, msg.Additionals = true, true, nil
		if q.Type == dnsmessage.TypeA {
			ns.mu.Lock()
			addresses := answer(ns.asked)
			ns.asked++
			ns.mu.Unlock()
			for _, a := range addresses {
				msg.Answers = append(msg.Answers, dnsmessage.Resource{
					Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
					Body:   &dnsmessage.AResource{A: netip.MustParseAddr(a).As4()},
				})
			}
			if addresses == nil {
				msg.RCode = dnsmessage.RCodeNameError
			}
		}
		if out, err := msg.Pack(); err == nil {
			_, _ = conn.WriteTo(out, from) // a lost answer is asked for again
		}
	}
}

func (ns *nameServer) questions() int {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return ns.asked
}

// open lets a strict client of a test reach loopback, and nothing else that is closed.
func open(c *Client) {
	c.guard.guardian = ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(netip.MustParsePrefix("127.0.0.0/8")))
}
