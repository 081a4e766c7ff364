package server

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/ui/enduser"
)

// The connection of an account at a provider: the card, the form that sends the browser
// away, and the callback that it comes back to. Every profile has a callback of its own
// (RFC 9700, section 4.4.2.2).
const (
	connectCallbackPath = "/connect/callback/{profile}"
	connectDonePath     = "/connect/done"
	connectLinkPath     = "/connect/{token}"

	maxKey = 4096 // bytes
)

// connectTarget is what somebody is about to connect, and for what.
type connectTarget struct {
	a     flow.Attempt
	query CardQuery
	link  ConnectLink
	// field and id name it in a form and in an address.
	field, id string
}

// back is the address of the target's page.
func (t connectTarget) back() string {
	return flow.ConnectPath + "?" + t.field + "=" + url.QueryEscape(t.id)
}

// waits is what a way to the provider goes on with.
func (t connectTarget) waits() string { return t.a.ID }

// connectFor finds the target that a page or a form names. Where there is none the
// answer has been written.
func (s *Server) connectFor(w http.ResponseWriter, r *http.Request, values url.Values, visit func(id string) (flow.Attempt, bool)) (t connectTarget, ok bool) {
	attempt, hash, profile := values.Get("attempt"), values.Get("link"), values.Get("profile")
	switch {
	case attempt != "":
		t.field, t.id = "attempt", attempt
	case hash != "":
		t.field, t.id, attempt = "link", hash, flow.LinkID(hash)
	default:
		t.field, t.id, attempt = "profile", profile, flow.OwnID
	}
	if t.a, ok = visit(attempt); !ok {
		return t, false
	}
	want := flow.StepConnect
	if t.field != "attempt" {
		want = flow.StepOwn
	}
	if t.a.Next() != want {
		s.step(w, t.a)
		return t, false
	}
	t.query = CardQuery{Subject: t.a.Person.ID, ProfileID: profile, UpstreamID: t.a.Runtime()}
	if t.field == "link" {
		return s.linked(w, r, t)
	}
	return t, true
}

// linked opens a link: for whom it was made, once.
func (s *Server) linked(w http.ResponseWriter, r *http.Request, t connectTarget) (connectTarget, bool) {
	req := requestFrom(r.Context())
	link, err := s.connects.OpenLink(r.Context(), req.handle, t.id)
	if err != nil {
		s.connectError(w, r, "", err)
		return t, false
	}
	if link.Subject != t.a.Person.ID {
		s.otherPage(w, r, t, link)
		return t, false
	}
	if link.Used {
		s.connectError(w, r, "", &ConnectRefused{
			Code: "link_used", Status: http.StatusBadRequest, Title: "This link was used already", Text: "The account is connected, or was. Each link works once.",
			Cure: "Go back to your app. If it still asks, it gives you a new link. Your connections are at " + appsPath + ".",
		})
		return t, false
	}
	t.link = link
	t.query = CardQuery{Subject: link.Subject, ProfileID: link.ProfileID, UpstreamID: link.UpstreamID, LinkHash: t.id}
	return t, true
}

// otherPage tells somebody that a link was made for another account.
func (s *Server) otherPage(w http.ResponseWriter, r *http.Request, t connectTarget, link ConnectLink) {
	person, err := s.flow.Person(r.Context(), requestFrom(r.Context()).handle, link.Subject)
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	if person.ID == "" {
		person.Name = "an account that is gone"
	}
	s.render(w, r, http.StatusForbidden, "'self'", enduser.ConnectOther(enduser.ConnectOtherPage{
		Page: s.page(r, t.a), For: shownPerson(person), Me: shownPerson(t.a.Person), SwitchID: t.a.ID,
	}))
}

func shownPerson(p flow.Person) string {
	switch {
	case p.Name == "":
		return p.Email
	case p.Email == "":
		return p.Name
	}
	return p.Name + " (" + p.Email + ")"
}

