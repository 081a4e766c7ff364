package server

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/ui/enduser"
)

const appsPath = "/me/apps"

// flashes are what the page before can say, by a word in the address.
var flashes = map[string]string{
	"ended":        "Access ended. The app stops within seconds.",
	"ended-all":    "All access ended. The apps stop within seconds.",
	"connected":    "The account is connected.",
	"disconnected": "The account is disconnected. Runtimes stop working with it within seconds.",
}

func (s *Server) appsPage(w http.ResponseWriter, r *http.Request) {
	a, ok := s.visit(w, r, flow.OwnID)
	if !ok {
		return
	}
	if a.Next() == flow.StepSignIn {
		s.step(w, a)
		return
	}
	req := requestFrom(r.Context())
	apps, err := s.appsOf(r.Context(), req.handle, a.Person.ID)
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	view := enduser.AppsPage{Page: s.page(r, a), AccountName: a.Person.Name, AccountEmail: a.Person.Email, Flash: flashes[r.URL.Query().Get("done")]}
	for i, app := range apps {
		view.Apps = append(view.Apps, describeApp("app-"+strconv.Itoa(i+1), app))
	}
	if view.Connections, err = s.connectionsOf(r, a.Person.ID, apps); err != nil {
		s.pageFor(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, "'self'", enduser.Apps(view))
}

// own reads a form of the person's own page. Who is not signed in any more is sent to
// the sign-in, and nothing happens.
func (s *Server) own(w http.ResponseWriter, r *http.Request) (a flow.Attempt, values url.Values, ok bool) {
	a, values, ok = s.submittedFor(w, r, flow.OwnID)
	if !ok {
		return flow.Attempt{}, nil, false
	}
	if a.Next() == flow.StepSignIn {
		s.step(w, a)
		return flow.Attempt{}, nil, false
	}
	return a, values, true
}

func (s *Server) revokeApp(w http.ResponseWriter, r *http.Request) {
	a, values, ok := s.own(w, r)
	if !ok {
		return
	}
	client, runtime := values.Get("client"), values.Get("runtime")
	if client == "" || runtime == "" || !clients.Storable(client+runtime) {
		s.redirect(w, appsPath)
		return
	}
	s.ended(w, r, s.endApps(r.Context(), requestFrom(r.Context()).handle, a.Person.ID, client, runtime, "ended by the person"), "ended")
}

func (s *Server) revokeApps(w http.ResponseWriter, r *http.Request) {
	a, _, ok := s.own(w, r)
	if !ok {
		return
	}
	s.ended(w, r, s.endApps(r.Context(), requestFrom(r.Context()).handle, a.Person.ID, "", "", "ended by the person"), "ended-all")
}

func (s *Server) ended(w http.ResponseWriter, r *http.Request, err error, done string) {
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	s.redirect(w, appsPath+"?done="+done)
}

// signOutHere ends this browser's session.
func (s *Server) signOutHere(w http.ResponseWriter, r *http.Request) {
	a, _, ok := s.own(w, r)
	if !ok {
		return
	}
	req := requestFrom(r.Context())
	s.signedOut(w, r, a, s.flow.SignOut(r.Context(), req.handle, cookie(r, sessionCookie, req.issuer)), "Apps that you have connected go on. You can end them here when you sign in again.")
}

// signOutEverywhere ends all of the person's sessions at this tenant.
func (s *Server) signOutEverywhere(w http.ResponseWriter, r *http.Request) {
	a, _, ok := s.own(w, r)
	if !ok {
		return
	}
	s.signedOut(w, r, a, s.flow.SignOutEverywhere(r.Context(), requestFrom(r.Context()).handle, a.Person.ID), "In all browsers. Apps that you have connected go on.")
}

func (s *Server) signedOut(w http.ResponseWriter, r *http.Request, a flow.Attempt, err error, text string) {
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	setCookie(w, sessionCookie, requestFrom(r.Context()).issuer, "", -1)
	s.render(w, r, http.StatusOK, "'self'", enduser.SignedOut(enduser.SignedOutPage{Page: s.page(r, a), Text: text}))
}

// outcomes are a call's ends, in words and tones.
var outcomes = map[string][2]string{
	"success": {"OK", "ok"}, "rejected": {"Refused", "warn"}, "denied": {"Denied", "warn"}, "failure": {"Failed", "fail"},
	"cancelled": {"Cancelled", ""}, "streaming": {"Running", "info"},
}

func describeApp(id string, a app) enduser.App {
	out := enduser.App{
		ID: id, ClientID: a.client.ID, RuntimeID: a.resource.ID, Name: cmp.Or(a.client.Verified, a.client.Name), Verified: a.client.Verified != "" || a.client.Kind == flow.KindPreregistered, Origin: originOf(a.client),
		Runtime: a.resource.Name, Scopes: a.scopes, First: momentOf(a.first), Last: momentOf(a.last), Ends: momentOf(a.ends),
	}
	for _, call := range a.calls {
		outcome := outcomes[call.Outcome]
		out.Calls = append(out.Calls, enduser.Call{Tool: names.Clean(call.Name), At: momentOf(call.At), Outcome: outcome[0], Tone: outcome[1]})
	}
	if n := len(out.Calls); n == 1 {
		out.CallsTitle = "Last call"
	} else {
		out.CallsTitle = "Last " + strconv.Itoa(n) + " calls"
	}
	return out
}

// originOf says how a client is known.
func originOf(c flow.Client) string {
	switch {
	case c.Blocked:
		return "Blocked by an administrator"
	case c.Kind == flow.KindPreregistered:
		return "Added by an administrator of this workspace"
	case c.Kind == flow.KindDCR && c.Verified != "":
		return "Verified by the address that it answers to"
	case c.Kind == flow.KindCIMD:
		return "An app of " + c.Host
	}
	return "Not verified: it registered itself"
}

func momentOf(t time.Time) enduser.Moment {
	if t.IsZero() {
		return enduser.Moment{}
	}
	return enduser.Moment{ISO: t.UTC().Format(time.RFC3339), Text: t.UTC().Format("2006-01-02 15:04") + " UTC"}
}
