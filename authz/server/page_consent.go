package server

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/ui/enduser"
)

const (
	maxShownTools = 40 // of one grade in one scope, so that the page stays small
	longestLife   = "max"
	scopeField    = "scope."
)

func (s *Server) consentPage(w http.ResponseWriter, r *http.Request) {
	a, ok := s.visit(w, r, r.URL.Query().Get("attempt"))
	if !ok {
		return
	}
	if a.Next() != flow.StepConsent {
		s.step(w, a)
		return
	}
	req := requestFrom(r.Context())
	if site := req.site; site == "none" || site == "same-origin" { // same-origin is the way from our own sign-in
		to, ok, err := s.flow.Remembered(r.Context(), req.handle, a, req.browser)
		if err != nil {
			s.pageFor(w, r, err)
			return
		}
		if ok {
			s.redirect(w, to)
			return
		}
	}
	s.showConsent(w, r, a, r.URL.Query().Get("warned") != "")
}

// showConsent puts a page of its own before the choice where a brand's name is used
// by somebody else.
func (s *Server) showConsent(w http.ResponseWriter, r *http.Request, a flow.Attempt, warned bool) {
	req := requestFrom(r.Context())
	view := enduser.ConsentPage{
		Page: s.page(r, a), Attempt: a.ID, Redirect: describeRedirect(a), Runtime: a.Resource.Name, MCPURL: resourceURL(a.Issuer, a.Resource.Slug),
		Account: accountKey(a), AccountName: a.Person.Name, AccountEmail: a.Person.Email, SwitchAction: "/sign-out",
	}
	view.Identity = identityOf(a.Client, view.Redirect, req.handle.Name(), s.db.Clock().Now())
	if view.Identity.Kind == enduser.IdentityLookalike && !warned {
		s.render(w, r, http.StatusOK, formTargets(a), enduser.Lookalike(view))
		return
	}
	offer, err := s.flow.Offer(r.Context(), req.handle, a)
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	view.Groups, view.Lives = describeScopes(offer.Scopes), describeLives(offer.Lives)
	s.render(w, r, http.StatusOK, formTargets(a), enduser.Consent(view))
}

func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	a, values, ok := s.submitted(w, r)
	if !ok {
		return
	}
	if next := a.Next(); next == flow.StepSignIn || next == flow.StepOwn {
		s.step(w, a)
		return
	}
	if named := values.Get("account"); named != "" && named != accountKey(a) {
		// Somebody else signed in meanwhile, in another tab: the page named another account.
		s.redirect(w, "/consent?attempt="+url.QueryEscape(a.ID))
		return
	}
	decision := flow.Decision{}
	switch values.Get("decision") {
	case "allow":
		decision = flow.Decision{Allow: true, Scopes: tickedScopes(values), Life: lifeOf(values.Get("life"))}
	case "deny":
	case "proceed":
		s.redirect(w, "/consent?warned=1&attempt="+url.QueryEscape(a.ID))
		return
	default:
		s.redirect(w, "/consent?attempt="+url.QueryEscape(a.ID))
		return
	}
	req := requestFrom(r.Context())
	to, err := s.flow.Decide(r.Context(), req.handle, a, req.browser, decision)
	if err != nil {
		s.pageFor(w, r, err)
		return
	}
	s.redirect(w, to)
}

// accountKey stands for the signed-in account on a consent page.
func accountKey(a flow.Attempt) string { return ids.Hash(a.ID + " " + a.Person.ID)[:16] }

// donePage is where an attempt of a device ends.
func (s *Server) donePage(w http.ResponseWriter, r *http.Request) {
	a, ok := s.visit(w, r, r.URL.Query().Get("attempt"))
	if !ok {
		return
	}
	if a.Next() != flow.StepAnswer || !a.Device() {
		s.step(w, a)
		return
	}
	view := enduser.DonePage{Page: s.page(r, a), Title: "The device may go on", Text: "Go back to it: it notices by itself within seconds. You can close this page."}
	if a.Denied() {
		view.Title, view.Text = "Nothing was allowed", "The device is told so. You can close this page."
	}
	s.render(w, r, http.StatusOK, "'self'", enduser.Done(view))
}

// tickedScopes reads the form's boxes.
func tickedScopes(values url.Values) authz.Scopes {
	var out authz.Scopes
	for field := range values {
		if name, ok := strings.CutPrefix(field, scopeField); ok {
			out = append(out, name)
		}
	}
	return out
}

// describeRedirect says in words where the answer goes.
func describeRedirect(a flow.Attempt) enduser.Redirect {
	u, err := url.Parse(a.RedirectURI)
	switch {
	case a.Device():
		return enduser.Redirect{Kind: enduser.RedirectDevice}
	case err != nil:
		return enduser.Redirect{Kind: enduser.RedirectApp}
	case u.Scheme == "http":
		return enduser.Redirect{Kind: enduser.RedirectLoopback, Shown: u.Host}
	case u.Scheme == "https":
		return enduser.Redirect{Kind: enduser.RedirectWeb, Shown: u.Host}
	}
	return enduser.Redirect{Kind: enduser.RedirectApp, Shown: u.Scheme}
}

