package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/ui/enduser"
)

const sessionCookie = "session"

// visit reads the attempt that a page or form is about. Where it is gone, the
// answer has been written and ok is false.
func (s *Server) visit(w http.ResponseWriter, r *http.Request, id string) (a flow.Attempt, ok bool) {
	req := requestFrom(r.Context())
	a, err := s.flow.Visit(r.Context(), req.handle, req.issuer, id, req.browser, cookie(r, sessionCookie, req.issuer))
	if err != nil {
		s.pageFor(w, r, err)
		return flow.Attempt{}, false
	}
	return a, true
}

// submitted reads a posted form, its attempt and its token.
func (s *Server) submitted(w http.ResponseWriter, r *http.Request) (a flow.Attempt, values url.Values, ok bool) {
	values, err := form(r)
	if err == error(errSlowBody) { //nolint:errorlint // a sentinel that is returned bare
		s.slowPage(w, r)
		return flow.Attempt{}, nil, false
	}
	if err != nil || !sameOriginPost(r, requestFrom(r.Context()).issuer) {
		s.pageFor(w, r, errs.E(errs.Forbidden, "This form came from another page. Go back, reload and try again.", err))
		return flow.Attempt{}, nil, false
	}
	a, ok = s.visit(w, r, values.Get("attempt"))
	if !ok {
		return flow.Attempt{}, nil, false
	}
	if err := a.CheckCSRF(values.Get("csrf")); err != nil {
		s.pageFor(w, r, err)
		return flow.Attempt{}, nil, false
	}
	return a, values, true
}

// sameOriginPost believes the browser about where a form came from. "none" is the
// person's own act, such as a reload. Under no-referrer a browser names the origin of
// its own page "null", so Origin is asked only where Sec-Fetch-Site is missing. Who
// sends neither still needs the token.
func sameOriginPost(r *http.Request, issuer string) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin" || site == "none"
	}
	origin := r.Header.Get("Origin")
	return origin == "" || origin == "null" || origin == issuer
}

