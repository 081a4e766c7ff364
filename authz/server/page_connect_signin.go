package server

import (
	"net/http"
	"net/url"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/enduser"
)

// The sign-in at the provider of a runtime's profile (same-user identity). The browser
// leaves only after its person has read which client asks, where the answer goes and
// which provider it is.

// signedIn goes on after a sign-in.
func (s *Server) signedIn(w http.ResponseWriter, attempt string) {
	if flow.IsOwn(attempt) {
		s.redirect(w, ownPath(attempt))
		return
	}
	s.redirect(w, "/consent?attempt="+url.QueryEscape(attempt))
}

// ownPath is the page for which somebody signed in, for no client.
func ownPath(id string) string {
	if hash := flow.LinkOf(id); hash != "" {
		return flow.ConnectPath + "?link=" + hash
	}
	return appsPath
}

// showProfileSignIn is the sign-in page of an attempt whose runtime wants people to
// come by its profile.
func (s *Server) showProfileSignIn(w http.ResponseWriter, r *http.Request, a flow.Attempt, profileID string) {
	req := requestFrom(r.Context())
	card, err := s.connects.Card(r.Context(), req.handle, CardQuery{ProfileID: profileID, UpstreamID: a.Runtime()})
	if err == nil && !card.SignIn {
		err = errs.E(errs.NotFound, "Nobody signs in there.", nil)
	}
	if err != nil {
		s.connectError(w, r, "", err)
		return
	}
	view := enduser.ConnectSignInPage{Page: s.page(r, a), Attempt: a.ID, Profile: card.ProfileID, Name: card.Name, Host: card.Host, Scopes: connectScopes(card.Scopes, false)}
	if flow.IsOwn(a.ID) {
		view.BackHref, view.Scopes = "/sign-in?attempt="+url.QueryEscape(a.ID), nil
	} else {
		view.Runtime, view.Redirect = a.Resource.Name, describeRedirect(a)
		view.Identity = identityOf(a.Client, view.Redirect, req.handle.Name(), s.db.Clock().Now())
	}
	s.render(w, r, http.StatusOK, withSources(formTargets(a), card.Authorization), enduser.ConnectSignIn(view))
}

// connectSignInPage is the same page for no client: a person's own pages, or a link.
func (s *Server) connectSignInPage(w http.ResponseWriter, r *http.Request, id, profileID string) {
	a, ok := s.visit(w, r, id)
	if !ok {
		return
	}
	if a.Next() != flow.StepSignIn {
		s.step(w, a)
		return
	}
	s.showProfileSignIn(w, r, a, profileID)
}

func (s *Server) connectSignIn(w http.ResponseWriter, r *http.Request) {
	a, values, ok := s.submitted(w, r)
	if !ok {
		return
	}
	if a.Next() != flow.StepSignIn {
		s.step(w, a)
		return
	}
	profile := a.SignIn
	if flow.IsOwn(a.ID) {
		profile = values.Get("profile")
	}
	if profile == "" {
		s.step(w, a) // the runtime's people sign in another way
		return
	}
	s.depart(w, r, ConnectStart{ProfileID: profile, UpstreamID: a.Runtime(), SignIn: true, Attempt: a.ID})
}

// profileLinks are the profiles whose people can sign in to their own pages.
func (s *Server) profileLinks(r *http.Request, a flow.Attempt) (links []enduser.ProviderLink, err error) {
	if !flow.IsOwn(a.ID) {
		return nil, nil // a runtime has one way, and it is not a choice
	}
	err = s.db.Read(r.Context(), requestFrom(r.Context()).handle, func(tx *tenancy.Tx) error {
		profiles, err := s.connects.SignIns(tx)
		for _, p := range profiles {
			href := flow.ConnectPath + "?" + url.Values{"attempt": {a.ID}, "profile": {p.ID}}.Encode()
			links = append(links, enduser.ProviderLink{Name: p.Name, Href: href})
		}
		return err
	})
	return links, err
}

// linkedRuntime is the runtime that a link is for, where somebody signs in to go on
// with it; "" for none.
func (s *Server) linkedRuntime(r *http.Request, a flow.Attempt) string {
	hash := flow.LinkOf(a.ID)
	if hash == "" {
		return ""
	}
	link, err := s.connects.OpenLink(r.Context(), requestFrom(r.Context()).handle, hash)
	if err != nil {
		return "" // said after the sign-in
	}
	var resource flow.Resource
	err = s.db.Read(r.Context(), requestFrom(r.Context()).handle, func(tx *tenancy.Tx) (err error) {
		resource, err = s.resources.ByID(tx, link.UpstreamID)
		return err
	})
	if err != nil {
		return ""
	}
	return resource.Name
}
