package server

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"os"

	"github.com/emcy/gateway/authz/server/oplib"
)

// repeatable parameters may stand more than once (RFC 8707, section 2).
var repeatable = map[string]bool{"resource": true}

// single refuses a repeated parameter (RFC 6749, sections 3.1 and 3.2): two readers
// may each take another one.
func single(values url.Values) error {
	for name, v := range values {
		if len(v) > 1 && !repeatable[name] {
			return &oauthError{Code: "invalid_request", Description: "A parameter is there more than once."}
		}
	}
	return nil
}

// form reads a form body: nothing of a POST may stand in its URL, where it would
// be logged.
func form(r *http.Request) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, &oauthError{Code: "invalid_request", Description: "Send the parameters as application/x-www-form-urlencoded."}
	}
	if r.URL.RawQuery != "" {
		return nil, &oauthError{Code: "invalid_request", Description: "Send the parameters in the body, not in the URL."}
	}
	err = r.ParseForm()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, errSlowBody
	}
	if err != nil {
		return nil, &oauthError{Code: "invalid_request", Description: "The form cannot be read, or is too large."}
	}
	return r.PostForm, single(r.PostForm)
}

// formEndpoint guards the library's token and revocation endpoints.
func (s *Server) formEndpoint(w http.ResponseWriter, r *http.Request) {
	values, err := form(r)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	if grant := values.Get("grant_type"); r.URL.Path == oplib.TokenPath && grant != "" {
		if err := s.checkGrant(r.Context(), grant); err != nil {
			s.writeError(w, r, err)
			return
		}
	}
	s.op.ServeHTTP(&tokenWriter{ResponseWriter: w, basic: r.Header.Get("Authorization") != ""}, r)
}

// tokenWriter adds the headers that the library leaves out (RFC 6749, section 5).
type tokenWriter struct {
	http.ResponseWriter
	// basic tells that the client tried the Authorization header, whose refusal names the
	// scheme (RFC 6749, section 5.2).
	basic bool
}

// Unwrap lets a response controller through.
func (w *tokenWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *tokenWriter) WriteHeader(status int) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	if status == http.StatusUnauthorized && w.basic {
		h.Set("WWW-Authenticate", `Basic realm="token"`)
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.ResponseWriter.WriteHeader(status)
}
