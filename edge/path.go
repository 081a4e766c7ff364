package edge

import (
	"net/http"
	"strings"
)

// originOf is the origin that a request was sent to, or "" where it has none that
// can be trusted. Only the Host header (":authority" on HTTP/2) counts: an
// absolute-form target is a second, possibly different host, and forwarding
// headers are whatever the sender wrote.
func originOf(scheme string, r *http.Request) string {
	if r.URL.Host != "" || r.Host == "" {
		return ""
	}
	host := lower(r.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return scheme + "://" + host
}

// lower is strings.ToLower for ASCII alone: no other letter may become an ASCII one.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for j, c := range b {
				if 'A' <= c && c <= 'Z' {
					b[j] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// routePath is the path as it was sent, or false where two readers could take it
// for two different paths. Nothing is cleaned and nobody is redirected: no route
// needs an escaped ASCII character, an empty segment or a dot segment.
func routePath(r *http.Request) (string, bool) {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if path == "" || path[0] != '/' {
		return "", false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c <= ' ' || c == 0x7f || c == '\\' || c == ';' || c == '#':
			return "", false
		case c == '%' && (i+2 >= len(path) || !highHex(path[i+1]) || !isHex(path[i+2])):
			return "", false
		case c == '/' && emptyOrDots(path[i+1:]):
			return "", false
		}
	}
	return path, true
}

// highHex is the first digit of an escaped byte that is not ASCII.
func highHex(c byte) bool {
	return c == '8' || c == '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

// emptyOrDots reports whether the segment at the start of rest is ".", ".." or,
// with more behind it, empty.
func emptyOrDots(rest string) bool {
	segment, _, more := strings.Cut(rest, "/")
	return segment == "." || segment == ".." || segment == "" && more
}

// mcpSlug gives the runtime's slug where the path is an MCP URL's, or one with a
// slash behind it: that is nobody's, and the authorization server must not get it
// either. The slug of such a path is empty.
func mcpSlug(path string) (string, bool) {
	slug, rest, _ := strings.Cut(path[1:], "/")
	switch rest {
	case "mcp":
		return slug, true
	case "mcp/":
		return "", true
	}
	return "", false
}
