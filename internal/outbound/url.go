package outbound

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// CheckURL reads a URL by the strict rule: https, a public host, and nothing in it that two programs
// could read differently. The result is normalised (scheme and host in lower case, no default port, a
// path) and is what is to be stored and compared. It resolves no name: the address is checked when it is
// dialled.
func CheckURL(raw string) (*url.URL, error) { return checkURL(raw, newGuard(Config{})) }

// CheckURL reads a URL by the rule of the client's configuration.
func (c *Client) CheckURL(raw string) (*url.URL, error) { return checkURL(raw, c.guard) }

func badURL(words string) *Error { return fail(KindURL, words, nil) }

func checkURL(raw string, g *guard) (*url.URL, error) {
	if err := checkSpelling(raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, badURL("this is not a URL")
	}
	switch {
	case u.Opaque != "" || u.Host == "":
		return nil, badURL("a full URL is needed, such as https://host/mcp")
	case u.Scheme == "http" && !g.allowPrivate:
		return nil, badURL("only https is allowed")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, badURL("only https is allowed")
	case u.User != nil:
		return nil, badURL("the URL must not hold a user name or a password")
	case dotSegment(u.EscapedPath()):
		return nil, badURL("the path must not hold . or .. segments")
	}
	if u.Host, err = g.authority(u.Scheme, u.Host); err != nil {
		return nil, err
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// checkSpelling refuses bytes that make a URL mean different things to different readers.
func checkSpelling(raw string) *Error {
	if raw == "" {
		return badURL("a URL is needed, such as https://host/mcp")
	}
	if len(raw) > MaxURL {
		return badURL("the URL is longer than " + strconv.Itoa(MaxURL) + " characters")
	}
	for i := range len(raw) {
		switch c := raw[i]; {
		case c <= ' ' || c == 0x7f:
			return badURL("the URL holds spaces or control characters")
		case c > 0x7f:
			return badURL("the URL holds characters outside ASCII: write the host as xn--… and the path percent-encoded")
		case c == '\\':
			return badURL("the URL holds a backslash")
		case c == '#':
			return badURL("the URL must not hold a fragment (#)")
		}
	}
	if _, rest, found := strings.Cut(raw, "://"); found {
		end := strings.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		switch {
		case strings.Contains(rest[:end], "@"):
			return badURL("the URL must not hold a user name or a password")
		case strings.Contains(rest[:end], "%"):
			return badURL("the host must not hold percent signs")
		}
	}
	return nil
}

func dotSegment(path string) bool {
	for _, segment := range strings.Split(path, "/") {
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case ".", "..":
			return true
		}
	}
	return false
}

// authority checks host and port and returns them normalised.
func (g *guard) authority(scheme, hostport string) (string, error) {
	host, port, err := splitPort(hostport)
	if err != nil {
		return "", err
	}
	if host, err = g.host(host); err != nil {
		return "", err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || scheme == "https" && port == "443" || scheme == "http" && port == "80" {
		return host, nil
	}
	return host + ":" + port, nil
}

// splitPort returns host and port, without the brackets of an IPv6 address.
func splitPort(hostport string) (string, string, error) {
	host, port, hasPort := strings.Cut(hostport, ":")
	if inner, bracketed := strings.CutPrefix(hostport, "["); bracketed {
		address, rest, closed := strings.Cut(inner, "]")
		if !closed || !strings.Contains(address, ":") || rest != "" && rest[0] != ':' {
			return "", "", badURL("the host is not valid")
		}
		host, hasPort = address, rest != ""
		port = strings.TrimPrefix(rest, ":")
	}
	if !hasPort {
		return host, "", nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return "", "", badURL("the port is not valid")
	}
	return host, port, nil
}

// host checks a host without port and brackets and returns it normalised.
func (g *guard) host(host string) (string, error) {
	host = strings.ToLower(host)
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" || addr.Is4In6() {
			return "", badURL("the address is not in its plain form")
		}
		if err := g.addr(addr); err != nil {
			return "", fail(KindAddress, wordsAddress, err)
		}
		return addr.String(), nil
	}
	labels := strings.Split(host, ".")
	if host == "" || len(host) > 253 {
		return "", badURL("the host is not valid")
	}
	for _, label := range labels {
		if !validLabel(label) {
			return "", badURL("the host name is not valid")
		}
	}
	// A last label that is a number makes some readers take the whole for an IPv4 address.
	if numeric(labels[len(labels)-1]) {
		return "", badURL("the address is not in its plain form")
	}
	local := len(labels) == 1 || labels[len(labels)-1] == "localhost"
	if local && !g.allowPrivate {
		return "", fail(KindAddress, wordsAddress, errAddress)
	}
	return host, nil
}

func validLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func numeric(label string) bool {
	digits, hex := strings.CutPrefix(label, "0x")
	for i := range len(digits) {
		c := digits[i]
		if (c < '0' || c > '9') && (!hex || c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
