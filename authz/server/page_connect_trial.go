package server

import (
	"net/http"
	"net/url"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/ui/enduser"
)

// connectLink opens what stands in a path: a link's token, or the profile of a test
// with the console's ticket. A token goes on by its hash, so that it is in no other
// address and no log.
func (s *Server) connectLink(w http.ResponseWriter, r *http.Request) {
	token, _ := matchPath(connectLinkPath, r.URL.Path)
	if ticket := r.URL.Query().Get("trial"); ticket != "" {
		s.connectTrialPage(w, r, token, ticket)
		return
	}
	hash := s.connects.LinkHash(token)
	if hash == "" {
		s.nothingHere(w, r, requestFrom(r.Context()).issuer)
		return
	}
	s.redirect(w, flow.ConnectPath+"?link="+hash)
}

func (s *Server) connectTrialPage(w http.ResponseWriter, r *http.Request, profileID, ticket string) {
	req := requestFrom(r.Context())
	card, err := s.connects.Card(r.Context(), req.handle, CardQuery{ProfileID: profileID, Trial: ticket})
	if err != nil {
		s.connectError(w, r, "", err)
		return
	}
	if req.browser == "" {
		setBrowser(w, req.issuer) // a trial starts here, without an attempt before it
	}
	s.render(w, r, http.StatusOK, withSources("'self'", card.Authorization), enduser.ConnectTrialStart(enduser.ConnectTrialPage{
		Page: s.page(r, flow.Attempt{}), Name: card.Name, Host: card.Host, Profile: card.ProfileID, Ticket: ticket, Scopes: connectScopes(card.Scopes, false),
	}))
}

// connectTrial begins a test: the ticket is its own proof, because only the console
// makes one.
func (s *Server) connectTrial(w http.ResponseWriter, r *http.Request, values url.Values) {
	if !sameOriginPost(r, requestFrom(r.Context()).issuer) {
		s.pageFor(w, r, errs.E(errs.Forbidden, "This form came from another page. Start the test again from the console.", nil))
		return
	}
	s.depart(w, r, ConnectStart{ProfileID: values.Get("profile"), Trial: values.Get("trial")})
}

func connectTrialPage(page enduser.Page, result ConnectResult) enduser.ConnectTrialResult {
	view := enduser.ConnectTrialResult{Page: page, Name: result.Profile, Warnings: result.Trial.Warnings, Scopes: result.Trial.Scopes, Refused: result.Trial.Refused}
	for _, f := range result.Trial.Facts {
		view.Facts = append(view.Facts, enduser.TrialFact(f))
	}
	for _, c := range result.Trial.Claims {
		view.Claims = append(view.Claims, enduser.TrialFact(c))
	}
	return view
}
