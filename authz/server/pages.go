package server

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/ui/enduser"
)

const sessionCookie = "session"

// visit reads the attempt that a page or form is about. Where it is gone, the
// answer has been written and ok is false.
func (s *Server) visit(w http.ResponseWriter, r *http.Request, id string) (a flow.Attempt, ok bool) {
	req := requestFrom(r.Context())
	session := cookie(r, sessionCookie, req.issuer)
	var err error
	if flow.IsOwn(id) {
		if req.browser == "" && r.Method == http.MethodGet {
			req.browser = setBrowser(w, req.issuer)
		}
		a, err = s.flow.Own(r.Context(), req.handle, req.issuer, id, req.browser, session)
	} else {
		a, err = s.flow.Visit(r.Context(), req.handle, req.issuer, id, req.browser, session)
	}
	if err != nil {
		s.pageFor(w, r, err)
		return flow.Attempt{}, false
	}
	trace.Use(r.Context(), a.TraceID)
	return a, true
}

// submitted reads a posted form, its attempt and its token.
func (s *Server) submitted(w http.ResponseWriter, r *http.Request) (a flow.Attempt, values url.Values, ok bool) {
	return s.submittedFor(w, r, "")
}

// submittedFor reads a form that belongs to one attempt, or names its own.
func (s *Server) submittedFor(w http.ResponseWriter, r *http.Request, id string) (a flow.Attempt, values url.Values, ok bool) {
	values, err := form(r)
	if errors.Is(err, errSlowBody) {
		s.slowPage(w, r)
		return flow.Attempt{}, nil, false
	}
	if err != nil || !sameOriginPost(r, requestFrom(r.Context()).issuer) {
		s.pageFor(w, r, errs.E(errs.Forbidden, "This form came from another page. Go back, reload and try again.", err))
		return flow.Attempt{}, nil, false
	}
	if id == "" {
		id = values.Get("attempt")
	}
	a, ok = s.visit(w, r, id)
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
func (s *Server) step(w http.ResponseWriter, a flow.Attempt) {
	switch a.Next() {
	case flow.StepAnswer:
		s.redirect(w, a.Answer)
	case flow.StepOwn:
		s.redirect(w, ownPath(a.ID))
	case flow.StepSignIn, flow.StepConsent, flow.StepConnect:
		s.redirect(w, "/"+string(a.Next())+"?attempt="+url.QueryEscape(a.ID))
	}
}

// redirect answers with 303, so that a form's body is not sent again (RFC 9700,
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

// formTargets are where a page's forms may lead, as CSP sources: here, and to where
// the attempt's answer goes, because another tab may have decided it.
func formTargets(a flow.Attempt) string {
	if a.RedirectURI == "" {
		return "'self'"
	}
	return "'self' " + formTarget(a.RedirectURI)
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
