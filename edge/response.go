package edge

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// stripped are the runtime's headers that would speak for the gateway's origin, or
// give orders to a browser or to a proxy in front.
var stripped = map[string]bool{
	"Alt-Svc": true, "Authorization": true, "Clear-Site-Data": true, "Content-Security-Policy": true, "Location": true, "Nel": true, "Public-Key-Pins": true, "Refresh": true,
	"Report-To": true, "Reporting-Endpoints": true, "Server": true, "Service-Worker-Allowed": true, "Set-Cookie": true, "Set-Cookie2": true,
	"Strict-Transport-Security": true, "Www-Authenticate": true, "X-Content-Type-Options": true, "X-Powered-By": true, "X-Request-Id": true,
	"X-Sendfile": true,
}

// Values that are the same in every answer. A header's values are replaced, never
// written to.
var (
	nosniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	unbuffered = []string{"no"}
)

var strippedPrefixes = []string{"Access-Control-", headerEmcyPrefix, "X-Accel-"}

func returns(name string) bool {
	if stripped[name] || hopByHop[name] {
		return false
	}
	return !slices.ContainsFunc(strippedPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// copyHeader writes the header of the client's answer from the runtime's.
func (x *exchange) copyHeader(a *answer) {
	h := x.w.Header()
	for name, values := range a.Header {
		switch {
		case !returns(name) || name == "Content-Length":
		case name == "Vary":
			h[name] = append(h[name], values...)
		default:
			h[name] = values
		}
	}
	for _, value := range a.Header[headerConnection] {
		for name := range strings.SplitSeq(value, ",") {
			if name = http.CanonicalHeaderKey(strings.TrimSpace(name)); a.Header[name] != nil && name != "Vary" && returns(name) {
				delete(h, name)
			}
		}
	}
	if x.edge.Contract != nil { // a runtime that repeats what it was sent
		for _, name := range x.edge.Contract.Names() {
			delete(h, name)
		}
	}
	if x.down != nil && x.edge.Downstream.Header != "" {
		delete(h, canonical(x.edge.Downstream.Header))
	}
	if a.ContentLength >= 0 && a.StatusCode != http.StatusNoContent {
		h["Content-Length"] = []string{strconv.FormatInt(a.ContentLength, 10)}
	}
	h["X-Content-Type-Options"] = nosniff
	if mayBeShared(h) {
		h["Cache-Control"] = noStore
	}
	switch kind := mediaType(a.Header); kind {
	case contentTypeJSON:
	case contentTypeEventStream:
		h["X-Accel-Buffering"] = unbuffered
	default:
		// A runtime's page must not run as a page of the origin on which people sign in.
		h["Content-Security-Policy"] = []string{"default-src 'none'; sandbox"}
	}
}

// mayBeShared reports whether a cache could give this answer to somebody else.
func mayBeShared(h http.Header) bool {
	values := h["Cache-Control"]
	if len(values) == 0 {
		return true
	}
	for _, v := range values {
		if v = lower(v); strings.Contains(v, "public") || strings.Contains(v, "s-maxage") {
			return true
		}
	}
	return false
}

func isEventStream(h http.Header) bool { return mediaType(h) == contentTypeEventStream }

func mediaType(h http.Header) string {
	kind, _, _ := strings.Cut(headerValue(h, headerContentType), ";")
	return lower(strings.TrimSpace(kind))
}
