package clients

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// dangerousSchemes run code or read files in a browser, or are the browser's own.
var dangerousSchemes = []string{"javascript", "data", "vbscript", "file", "blob", "about", "view-source", "ws", "wss", "ftp", "mailto", "tel", "filesystem", "intent", "chrome", "content", "jar"}

// listedSchemes are private-use schemes of clients that people really have, which
// lack the dot that RFC 8252, section 7.1, asks for.
var listedSchemes = []string{"cursor", "vscode", "vscode-insiders", "windsurf", "zed", "claude", "goose", "warp", "raycast"}

const maxRedirectURI = 2048

// Registrable says whether a redirect URI may be registered: https, http on
// loopback, or a private-use scheme (RFC 8252, section 7).
func Registrable(raw string) bool {
	u, ok := parseRedirect(raw)
	if !ok {
		return false
	}
	switch {
	case u.Scheme == "https":
		return true
	case u.Scheme == "http":
		return isLoopback(u)
	case slices.Contains(dangerousSchemes, u.Scheme):
		return false
	}
	return strings.Contains(u.Scheme, ".") || slices.Contains(listedSchemes, u.Scheme)
}

// registrable keeps those of the URIs that may be registered.
func registrable(uris []string) []string {
	var out []string
	for _, uri := range uris {
		if Registrable(uri) {
			out = append(out, uri)
		}
	}
	return out
}

// parseRedirect refuses what a browser and we might read differently.
func parseRedirect(raw string) (*url.URL, bool) {
	if raw == "" || len(raw) > maxRedirectURI || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '\\' || r > 0x7e }) {
		return nil, false
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.User != nil || u.Fragment != "" || strings.HasSuffix(raw, "#") {
		return nil, false
	}
	if (u.Scheme == "http" || u.Scheme == "https") && (u.Opaque != "" || !plainHost(u)) {
		return nil, false
	}
	// The scheme must be written in lower case already: the bytes are what is compared later.
	return u, strings.HasPrefix(raw, u.Scheme+":")
}

// plainHost takes a host name or address and, behind it, a port that a browser can
// connect to. net/url also takes the punctuation with which a host could write
// directives of its own into the page's Content-Security-Policy.
func plainHost(u *url.URL) bool {
	name, port := u.Hostname(), u.Port()
	if strings.HasPrefix(u.Host, "[") {
		addr, err := netip.ParseAddr(name)
		if err != nil || addr.Zone() != "" {
			return false
		}
	} else if name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
		return false
	}
	if port == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0 && port[0] != '0'
}

// isLoopback tells the three literal loopback hosts. Other addresses of 127/8 and
// names that resolve to loopback are not among them.
func isLoopback(u *url.URL) bool {
	switch u.Hostname() {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return false
}

// MatchRedirect finds the registered URI that the requested one equals: byte for
// byte, or, for http on loopback, in everything but the port (RFC 8252, section
// 7.3; extended to the name localhost because clients use it).
func MatchRedirect(registered []string, requested string) bool {
	if slices.Contains(registered, requested) {
		return true
	}
	want, ok := parseRedirect(requested)
	if !ok || want.Scheme != "http" || !isLoopback(want) {
		return false
	}
	for _, r := range registered {
		have, ok := parseRedirect(r)
		if ok && have.Scheme == "http" && have.Hostname() == want.Hostname() && withoutPort(r, have) == withoutPort(requested, want) {
			return true
		}
	}
	return false
}

// withoutPort cuts the port out of the bytes as they were sent, so that nothing
// else is normalised on the way.
func withoutPort(raw string, u *url.URL) string {
	_, port, err := net.SplitHostPort(u.Host)
	if err != nil {
		return raw // no port
	}
	i := strings.Index(raw, u.Host)
	if i < 0 {
		return raw
	}
	end := i + len(u.Host)
	return raw[:end-len(port)-1] + raw[end:]
}
