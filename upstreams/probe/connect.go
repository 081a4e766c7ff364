package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/outbound"
)

// trace notes the making of the first connection. The hooks run on the transport's goroutines, so they
// only note times and ring; whoever rings is heard on the probe's own goroutine.
type trace struct {
	mu   sync.Mutex
	seen connection
	bell chan struct{}
}

// connection is when what was seen first of the connection.
type connection struct {
	started, dialled, connected, secured time.Time
	state                                tls.ConnectionState
}

func newTrace() *trace { return &trace{bell: make(chan struct{}, 1)} }

func (t *trace) note(change func(*connection)) {
	t.mu.Lock()
	change(&t.seen)
	t.mu.Unlock()
	select {
	case t.bell <- struct{}{}:
	default: // it has rung already
	}
}

func (t *trace) look() connection {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// attach watches the connections to a port. Those of the resolver are none of ours.
func (t *trace) attach(ctx context.Context, port string) context.Context {
	ours := func(network, address string) bool {
		_, to, err := net.SplitHostPort(address)
		return err == nil && to == port && strings.HasPrefix(network, "tcp")
	}
	t.note(func(c *connection) { c.started = time.Now() })
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// A name counts as resolved when its addresses have passed the guard and one is dialled: until then
		// a closed address reads the same as any other.
		ConnectStart: func(network, address string) {
			t.note(func(c *connection) {
				if c.dialled.IsZero() && ours(network, address) {
					c.dialled = time.Now()
				}
			})
		},
		ConnectDone: func(network, address string, err error) {
			t.note(func(c *connection) {
				if err == nil && c.connected.IsZero() && ours(network, address) {
					c.connected = time.Now()
				}
			})
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			t.note(func(c *connection) {
				if err == nil && c.secured.IsZero() {
					c.secured, c.state = time.Now(), state
				}
			})
		},
	})
}

// reach asks server/discover on a connection that it watches being made: each of its steps is told when
// it happens, not when the answer is there.
func (r *run) reach(ctx context.Context, e *endpoint) *opening {
	host, port := target(r.report.URL)
	if _, err := netip.ParseAddr(host); err != nil {
		r.begin(StepDNS)
	} else {
		r.skip(StepDNS, "The URL names an address, not a host.")
		r.begin(StepConnect)
	}
	ctx = r.trace.attach(ctx, port)
	done := make(chan *opening, 1)
	go func() { done <- e.discover(ctx) }() // it ends with its own timeout
	for {
		select {
		case <-r.trace.bell:
			r.follow(r.trace.look())
		case o := <-done:
			r.follow(r.trace.look())
			return o
		}
	}
}

// target splits a URL that has passed CheckURL.
func target(raw string) (host, port string) {
	u, err := url.Parse(raw)
	if err != nil {
		return raw, ""
	}
	if port = u.Port(); port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Hostname(), port
}

// follow tells the steps of the connection that have been made since the last look.
func (r *run) follow(c connection) {
	if r.now == StepDNS && !c.dialled.IsZero() {
		r.step(StepDNS, StatusOK, c.dialled.Sub(c.started), "The host name is resolved.", "")
		r.begin(StepConnect)
	}
	if r.now == StepConnect && !c.connected.IsZero() {
		r.step(StepConnect, StatusOK, c.connected.Sub(c.dialled), "The host accepts connections.", "")
		if strings.HasPrefix(r.report.URL, "https:") {
			r.begin(StepTLS)
		} else {
			r.plain()
			r.begin(StepDiscover)
		}
	}
	if r.now == StepTLS && !c.secured.IsZero() {
		r.checkCertificate(c.secured.Sub(c.connected), c.state.PeerCertificates)
		r.begin(StepDiscover)
	}
}

// plain is in place of the certificate where there is none.
func (r *run) plain() {
	host, _ := target(r.report.URL)
	if a, err := netip.ParseAddr(host); host == "localhost" || err == nil && a.IsLoopback() {
		r.skip(StepTLS, "Plain HTTP, on this machine only.")
		return
	}
	r.report.warn(WarnPlain, "the runtime is reached by plain HTTP: whoever is on the way reads the worker secret and every call")
	r.step(StepTLS, StatusWarn, 0, "Plain HTTP: nothing on the way is encrypted.", "Put a certificate in front of the runtime and enter its https address.")
}

// checkConnection reports what of the connection was not made, and whether there is an answer to look at.
func (r *run) checkConnection(a *answer) bool {
	words := "nothing came of it"
	if a.err != nil {
		words = a.err.Public()
	}
	took := r.since()
	if a.err != nil && a.err.Kind == outbound.KindAddress {
		took = 0 // how long it took to refuse is nobody's business
	}
	switch r.now {
	case StepDNS:
		next := nextForConnection(a.err)
		r.step(StepDNS, StatusFail, took, capital(words)+".", next)
	case StepConnect:
		r.step(StepConnect, StatusFail, took, "No connection: "+words+".", nextForConnection(a.err))
	case StepTLS:
		r.step(StepTLS, StatusFail, took, "No secure connection: "+words+".", "Repair the certificate or the TLS settings of the server in front of the runtime.")
	default:
		return true
	}
	return false
}

func (r *run) checkCertificate(took time.Duration, chain []*x509.Certificate) {
	if len(chain) == 0 {
		r.skip(StepTLS, "The connection is secure.") // no TLS server is without a certificate
		return
	}
	leaf := chain[0]
	issuer := leaf.Issuer.CommonName
	if len(leaf.Issuer.Organization) > 0 {
		issuer = leaf.Issuer.Organization[0]
	}
	if issuer = r.clean.line(issuer, 64); issuer == "" {
		issuer = "an unnamed authority"
	}
	ends := leaf.NotAfter.UTC().Format(time.DateOnly)
	words := "The certificate is valid until " + ends + ", issued by " + issuer + "."
	left := leaf.NotAfter.Sub(r.prober.clock.Now())
	if left >= certificateSoon {
		r.step(StepTLS, StatusOK, took, words, "")
		return
	}
	days := max(0, int(left.Hours()/24))
	r.report.warn(WarnCertificate, "the certificate ends on "+ends+", in "+plural(days, "day"))
	r.step(StepTLS, StatusWarn, took, words, "Renew the certificate: it ends in "+plural(days, "day")+".")
}

// nextAfterFailure says what to do about a connection that could not be made.
var nextAfterFailure = map[outbound.Kind]string{
	outbound.KindAddress:  "Enter an address that is reachable from the internet. A gateway on your own machine or network opens private ones with EMCY_ALLOW_PRIVATE_UPSTREAMS=true.",
	outbound.KindDNS:      "Check the spelling of the host and its DNS records.",
	outbound.KindConnect:  "Start the runtime, or correct the port.",
	outbound.KindCanceled: "Probe again.",
}

func nextForConnection(err *outbound.Error) string {
	if err != nil && nextAfterFailure[err.Kind] != "" {
		return nextAfterFailure[err.Kind]
	}
	return "Check that the runtime runs and that a firewall lets the gateway through."
}

func nextForURL(err error) string {
	if outbound.KindOf(err) == outbound.KindAddress {
		return nextForConnection(outbound.Classify(err))
	}
	return "Correct the URL. It looks like https://host/mcp."
}

func plural(n int, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	default:
		return strconv.Itoa(n) + " " + noun + "s"
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
