package server

import (
	"mime"
	"net/http"
	"time"

	"github.com/emcy/gateway/authz/server/clients"
)

// register is dynamic client registration (RFC 7591).
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	if wait := s.registrations.Take(req.handle.Tenant(), s.clientIP(r)); wait > 0 {
		s.writeError(w, r, tooManyRegistrations(wait))
		return
	}
	var asked clients.Metadata
	if err := readMetadata(r, &asked); err != nil {
		s.writeError(w, r, err)
		return
	}
	out, err := s.clients.Register(r.Context(), req.handle, req.issuer, asked)
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, out)
}

func tooManyRegistrations(wait time.Duration) *oauthError {
	return &oauthError{Code: "temporarily_unavailable", Description: "Too many registrations from this address. Try again later.", Status: http.StatusTooManyRequests, RetryAfter: wait}
}

func isJSONRequest(r *http.Request) bool {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && media == "application/json"
}
