package dpop

import (
	"net/url"
	"strings"
)

// SameURL compares an htu with a request's URL after the normalisation that
// section 4.3 asks for (RFC 3986, sections 6.2.2 and 6.2.3): letters of scheme and
// host, the scheme's own port, an empty path. Query and fragment do not count. One
// slash at the end may be there or not, because clients write both.
func SameURL(htu, own string) bool {
	if htu == own {
		return true
	}
	a, ok := normal(htu)
	if !ok {
		return false
	}
	b, ok := normal(own)
	return ok && a == b
}

func normal(s string) (string, bool) {
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.Host == "" || u.Opaque != "" {
		return "", false
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	return scheme + "://" + host + strings.TrimSuffix(u.EscapedPath(), "/"), true
}
