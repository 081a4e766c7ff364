package edge

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/emcy/gateway/edge/snapshot"
)

const (
	exposedHeaders = "www-authenticate, mcp-session-id, mcp-protocol-version, x-request-id"
	// maxRequested bounds the list of headers that a preflight has echoed.
	maxRequested = 1 << 10
)

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// originAllowed reports whether a page of that origin may call the tenant's MCP
// URLs. A request without Origin comes from no page. On a tenant that lives on
// loopback, pages of other loopback ports are developer tools such as the MCP
// Inspector; anywhere else they would be a way around the same-origin rule.
func originAllowed(tenant *snapshot.Tenant, r *http.Request) bool {
	values := r.Header["Origin"]
	if len(values) == 0 {
		return true
	}
	if len(values) > 1 {
		return false
	}
	return slices.Contains(tenant.Origins, values[0]) || onLoopback(values[0]) && onLoopback(tenant.Issuer)
}

func onLoopback(origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.User != nil {
		return false
	}
	host := lower(u.Hostname())
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// allowOrigin lets the page that asked read the answer.
func allowOrigin(h http.Header, r *http.Request) {
	origin := r.Header["Origin"]
	if len(origin) != 1 {
		return
	}
	h["Access-Control-Allow-Origin"] = origin
	h["Access-Control-Expose-Headers"] = []string{exposedHeaders}
	h.Add("Vary", "Origin")
}

// allowAnyOrigin is for documents that hold nothing private.
func allowAnyOrigin(h http.Header) { h.Set("Access-Control-Allow-Origin", "*") }

// answerPreflight repeats the requested headers, because a wildcard covers neither
// Authorization nor the prefix Mcp-Param-.
func answerPreflight(w http.ResponseWriter, r *http.Request, methods string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	if requested := r.Header.Get("Access-Control-Request-Headers"); requested != "" && headerList(requested) {
		h.Set("Access-Control-Allow-Headers", requested)
	}
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	h.Set("Access-Control-Max-Age", "600")
	h.Add("Vary", "Access-Control-Request-Headers")
	w.WriteHeader(http.StatusNoContent)
}

func headerList(s string) bool {
	if len(s) > maxRequested {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letter && c != '-' && c != '_' && c != ',' && c != ' ' {
			return false
		}
	}
	return true
}
