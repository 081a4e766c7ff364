package httpx

import (
	"errors"
	"net/url"
	"strings"
)

// ParseOrigin reads an origin: scheme, host and port, nothing behind them. It is
// given back normalised: lower case, without a default port or trailing slash.
func ParseOrigin(raw string) (string, *url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(raw, "/"))
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil || u.Opaque != "" {
		return "", nil, errors.New("it must be an origin such as https://console.example.com: scheme and host, nothing behind them")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return "", nil, errors.New("it must start with https:// or http://")
	}
	u.Host = strings.ToLower(u.Host)
	if u.Scheme == "https" {
		u.Host = strings.TrimSuffix(u.Host, ":443")
	} else {
		u.Host = strings.TrimSuffix(u.Host, ":80")
	}
	return u.Scheme + "://" + u.Host, u, nil
}

// IsLoopbackHost tells the names that mean this machine.
func IsLoopbackHost(host string) bool {
	return host == "localhost" || host == "127.0.0.1" || host == "::1" || strings.HasSuffix(host, ".localhost")
}