func (s *Server) connectPage(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if flow.IsOwn(query.Get("attempt")) { // a sign-in for no client
		s.connectSignInPage(w, r, query.Get("attempt"), query.Get("profile"))
		return
	}
	t, ok := s.connectFor(w, r, query, func(id string) (flow.Attempt, bool) { return s.visit(w, r, id) })
	if !ok {
		return
	}
	card, err := s.connects.Card(r.Context(), requestFrom(r.Context()).handle, t.query)
	if err == nil && (t.field != "attempt" || card.Missing) {
		s.showConnect(w, r, http.StatusOK, t, card, "")
		return
	}
	if err != nil && (t.field != "attempt" || !errs.Is(err, errs.NotFound)) {
		s.connectError(w, r, "", err)
		return
	}
	s.complete(w, r, t.a, true) // nothing is missing any more
}

func (s *Server) showConnect(w http.ResponseWriter, r *http.Request, status int, t connectTarget, card ConnectCard, keyError string) {
	view := enduser.ConnectPage{
		Page: s.page(r, t.a), Field: t.field, ID: t.id, Name: card.Name, Host: card.Host, AccountName: t.a.Person.Name, AccountEmail: t.a.Person.Email,
		Again: card.Account != "" || card.State == stateNeedsReconnect, Scopes: connectScopes(card.Scopes, card.Missing),
	}
	view.Tone, view.NoteTitle, view.Note = connectNote(card)
	switch t.field {
	case "attempt":
		id := identityOf(t.a.Client, describeRedirect(t.a), view.Page.Tenant, s.db.Clock().Now())
		view.Client, view.ClientVerified = shownName(id)
		view.Runtime, view.Skip, view.Cancel = t.a.Resource.Name, true, true
	case "link":
		var err error
		if view.Client, view.ClientVerified, view.Runtime, err = s.asks(r, t.link); err != nil {
			s.pageFor(w, r, err)
			return
		}
		view.SwitchID = t.a.ID
	default:
		view.BackHref = appsPath
	}
	sources := formTargets(t.a)
	if card.Key {
		view.Key = &enduser.ConnectKey{Label: card.KeyLabel, Help: card.KeyHelp, Error: keyError}
	} else {
		sources = withSources(sources, card.Authorization)
	}
	s.render(w, r, status, sources, enduser.Connect(view))
}

// withSources lets a form lead to a provider, too, which may send the browser on to
// other hosts of its own.
func withSources(sources, authorization string) string {
	u, err := url.Parse(authorization)
	switch {
	case err != nil, authorization == "":
		return sources
	case u.Scheme == "http":
		return sources + " http://localhost:* http://127.0.0.1:* https:"
	}
	return sources + " https:"
}

func (s *Server) connect(w http.ResponseWriter, r *http.Request) {
	values, err := form(r)
	switch {
	case err != nil:
		s.submitted(w, r) // which says why
	case values.Has("trial"):
		s.connectTrial(w, r, values)
	case values.Get("decision") == "sign-in":
		s.connectSignIn(w, r)
	default:
		s.connectDecided(w, r, values)
	}
}

func (s *Server) connectDecided(w http.ResponseWriter, r *http.Request, values url.Values) {
	t, ok := s.connectFor(w, r, values, func(id string) (flow.Attempt, bool) {
		a, _, ok := s.submittedFor(w, r, id)
		return a, ok
	})
	if !ok {
		return
	}
	switch decision := values.Get("decision"); {
	case decision == "key":
		s.connectKey(w, r, t, values.Get("key"))
		return
	case decision == "connect":
	case t.field == "attempt" && (decision == "skip" || decision == "cancel"):
		s.complete(w, r, t.a, decision == "skip")
		return
	default:
		s.redirect(w, t.back())
		return
	}
	card, err := s.connects.Card(r.Context(), requestFrom(r.Context()).handle, t.query)
	if err != nil {
		s.connectError(w, r, t.waits(), err)
		return
	}
	s.depart(w, r, ConnectStart{ProfileID: card.ProfileID, UpstreamID: t.query.UpstreamID, Subject: t.a.Person.ID, LinkHash: t.query.LinkHash, Attempt: t.waits()})
}

