package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/ui/enduser"
)

// The sign-in at a tenant's own provider: the page before the browser leaves, the form
// that sends it away, and the callback that it comes back to.
const (
	providerPath = "/sign-in/{provider}"
	callbackPath = "/callback/{provider}"
)

// Providers are the tenants' sign-in providers, for the console.
func (s *Server) Providers() *idp.Providers { return s.idp }

// providerLinks are the ways to sign in beside a member's password.
func (s *Server) providerLinks(r *http.Request, a flow.Attempt) (links []enduser.ProviderLink, err error) {
	err = s.db.Read(r.Context(), requestFrom(r.Context()).handle, func(tx *tenancy.Tx) error {
		providers, err := idp.Enabled(tx)
		for _, p := range providers {
			links = append(links, enduser.ProviderLink{Name: p.Name, Href: "/sign-in/" + p.ID + "?attempt=" + url.QueryEscape(a.ID)})
		}
		return err
	})
	return links, err
}

func (s *Server) providerPage(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	id, _ := matchPath(providerPath, r.URL.Path)
	query := r.URL.Query()
	view := enduser.ProviderPage{Action: r.URL.Path, Trial: query.Get("trial")}
	var a flow.Attempt
	if view.Trial == "" {
		var ok bool
		if a, ok = s.visit(w, r, query.Get("attempt")); !ok {
			return
		}
		if a.Next() != flow.StepSignIn || a.SignIn != "" {
			s.step(w, a)
			return
		}
		view.Attempt, view.Client, view.Runtime = a.ID, a.Client.Name, a.Resource.Name
		view.BackHref = "/sign-in?attempt=" + url.QueryEscape(a.ID)
	}
	provider, err := s.idp.For(r.Context(), req.handle, id, view.Trial)
	if err != nil {
		s.providerError(w, r, err)
		return
	}
	if req.browser == "" {
		setBrowser(w, req.issuer) // a trial starts here, without an attempt before it
	}
	issuer, _ := url.Parse(provider.Issuer) // it was parsed when it was stored
	view.Page, view.Name, view.Host = s.page(r, a), provider.Name, issuer.Host
	s.render(w, r, http.StatusOK, strings.Join(append([]string{formTargets(a)}, s.idp.FormSources(r.Context(), provider)...), " "), enduser.ProviderSignIn(view))
}

func (s *Server) providerStart(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	id, _ := matchPath(providerPath, r.URL.Path)
	start := idp.Start{ProviderID: id, Browser: req.browser, Origin: req.issuer}
	values, err := form(r)
	if err == nil && values.Has("trial") {
		start.Trial = values.Get("trial") // its own proof: only the console makes one
		if !sameOriginPost(r, req.issuer) {
			s.pageFor(w, r, errs.E(errs.Forbidden, "This form came from another page. Start the test again from the console.", nil))
			return
		}
	} else {
		a, _, ok := s.submitted(w, r)
		if !ok {
			return
		}
		if a.Next() != flow.StepSignIn || a.SignIn != "" {
			s.step(w, a)
			return
		}
		start.Attempt = a.ID
	}
	if wait := s.attempts.Take(req.handle.Tenant(), s.clientIP(r)); wait > 0 {
		w.Header().Set("Retry-After", retryAfter(wait))
		s.pageFor(w, r, errs.E(errs.RateLimited, "Too many sign-ins were started from this address.", nil))
		return
	}
	address, err := s.idp.Begin(r.Context(), req.handle, start)
	if err != nil {
		s.providerError(w, r, err)
		return
	}
	s.leave(w, r, start.Attempt, address)
}

func (s *Server) providerCallback(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	id, _ := matchPath(callbackPath, r.URL.Path)
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || single(query) != nil || !idp.ValidID(id) {
		query = nil // it has no state then, and is refused like any other that is not expected
	}
	attempt, ok := s.returned(w, r, query)
	if !ok {
		return
	}
	trace.UseAttempt(r.Context(), attempt)
	result, err := s.idp.Finish(r.Context(), req.handle, idp.Answer{ProviderID: id, Query: query, Browser: req.browser, Origin: req.issuer})
	if err != nil {
		s.providerError(w, r, err)
		return
	}
	if result.Trial != nil {
		s.render(w, r, http.StatusOK, "'self'", enduser.TrialResult(trialPage(s.page(r, flow.Attempt{}), result.Trial)))
		return
	}
	session, err := s.flow.StartSession(r.Context(), req.handle, req.issuer, result.User.ID, "provider", cookie(r, sessionCookie, req.issuer))
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	setCookie(w, sessionCookie, req.issuer, session, int(flow.SessionLife.Seconds()))
	s.signedIn(w, result.Attempt)
}

// providerError shows why a sign-in at a provider does not go on.
func (s *Server) providerError(w http.ResponseWriter, r *http.Request, err error) {
	refused, ok := errors.AsType[*idp.Refused](err)
	if !ok {
		s.pageFor(w, r, err)
		return
	}
	s.errorPage(w, r, refused.Status, pageError{code: refused.Code, title: "You are not signed in", text: refused.Text, cure: refused.Cure}, err)
}

func trialPage(page enduser.Page, t *idp.Trial) enduser.TrialPage {
	view := enduser.TrialPage{Page: page, Name: t.Provider.Name, Refusal: t.Refusal, Facts: []enduser.TrialFact{
		{Name: "Subject", Value: t.Subject}, {Name: "E-mail", Value: t.Email}, {Name: "Name", Value: t.Name}, {Name: "Groups", Value: strconv.Itoa(t.Groups)},
	}}
	if len(t.Provider.AllowedGroups) > 0 {
		view.Facts = append(view.Facts, enduser.TrialFact{Name: "Allowed groups among them", Value: strconv.Itoa(t.Matched)})
	}
	for _, c := range t.Claims {
		view.Claims = append(view.Claims, enduser.TrialFact{Name: c.Name, Value: c.Kind})
	}
	return view
}

// EndUser is somebody whom a provider of the tenant's lets in.
func (lookup) EndUser(tx *tenancy.Tx, id string) (flow.Person, error) {
	u, active, err := idp.Active(tx, id)
	if err != nil {
		return flow.Person{}, err
	}
	if !active {
		return flow.Person{}, errs.E(errs.NotFound, "This account is gone.", nil)
	}
	return flow.Person{ID: u.ID, Name: u.Name, Email: u.Email}, nil
}

// subjectsAtOnce bounds the people whom one query names.
const subjectsAtOnce = 500

// endSubjects ends every session and token of people who may not sign in any more.
func (s *Server) endSubjects(tx *tenancy.Tx, subjects []string, reason string) error {
	return s.EndSignIns(tx, subjects, "", reason)
}

// EndSignIns ends the tokens of people at a runtime, or at all of them together with
// their sessions where upstreamID is empty.
func (s *Server) EndSignIns(tx *tenancy.Tx, subjects []string, upstreamID, reason string) error {
	for chunk := range slices.Chunk(subjects, subjectsAtOnce) {
		find := tx.DB().Where("subject IN ? AND revoked_at IS NULL", chunk)
		if upstreamID != "" {
			find = find.Where("upstream_id = ?", upstreamID)
		}
		var families []familyRow
		if err := find.Find(&families).Error; err != nil {
			return fmt.Errorf("list token families of people: %w", err)
		}
		for _, family := range families {
			if err := s.revokeFamily(tx, family, reason); err != nil {
				return err
			}
		}
		if upstreamID != "" {
			continue
		}
		for _, subject := range chunk {
			if err := flow.EndSessions(tx, subject); err != nil {
				return err
			}
		}
	}
	return nil
}
