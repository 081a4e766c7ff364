package oauthwire

import (
	"errors"
	"net/http"
	"strings"
)

// MaxToken is the longest access token that is looked at, in bytes.
const MaxToken = 8 << 10

var (
	// ErrAbsent says that no access token was presented.
	ErrAbsent = errors.New("no access token")
	// ErrMalformed says that something was presented as an access token and is none.
	ErrMalformed = errors.New("malformed access token")
)

// Token gives the request's access token, and whether it came under the scheme DPoP
// (RFC 9449, section 7.1) instead of Bearer. Only the Authorization header carries
// one: a token in a URL ends up in logs, so it counts as absent. Two headers are
// malformed, because two readers might each believe another one.
func Token(h http.Header) (token string, dpop bool, err error) {
	values := h["Authorization"]
	if len(values) == 0 {
		return "", false, ErrAbsent
	}
	if len(values) > 1 {
		return "", false, ErrMalformed
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		if !strings.EqualFold(scheme, "DPoP") {
			return "", false, ErrAbsent
		}
		dpop = true
	}
	token = strings.Trim(token, " ")
	if token == "" || len(token) > MaxToken {
		return "", dpop, ErrMalformed
	}
	for i := range len(token) {
		if !tokenBytes[token[i]] {
			return "", dpop, ErrMalformed
		}
	}
	return token, dpop, nil
}

// tokenBytes is b64token of RFC 6750, section 2.1.
var tokenBytes = func() (in [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=") {
		in[c] = true
	}
	return in
}()
