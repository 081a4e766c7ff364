package oauthwire

import (
	"errors"
	"net/http"
	"strings"
)

// MaxToken is the longest bearer token that is looked at.
const MaxToken = 8 << 10

var (
	// ErrAbsent says that no bearer token was presented.
	ErrAbsent = errors.New("no bearer token")
	// ErrMalformed says that something was presented as a bearer token and is none.
	ErrMalformed = errors.New("malformed bearer token")
)

// Bearer gives the request's bearer token. Only the Authorization header carries
// one: a token in a URL ends up in logs, so it counts as absent. Two headers are
// malformed, because two readers might each believe another one.
func Bearer(h http.Header) (string, error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", ErrAbsent
	}
	if len(values) > 1 {
		return "", ErrMalformed
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", ErrAbsent
	}
	token = strings.Trim(token, " ")
	if token == "" || len(token) > MaxToken {
		return "", ErrMalformed
	}
	for i := range len(token) {
		if !tokenBytes[token[i]] {
			return "", ErrMalformed
		}
	}
	return token, nil
}

// tokenBytes is b64token of RFC 6750, section 2.1.
var tokenBytes = func() (in [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=") {
		in[c] = true
	}
	return in
}()
