package edge

import (
	"net/http"

	"golang.org/x/net/http/httpguts"
)

const (
	// exposedHeaders are what a page may read of an answer besides the few that it always may: how to get a token, the
	// session, when to come back, and under which name the request is in the log.
	exposedHeaders = "www-authenticate, mcp-session-id, mcp-protocol-version, retry-after, x-request-id"
	// maxRequested bounds the list of headers that a preflight has echoed.
	maxRequested = 1 << 10
)

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// allowOrigin lets the page that asked read the answer, an error as well as a
// success. Credentials are never allowed: with them a browser would send, to whoever
// may call, what it keeps for this origin.
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
func allowAnyOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
}

// answerPreflight repeats the requested headers, because a wildcard covers neither
// Authorization nor the prefix Mcp-Param-.
func answerPreflight(w http.ResponseWriter, r *http.Request, methods string) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	if requested := r.Header.Get("Access-Control-Request-Headers"); requested != "" && headerList(requested) {
		h.Set("Access-Control-Allow-Headers", requested)
	}
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
		if c != ',' && c != ' ' && !httpguts.IsTokenRune(rune(c)) { // a tool's parameter may be named with any of them
			return false
		}
	}
	return true
}
