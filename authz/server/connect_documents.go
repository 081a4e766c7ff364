package server

import "net/http"

// Our own client metadata document per profile, for providers that take such a
// document's address as a client ID, and the public keys of that client.
const (
	clientDocumentPath = "/oauth/client/{profile}"
	clientKeysPath     = "/oauth/client/{profile}/jwks"
)

func (s *Server) clientDocument(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	id, _ := matchPath(clientDocumentPath, r.URL.Path)
	body, err := s.connects.ClientDocument(r.Context(), req.handle, req.issuer, id)
	s.writeDocument(w, r, body, err)
}

func (s *Server) clientKeys(w http.ResponseWriter, r *http.Request) {
	id, _ := matchPath(clientKeysPath, r.URL.Path)
	body, err := s.connects.ClientKeys(r.Context(), requestFrom(r.Context()).handle, id)
	s.writeDocument(w, r, body, err)
}

func (s *Server) writeDocument(w http.ResponseWriter, r *http.Request, body []byte, err error) {
	if gone(err) {
		err = errNothingHere
	}
	if err != nil {
		s.writeError(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=60")
	_, _ = w.Write(body) // the provider may be gone, which nobody can help
}
