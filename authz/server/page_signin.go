package server

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/ui/enduser"
)

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) {
	a, ok := s.visit(w, r, r.URL.Query().Get("attempt"))
	if !ok {
		return
	}
	if a.Next() != flow.StepSignIn {
		s.step(w, a)
		return
	}
	if a.SignIn != "" {
		s.showProfileSignIn(w, r, a, a.SignIn)
		return
	}
	s.showSignIn(w, r, http.StatusOK, a, "", "", nil)
}

func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request, status int, a flow.Attempt, email, summary string, fields map[string]string) {
	links, err := s.providerLinks(r, a)
	if err == nil {
		var more []enduser.ProviderLink
		more, err = s.profileLinks(r, a)
		links = append(links, more...)
	}
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	page := s.page(r, a)
	client, verified := shownName(identityOf(a.Client, describeRedirect(a), page.Tenant, s.db.Clock().Now()))
	s.render(w, r, status, formTargets(a), enduser.SignIn(enduser.SignInPage{
		Page: page, Attempt: a.ID, Client: client, ClientVerified: verified, Runtime: cmp.Or(a.Resource.Name, s.linkedRuntime(r, a)), Providers: links,
		Email: email, Summary: summary, Errors: fields,
	}))
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	a, values, ok := s.submitted(w, r)
	if !ok {
		return
	}
	if a.SignIn != "" {
		s.step(w, a) // a password is not how people come to this runtime
		return
	}
	req := requestFrom(r.Context())
	email := strings.TrimSpace(values.Get("email"))
	missing := map[string]string{}
	if email == "" {
		missing["email"] = "Type the e-mail address of your account."
	}
	if values.Get("password") == "" {
		missing["password"] = "Type your password."
	}
	if len(missing) > 0 {
		s.showSignIn(w, r, http.StatusUnprocessableEntity, a, email, "", missing)
		return
	}
	session, err := s.flow.SignIn(r.Context(), req.handle, req.issuer, email, values.Get("password"), s.clientIP(r).String(), cookie(r, sessionCookie, req.issuer))
	switch errs.KindOf(err) { //nolint:exhaustive // what is not listed is a page of its own
	case errs.Unauthenticated, errs.Forbidden:
		s.showSignIn(w, r, http.StatusUnprocessableEntity, a, email, errs.Public(err), nil)
		return
	case errs.RateLimited:
		if e, ok := errors.AsType[*errs.Error](err); ok && e.RetryAfter > 0 {
			w.Header().Set("Retry-After", retryAfter(e.RetryAfter))
		}
		s.showSignIn(w, r, http.StatusTooManyRequests, a, email, errs.Public(err), nil)
		return
	}
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	setCookie(w, sessionCookie, req.issuer, session, int(flow.SessionLife.Seconds()))
	s.signedIn(w, a.ID)
}

// signOut is "not you?": the session ends and the attempt goes on at the sign-in.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	a, _, ok := s.submitted(w, r)
	if !ok {
		return
	}
	req := requestFrom(r.Context())
	if err := s.flow.SignOut(r.Context(), req.handle, cookie(r, sessionCookie, req.issuer)); err != nil {
		s.pageFor(w, r, err)
		return
	}
	setCookie(w, sessionCookie, req.issuer, "", -1)
	s.redirect(w, "/sign-in?attempt="+url.QueryEscape(a.ID))
}