// depart sends the browser to a provider.
func (s *Server) depart(w http.ResponseWriter, r *http.Request, start ConnectStart) {
	req := requestFrom(r.Context())
	if s.tooMany(w, r) {
		return
	}
	start.Browser, start.Origin = req.browser, req.issuer
	address, err := s.connects.Begin(r.Context(), req.handle, start)
	if err != nil {
		s.connectError(w, r, start.Attempt, err)
		return
	}
	s.leave(w, r, start.Attempt, address)
}

// tooMany answers an address that makes the gateway ask providers too often.
func (s *Server) tooMany(w http.ResponseWriter, r *http.Request) bool {
	wait := s.attempts.Take(requestFrom(r.Context()).handle.Tenant(), s.clientIP(r))
	if wait > 0 {
		w.Header().Set("Retry-After", retryAfter(wait))
		s.pageFor(w, r, errs.E(errs.RateLimited, "Too many sign-ins were started from this address.", nil))
	}
	return wait > 0
}

// complete ends the step, and the attempt with it.
func (s *Server) complete(w http.ResponseWriter, r *http.Request, a flow.Attempt, goOn bool) {
	req := requestFrom(r.Context())
	to, err := s.flow.Complete(r.Context(), req.handle, a, req.browser, goOn)
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	s.redirect(w, to)
}

// connectKey keeps an API key that was typed in.
func (s *Server) connectKey(w http.ResponseWriter, r *http.Request, t connectTarget, typed string) {
	req := requestFrom(r.Context())
	card, err := s.connects.Card(r.Context(), req.handle, t.query)
	if err == nil && !card.Key {
		err = errs.E(errs.Invalid, "This account is connected at its provider, not with a key.", nil)
	}
	if err != nil {
		s.connectError(w, r, t.waits(), err)
		return
	}
	key := strings.TrimSpace(typed)
	switch {
	case key == "":
		s.showConnect(w, r, http.StatusUnprocessableEntity, t, card, "Type the key.")
		return
	case !keyLike(key):
		s.showConnect(w, r, http.StatusUnprocessableEntity, t, card, "This is not a key: it is too long, or holds characters that no key has.")
		return
	}
	if s.tooMany(w, r) {
		return
	}
	err = s.connects.SaveKey(r.Context(), req.handle, KeyEntry{ProfileID: card.ProfileID, Subject: t.a.Person.ID, LinkHash: t.query.LinkHash, Browser: req.browser, Key: secret.New(key)})
	if errs.Is(err, errs.Invalid) {
		s.showConnect(w, r, http.StatusUnprocessableEntity, t, card, errs.Public(err))
		return
	}
	if err != nil {
		s.connectError(w, r, t.waits(), err)
		return
	}
	s.connected(w, t.waits())
}

func (s *Server) connectCallback(w http.ResponseWriter, r *http.Request) {
	req := requestFrom(r.Context())
	id, _ := matchPath(connectCallbackPath, r.URL.Path)
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || single(query) != nil {
		query = nil // it has no state then, and is refused like any other that is not expected
	}
	attempt, ok := s.returned(w, r, query)
	if !ok {
		return
	}
	trace.UseAttempt(r.Context(), attempt)
	session := cookie(r, sessionCookie, req.issuer)
	me, err := s.flow.Own(r.Context(), req.handle, req.issuer, flow.OwnID, req.browser, session)
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	result, err := s.connects.Finish(r.Context(), req.handle, ConnectAnswer{ProfileID: id, Query: query, Browser: req.browser, Origin: req.issuer, Person: me.Person})
	switch {
	case err != nil:
		s.connectError(w, r, attempt, err)
	case result.Trial != nil:
		s.render(w, r, http.StatusOK, "'self'", enduser.ConnectTrial(connectTrialPage(s.page(r, flow.Attempt{}), result)))
	case result.Subject != "":
		cookie, err := s.flow.StartSession(r.Context(), req.handle, req.issuer, result.Subject, "profile", session)
		if err != nil {
			s.pageFor(w, r, err)
			return
		}
		setCookie(w, sessionCookie, req.issuer, cookie, int(flow.SessionLife.Seconds()))
		s.signedIn(w, result.Attempt)
	default:
		s.connected(w, result.Attempt)
	}
}

