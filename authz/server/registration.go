package server

import (
	"errors"
	"net/http"
	"os"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/emcy/gateway/authz/server/clients"
)

// registrationPath is a client's own registration (RFC 7592, section 2).
const registrationPath = "/register/{client}"

// managing reads whose registration a request is about, and the proof that it may be.
func managing(r *http.Request) (id, token string) {
	id, _ = matchPath(registrationPath, r.URL.Path)
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return id, ""
	}
	return id, strings.TrimSpace(token)
}

// registrationError names the scheme where the token was not taken (RFC 6750, section 3).
func (s *Server) registrationError(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, clients.ErrManagement) {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	}
	s.writeError(w, r, err)
}

func (s *Server) readRegistration(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	id, token := managing(r)
	out, err := s.clients.ReadRegistration(r.Context(), req.handle, req.issuer, id, token)
	if err != nil {
		s.registrationError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// updateRegistration counts as a registration: a material change costs every edge a reload, and a line of the audit log.
func (s *Server) updateRegistration(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	if wait := s.registrations.Take(req.handle.Tenant(), s.clientIP(r)); wait > 0 {
		s.writeError(w, r, tooManyRegistrations(wait))
		return
	}
	id, token := managing(r)
	var change clients.Change
	if err := readMetadata(r, &change); err != nil {
		s.writeError(w, r, err)
		return
	}
	out, err := s.clients.UpdateRegistration(r.Context(), req.handle, req.issuer, id, token, change)
	if err != nil {
		s.registrationError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

func (s *Server) deleteRegistration(w http.ResponseWriter, r *http.Request) {
	id, token := managing(r)
	if err := s.clients.DeleteRegistration(r.Context(), requestFrom(r.Context()).handle, id, token); err != nil {
		s.registrationError(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readMetadata reads a JSON body into a client's metadata, strictly: what two readers
// could take for two things is refused.
func readMetadata(r *http.Request, into any) error {
	if !isJSONRequest(r) {
		return &oauthError{Code: "invalid_client_metadata", Description: "Send the client's metadata as application/json."}
	}
	err := json.UnmarshalRead(r.Body, into)
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSlowBody
	}
	status := 0
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	return &oauthError{Code: "invalid_client_metadata", Description: "The client's metadata is not a valid JSON object.", Status: status}
}
