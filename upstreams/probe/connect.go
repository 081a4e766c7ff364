package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/outbound"
)

// trace notes the making of the first connection. The hooks run on the transport's goroutines.
type trace struct {
	mu                        sync.Mutex
	start, connected, secured time.Time
	state                     tls.ConnectionState
}

func (t *trace) attach(ctx context.Context) context.Context {
	t.mu.Lock()
	t.start = time.Now()
	t.mu.Unlock()
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		ConnectDone: func(_, _ string, err error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if err == nil && t.connected.IsZero() {
				t.connected = time.Now()
			}
		},
		TLSHandshakeDone: func(state tls.ConnectionState, err error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			if err == nil && t.secured.IsZero() {
				t.secured, t.state = time.Now(), state
			}
		},
	})
}

// checkConnection reports the connection and the certificate, and whether there is an answer to look at.
func (r *run) checkConnection(a *answer) bool {
	t := r.trace
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.connected.IsZero() {
		words := "no connection could be made"
		if a.err != nil {
			words = a.err.Public()
		}
		r.report.step(StepConnect, StatusFail, a.took, "No connection: "+words+".", nextForConnection(a.err))
		return false
	}
	r.report.step(StepConnect, StatusOK, t.connected.Sub(t.start), "The host is resolved and accepts connections.", "")
	if !strings.HasPrefix(r.report.URL, "https:") {
		return true
	}
	if t.secured.IsZero() {
		words := "the handshake does not end"
		if a.err != nil {
			words = a.err.Public()
		}
		r.report.step(StepTLS, StatusFail, a.took, "No secure connection: "+words+".", "Repair the certificate or the TLS settings of the server in front of the runtime.")
		return false
	}
	r.checkCertificate(t.secured.Sub(t.connected), t.state.PeerCertificates)
	return true
}

func (r *run) checkCertificate(took time.Duration, chain []*x509.Certificate) {
	if len(chain) == 0 {
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
		r.report.step(StepTLS, StatusOK, took, words, "")
		return
	}
	days := max(0, int(left.Hours()/24))
	r.report.warn(WarnCertificate, "the certificate ends on "+ends+", in "+plural(days, "day"))
	r.report.step(StepTLS, StatusWarn, took, words, "Renew the certificate: it ends in "+plural(days, "day")+".")
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
