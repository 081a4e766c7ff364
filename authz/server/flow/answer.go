package flow

import (
	"net/url"
	"strings"
)

// ErrorURL is an error response at a redirect URI (RFC 6749, section 4.1.2.1; RFC
// 9207, section 2).
func ErrorURL(redirectURI, code, description, state, issuer string) string {
	return answerURL(redirectURI, [][2]string{{"error", code}, {"error_description", description}, {"state", state}, {"iss", issuer}})
}

// answerURL adds an authorization response to a redirect URI (RFC 6749, section
// 4.1.2; RFC 9207). The URI's own bytes stay as they were registered.
func answerURL(redirectURI string, params [][2]string) string {
	sep := "?"
	if strings.Contains(redirectURI, "?") {
		sep = "&"
	}
	var q strings.Builder
	_, _ = q.WriteString(redirectURI)
	for _, p := range params {
		if p[1] == "" {
			continue
		}
		_, _ = q.WriteString(sep + url.QueryEscape(p[0]) + "=" + url.QueryEscape(p[1]))
		sep = "&"
	}
	return q.String()
}