// step sends the browser to where its attempt stands; every move goes through here.
func (s *Server) step(w http.ResponseWriter, r *http.Request, a flow.Attempt) {
	to := "/" + string(a.Next()) + "?attempt=" + url.QueryEscape(a.ID)
	if a.Next() == flow.StepAnswer {
		to = a.Answer
	}
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func (s *Server) signInPage(w http.ResponseWriter, r *http.Request) {
	a, ok := s.visit(w, r, r.URL.Query().Get("attempt"))
	if !ok {
		return
	}
	if a.Next() != flow.StepSignIn {
		s.step(w, r, a)
		return
	}
	s.showSignIn(w, r, http.StatusOK, a, "", "", nil)
}

func (s *Server) showSignIn(w http.ResponseWriter, r *http.Request, status int, a flow.Attempt, email, summary string, fields map[string]string) {
	// An attempt that another tab has decided goes on to the client from here, too.
	s.render(w, r, status, "'self' "+formTarget(a.RedirectURI), enduser.SignIn(enduser.SignInPage{
		Page: s.page(r, a), Attempt: a.ID, Client: a.Client.Name, Runtime: a.Resource.Name, Email: email, Summary: summary, Errors: fields,
	}))
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	a, values, ok := s.submitted(w, r)
	if !ok {
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
	s.redirect(w, "/consent?attempt="+url.QueryEscape(a.ID))
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

func (s *Server) consentPage(w http.ResponseWriter, r *http.Request) {
	a, ok := s.visit(w, r, r.URL.Query().Get("attempt"))
	if !ok {
		return
	}
	if a.Next() != flow.StepConsent {
		s.step(w, r, a)
		return
	}
	kind, shown := describeRedirect(a.RedirectURI)
	s.render(w, r, http.StatusOK, "'self' "+formTarget(a.RedirectURI), enduser.Consent(enduser.ConsentPage{
		Page: s.page(r, a), Attempt: a.ID, Client: a.Client.Name, ClientKind: "It registered itself; nobody has checked this name.", Redirect: enduser.Redirect{Kind: kind, Shown: shown},
		Runtime: a.Resource.Name, MCPURL: resourceURL(a.Issuer, a.Resource.Slug), Scopes: describeScopes(a.Scopes, a.Resource.Name),
		AccountName: a.Person.Name, AccountEmail: a.Person.Email, SwitchAction: "/sign-out",
		Duration: "Until you or an administrator ends it, or 90 days have passed.",
	}))
}

func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	a, values, ok := s.submitted(w, r)
	if !ok {
		return
	}
	decision := values.Get("decision")
	if decision != "allow" && decision != "deny" {
		s.redirect(w, "/consent?attempt="+url.QueryEscape(a.ID))
		return
	}
	if a.Next() == flow.StepSignIn {
		s.step(w, r, a)
		return
	}
	req := requestFrom(r.Context())
	to, err := s.flow.Decide(r.Context(), req.handle, a, req.browser, decision == "allow")
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	s.redirect(w, to)
}

// redirect answers a form: 303, so that the body is not sent again (RFC 9700,
// section 4.12).
func (s *Server) redirect(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.WriteHeader(http.StatusSeeOther)
}

func (s *Server) page(r *http.Request, a flow.Attempt) enduser.Page {
	req := requestFrom(r.Context())
	u, _ := url.Parse(req.issuer) // the issuer was parsed when it was stored
	return enduser.Page{Tenant: req.handle.Name(), Host: u.Host, CSRF: a.CSRF}
}

// describeRedirect says in words where the answer goes.
func describeRedirect(redirectURI string) (kind, shown string) {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil:
		return enduser.RedirectApp, ""
	case u.Scheme == "http":
		return enduser.RedirectLoopback, u.Host
	case u.Scheme == "https":
		return enduser.RedirectWeb, u.Host
	}
	return enduser.RedirectApp, u.Scheme
}

// formTarget is where a form may lead, as CSP sources. Chromium checks every
// redirect that follows a form, and clients' own callbacks redirect on, often to
// another host or port; and it knows no IPv6 addresses there.
func formTarget(redirectURI string) string {
	u, err := url.Parse(redirectURI)
	switch {
	case err != nil:
		return ""
	case u.Scheme == "https":
		return "https:"
	case u.Scheme == "http" && strings.Contains(u.Hostname(), ":"):
		return "http: https:"
	case u.Scheme == "http":
		return "http://localhost:* http://127.0.0.1:* https:"
	}
	return u.Scheme + ":"
}

// describeScopes says what a yes gives. Staying connected is no scope there: every
// client gets a refresh token, whether it asked for one or not.
func describeScopes(scopes authz.Scopes, runtime string) []enduser.Scope {
	var out []enduser.Scope
	if scopes.Has(authz.ScopeMCP) {
		out = append(out, enduser.Scope{ID: authz.ScopeMCP, Title: "Use " + runtime + " as you", Text: "Read what it offers and call all of its tools, including those that change something."})
	}
	return append(out, enduser.Scope{Title: "Stay connected", Text: "Go on using it when you are not there, without asking you to sign in each time."})
}

// pageError is a page for a person whose request cannot go on.
type pageError struct{ code, title, text, cure string }

// pageFor shows an error by its kind; its cause goes to the log only.
func (s *Server) pageFor(w http.ResponseWriter, r *http.Request, err error) {
	p := pageError{text: errs.Public(err), cure: "Start again from the app that you want to connect."}
	status := http.StatusInternalServerError
	switch errs.KindOf(err) {
	case errs.NotFound:
		status, p.code, p.title = http.StatusNotFound, "expired", "This page is no longer valid"
	case errs.Forbidden, errs.Unauthenticated:
		status, p.code, p.title = http.StatusForbidden, "forbidden", "This was not accepted"
	case errs.Invalid, errs.Conflict, errs.Stale, errs.NeedsConsent, errs.BudgetExceeded, errs.DownstreamRejected:
		status, p.code, p.title = http.StatusBadRequest, "invalid_request", "This request cannot be served"
	case errs.RateLimited:
		status, p.code, p.title, p.cure = http.StatusTooManyRequests, "slow_down", "Please wait a moment", "Wait some minutes, then try again."
	case errs.Unavailable, errs.Canceled, errs.UpstreamFailed:
		status, p.code, p.title, p.cure = http.StatusServiceUnavailable, "temporarily_unavailable", "The service is busy", "Reload this page in a moment; nothing is lost."
	case errs.Internal:
		p.code, p.title, p.cure = "server_error", "Something went wrong on our side", "Reload this page. If it happens again, tell the workspace's owner the number below."
	}
	s.errorPage(w, r, status, p, err)
}

func (s *Server) errorPage(w http.ResponseWriter, r *http.Request, status int, p pageError, cause ...error) {
	requestID := ids.NewAt("req", s.db.Clock().Now())
	level := slog.LevelInfo // what the person sees and may quote
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if status >= http.StatusBadRequest {
		s.log.Log(r.Context(), level, "end-user page refused", logx.RequestID, requestID, logx.Path, r.URL.Path, "code", p.code, logx.Err, errors.Join(cause...))
	}
	s.render(w, r, status, "'self'", enduser.ErrorPage(enduser.ErrorPageView{
		Page: s.page(r, flow.Attempt{}), Code: p.code, Title: p.title, Text: p.text, Cure: p.cure, RequestID: requestID,
	}))
}

// pageHeaders allow a page nothing but its own style, and forms to the given places.
func (s *Server) pageHeaders(w http.ResponseWriter, formAction string) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; form-action "+formAction)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Robots-Tag", "noindex")
	// No Cross-Origin-Opener-Policy: web clients open this in a popup, and their
	// callback page has to find its opener again.
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
}

func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, formAction string, page templ.Component) {
	var body bytes.Buffer
	if err := page.Render(r.Context(), &body); err != nil {
		s.log.ErrorContext(r.Context(), "render page", logx.Path, r.URL.Path, logx.Err, err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.pageHeaders(w, formAction)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the browser may be gone, which nobody can help
}