// identityOf says who asks and how that is known. A program on this computer, and an
// app that answers a scheme, can be any program: there a name that the catalogue knows
// proves nothing, and the page's own warnings have to do.
func identityOf(c flow.Client, to enduser.Redirect, workspace string, now time.Time) enduser.Identity {
	id := enduser.Identity{Kind: enduser.IdentityItself, Name: c.Name, Host: c.Host, Workspace: workspace}
	switch {
	case c.Kind == flow.KindPreregistered:
		id.Kind = enduser.IdentityAdded
	case c.Verified != "" && to.Kind == enduser.RedirectWeb:
		id.Kind, id.Name, id.Host = enduser.IdentityKnown, c.Verified, cmp.Or(c.Host, to.Shown)
	case c.Impersonates != "" && (to.Kind == enduser.RedirectWeb || to.Kind == enduser.RedirectApp):
		id.Kind, id.Brand = enduser.IdentityLookalike, c.Impersonates
	case c.Kind == flow.KindCIMD:
		id.Kind = enduser.IdentityDocument
		if c.FetchedAt != nil {
			id.Since = "Checked " + ago(now.Sub(*c.FetchedAt)) + "."
		}
	default:
		id.Since = "That was " + ago(now.Sub(c.CreatedAt)) + "."
	}
	return id
}

// shownName is the verified name where there is one, else the client's own.
func shownName(id enduser.Identity) (name string, verified bool) {
	return id.Name, id.Kind == enduser.IdentityKnown || id.Kind == enduser.IdentityAdded
}

func ago(d time.Duration) string {
	count := func(n time.Duration, unit string) string {
		if n == 1 {
			return "1 " + unit + " ago"
		}
		return strconv.Itoa(int(n)) + " " + unit + "s ago"
	}
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return count(d/time.Minute, "minute")
	case d < 48*time.Hour:
		return count(d/time.Hour, "hour")
	}
	return count(d/(24*time.Hour), "day")
}

// grades are the kinds of tools, in words.
var grades = []struct{ grade, group, title, short string }{
	flow.Read:   {enduser.GradeRead, "It will be able to read", "Read", "read"},
	flow.Change: {enduser.GradeChange, "It will be able to read and change", "Change", "change"},
	flow.Danger: {enduser.GradeDanger, "It will be able to delete or overwrite, too", "May delete or overwrite", "may delete or overwrite"},
}

// describeScopes groups what a yes gives by the most that it can do.
func describeScopes(scopes []flow.Scope) []enduser.ScopeGroup {
	var groups []enduser.ScopeGroup
	for kind, g := range grades {
		group := enduser.ScopeGroup{Grade: g.grade, Title: g.group}
		for _, scope := range scopes {
			if scope.Kind() == flow.ToolKind(kind) {
				group.Scopes = append(group.Scopes, describeScope(scope))
			}
		}
		if len(group.Scopes) > 0 {
			groups = append(groups, group)
		}
	}
	return groups
}

func describeScope(scope flow.Scope) enduser.Scope {
	out := enduser.Scope{ID: scope.ID, Title: scope.Title, Text: scope.Text, Fixed: scope.Required()}
	switch {
	case scope.Given:
		out.Mark = "Allowed before"
	case scope.Fresh:
		out.Mark, out.New = "New", true
	}
	var parts []string
	for kind, g := range grades {
		group := enduser.ToolGroup{Title: g.title}
		n := 0
		for _, tool := range scope.Tools {
			if tool.Kind != flow.ToolKind(kind) {
				continue
			}
			if n++; n <= maxShownTools {
				group.Names = append(group.Names, names.Clean(tool.Name))
			}
		}
		if n == 0 {
			continue
		}
		if n > maxShownTools {
			group.More = fmt.Sprintf("and %d more", n-maxShownTools)
		}
		out.Tools = append(out.Tools, group)
		parts = append(parts, strconv.Itoa(n)+" "+g.short)
	}
	if n := len(scope.Tools); n == 1 {
		out.Count = "1 tool: " + parts[0]
	} else if n > 1 {
		out.Count = strconv.Itoa(n) + " tools: " + strings.Join(parts, ", ")
	}
	return out
}

// lifeValue is a life in the form.
func lifeValue(d time.Duration) string { return strconv.Itoa(int(d/time.Hour)) + "h" }

// lifeOf reads it back; zero, the tenant's own, for everything else.
func lifeOf(value string) time.Duration {
	hours, err := strconv.Atoi(strings.TrimSuffix(value, "h"))
	if err != nil || lifeValue(time.Duration(hours)*time.Hour) != value {
		return 0
	}
	return time.Duration(hours) * time.Hour
}

func describeLives(lives []time.Duration) []enduser.Life {
	var out []enduser.Life
	for _, d := range lives[:len(lives)-1] {
		out = append(out, enduser.Life{Value: lifeValue(d), Title: days(d)})
	}
	last := lives[len(lives)-1]
	return append(out, enduser.Life{Value: longestLife, Title: "Until it is ended", Text: "By you or an administrator; at most " + days(last) + ".", Chosen: true})
}

func days(d time.Duration) string {
	switch n := int(d / (24 * time.Hour)); {
	case d < 48*time.Hour && d%(24*time.Hour) != 0:
		return strconv.Itoa(int(d/time.Hour)) + " hours"
	case n == 1:
		return "1 day"
	default:
		return strconv.Itoa(n) + " days"
	}
}
