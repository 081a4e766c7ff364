package edge

import (
	"net/http"
	"strings"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/mcpwire"
)

// Headers that are judged. Those of the worker contract have the names of the runtime's snapshot.Contract.
const (
	headerEmcyPrefix    = "X-Emcy-"
	headerMCPPrefix     = "Mcp-"
	headerXMCPPrefix    = "X-Mcp-"
	headerAuthorization = "Authorization"
	headerConnection    = "Connection"
	headerVia           = "Via"
	headerContentType   = "Content-Type"
)

// passed are the client's headers that a runtime gets, besides Mcp-* and X-Mcp-*.
// It is a list of what is let through: whatever a runtime or a proxy before it
// might take for an identity, an address or a credential stays out, also if
// nobody has heard of it yet.
var passed = map[string]bool{
	"Accept":                  true,
	"Accept-Language":         true,
	headerContentType:         true,
	mcpwire.HeaderLastEventID: true,
	"User-Agent":              true,
	"Traceparent":             true,
	"Tracestate":              true,
	"Baggage":                 true,
}

func passes(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		return false // many servers read it as a hyphen: it would be a second copy of another header
	}
	return passed[name] || strings.HasPrefix(name, headerMCPPrefix) || strings.HasPrefix(name, headerXMCPPrefix)
}

// upstreamHeader is the request's header as the runtime gets it.
func (x *exchange) upstreamHeader() (http.Header, error) {
	assertion, err := x.assertion()
	if err != nil {
		return nil, err
	}
	contract := x.contract()
	out := make(http.Header, len(x.r.Header)+9+len(x.edge.Headers))
	values := make([]string, 0, 9+len(x.edge.Headers)) // one allocation for all of the gateway's own
	set := func(name, value string) {
		values = append(values, value)
		out[name] = values[len(values)-1 : len(values) : len(values)]
	}
	for name, sent := range x.r.Header {
		if passes(name) {
			out[name] = sent
		}
	}
	for _, value := range x.r.Header[headerConnection] {
		for name := range strings.SplitSeq(value, ",") {
			delete(out, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	if x.r.Method != http.MethodPost {
		delete(out, headerContentType)
	}
	if _, ok := out["User-Agent"]; !ok {
		set("User-Agent", "") // or the transport would write its own
	}
	if x.edge.Contract != nil {
		// Under the default names nothing of the client's passes. A new name may be one that does.
		for _, name := range contract.Names() {
			delete(out, name)
		}
	}
	if x.edge.Downstream != nil && x.edge.Downstream.Header != "" {
		delete(out, canonical(x.edge.Downstream.Header))
	}
	for _, h := range x.edge.Headers {
		if name := canonical(h.Name); settable(name) {
			set(name, h.Value.Reveal())
		}
	}
	if x.down != nil && x.down.sent {
		if name, value := x.tokenHeader(contract); settable(name) || name == contract.Token {
			set(name, value)
		}
	}
	set(contract.Subject, visible(x.access.subject))
	set(contract.Tenant, visible(x.tenant.Slug))
	set(contract.Client, visible(x.access.client))
	set(contract.RequestID, x.event.RequestID)
	set(contract.Assertion, assertion)
	if !contract.AssertionOnly {
		set(contract.Secret, x.edge.WorkerSecret.Reveal())
	}
	x.setSession(out)
	if x.front.via != "" { // last: no configured header may hide it
		set(headerVia, x.front.viaField())
	}
	return out, nil
}

func (x *exchange) contract() *snapshot.Contract {
	if c := x.edge.Contract; c != nil {
		return c
	}
	return &snapshot.DefaultContract
}

func canonical(name string) string { return http.CanonicalHeaderKey(name) }

// settable reports whether a configured header may carry that name: not one that
// frames the message or names a session, and none of the contract.
func settable(name string) bool {
	return !hopByHop[name] && name != "Host" && name != "Content-Length" && name != mcpwire.HeaderSessionID && !strings.HasPrefix(name, headerEmcyPrefix)
}

// hopByHop are the headers that belong to one connection (RFC 9110, section 7.6.1).
var hopByHop = map[string]bool{
	headerConnection: true, "Keep-Alive": true, "Proxy-Connection": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
	"Proxy-Authentication-Info": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// visible writes a value in visible ASCII. Other bytes, and the percent sign, are
// escaped, so that no two values look the same to the runtime.
func visible(s string) string {
	clean := true
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f || s[i] == '%' {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