// connected goes on after an account was connected.
func (s *Server) connected(w http.ResponseWriter, attempt string) {
	switch hash := flow.LinkOf(attempt); {
	case hash != "":
		s.redirect(w, connectDonePath+"?link="+hash)
	case flow.IsOwn(attempt):
		s.redirect(w, appsPath+"?done=connected")
	default:
		s.redirect(w, flow.ConnectPath+"?attempt="+url.QueryEscape(attempt))
	}
}

// connectDone says what a link led to.
func (s *Server) connectDone(w http.ResponseWriter, r *http.Request) {
	hash := r.URL.Query().Get("link")
	a, ok := s.visit(w, r, flow.OwnID)
	if !ok {
		return
	}
	if a.Next() == flow.StepSignIn {
		s.step(w, a)
		return
	}
	req := requestFrom(r.Context())
	link, err := s.connects.OpenLink(r.Context(), req.handle, hash)
	if err == nil && (link.Subject != a.Person.ID || !link.Used) {
		err = errs.E(errs.NotFound, "This link is not yours, or nothing was connected with it.", nil)
	}
	var card ConnectCard
	if err == nil {
		card, err = s.connects.Card(r.Context(), req.handle, CardQuery{Subject: a.Person.ID, ProfileID: link.ProfileID, UpstreamID: link.UpstreamID, LinkHash: hash})
	}
	if err != nil {
		s.connectError(w, r, "", err)
		return
	}
	view := enduser.ConnectDonePage{Page: s.page(r, a), Name: card.Name, Account: card.Account}
	for _, scope := range card.Scopes {
		shown := enduser.ConnectScope{Name: scope.Name, Text: scope.Text}
		if scope.Have {
			view.Scopes = append(view.Scopes, shown)
		} else if card.Missing {
			view.Lacking = append(view.Lacking, shown)
		}
	}
	s.render(w, r, http.StatusOK, "'self'", enduser.ConnectDone(view))
}

// connectError shows why a way to a provider does not go on. attempt is where the
// person stood, "" for nowhere.
func (s *Server) connectError(w http.ResponseWriter, r *http.Request, attempt string, err error) {
	refused, ok := errors.AsType[*ConnectRefused](err)
	if !ok {
		s.pageFor(w, r, err)
		return
	}
	requestID := ids.NewAt("req", s.db.Clock().Now())
	s.log.InfoContext(r.Context(), "connection of an account refused", logx.RequestID, requestID, "code", refused.Code, logx.Err, refused)
	view := enduser.ConnectProblemPage{
		Code: refused.Code, Title: refused.Title, Text: refused.Text, Cure: refused.Cure, Expected: refused.Expected, Got: refused.Got,
		RequestID: requestID, TraceID: trace.Refuse(r.Context(), refused.Code),
	}
	req := requestFrom(r.Context())
	me := flow.Attempt{}
	if req.browser != "" {
		if found, err := s.flow.Own(r.Context(), req.handle, req.issuer, flow.OwnID, req.browser, cookie(r, sessionCookie, req.issuer)); err == nil {
			me = found
		}
	}
	view.Page = s.page(r, me)
	switch hash := flow.LinkOf(attempt); {
	case attempt == "":
	case hash != "":
		view.BackHref = flow.ConnectPath + "?link=" + hash
	case attempt == flow.OwnID:
		view.BackHref = appsPath
	case strings.HasPrefix(attempt, "att_"):
		view.BackHref = "/consent?attempt=" + url.QueryEscape(attempt) // the dispatcher knows where that is
	}
	if refused.Expected != "" && me.Person.ID != "" {
		view.SwitchID, view.Name = flow.OwnID, refused.Provider
	}
	s.render(w, r, refused.Status, "'self'", enduser.ConnectProblem(view))
}
