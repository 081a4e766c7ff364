package server

import (
	"errors"
	"mime"
	"net/http"
	"os"

	"github.com/go-json-experiment/json"

	"github.com/emcy/gateway/tenancy"
)

// register is dynamic client registration (RFC 7591) of public clients.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	if wait := s.registrations.take(req.handle.Tenant(), s.clientIP(r)); wait > 0 {
		s.writeError(w, r, &oauthError{Code: "temporarily_unavailable", Description: "Too many registrations from this address. Try again later.", Status: http.StatusTooManyRequests, RetryAfter: wait})
		return
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		s.writeError(w, r, &oauthError{Code: "invalid_client_metadata", Description: "Send the client's metadata as application/json."})
		return
	}
	var asked metadata
	if err := json.UnmarshalRead(r.Body, &asked); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.writeError(w, r, errSlowBody)
			return
		}
		status := 0
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		s.writeError(w, r, &oauthError{Code: "invalid_client_metadata", Description: "The client's metadata is not a valid JSON object.", Status: status})
		return
	}
	accepted, refused := asked.accept()
	if refused != nil {
		s.writeError(w, r, refused)
		return
	}
	var out registered
	err = s.db.Write(r.Context(), req.handle, func(tx *tenancy.Tx) (err error) {
		out, refused, err = register(tx, accepted)
		return err
	})
	switch {
	case err != nil:
		s.writeError(w, r, err)
	case refused != nil:
		s.writeError(w, r, refused)
	default:
		writeJSON(w, http.StatusCreated, out)
	}
}
