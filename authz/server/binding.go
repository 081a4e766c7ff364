package server

import (
	"net/http"
	"net/url"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/ids"
)

// bindingCookie names the cookie of one way out and back. Each has its own, so that
// two tabs do not take it from one another.
func bindingCookie(state string) string { return "go_" + ids.Hash(state)[:12] }

// leave sends the browser to another server, at an address that carries a state, after
// its person has approved that. Only the same browser can come back, once.
func (s *Server) leave(w http.ResponseWriter, r *http.Request, attemptID, address string) {
	req := requestFrom(r.Context())
	state := ""
	if u, err := url.Parse(address); err == nil {
		state = u.Query().Get("state")
	}
	value, err := s.flow.Bind(r.Context(), req.handle, req.browser, attemptID, state)
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	setCookie(w, bindingCookie(state), req.issuer, value, int(flow.AttemptLife.Seconds()))
	s.redirect(w, address)
}

// returned is asked first at every return from another server: nothing of its answer
// is looked at before.
func (s *Server) returned(w http.ResponseWriter, r *http.Request, query url.Values) (attemptID string, ok bool) {
	req := requestFrom(r.Context())
	state := query.Get("state")
	name := bindingCookie(state)
	attemptID, err := s.flow.Unbind(r.Context(), req.handle, req.browser, cookie(r, name, req.issuer), state)
	if err != nil {
		s.pageFor(w, r, err)
		return "", false
	}
	setCookie(w, name, req.issuer, "", -1)
	return attemptID, true
}
