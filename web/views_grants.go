package web

import (
	"cmp"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/ui/kit"
	"github.com/emcy/gateway/ui/pages"
)

// stateNames are the states as badges.
var stateNames = map[grants.State]pages.Badge{
	grants.StateConnected:      {Tone: pages.ToneOK, Text: "Connected"},
	grants.StateRefreshing:     {Tone: pages.ToneInfo, Text: "Refreshing"},
	grants.StateRefreshFailing: {Tone: pages.ToneWarn, Text: "Refresh failing"},
	grants.StateNeedsReconnect: {Tone: pages.ToneFail, Text: "Needs reconnect"},
	grants.StateRevoked:        {Tone: pages.ToneNeutral, Text: "Revoked"},
}

// stateOrder is the order of the states in the list's tabs.
var stateOrder = []grants.State{grants.StateConnected, grants.StateRefreshing, grants.StateRefreshFailing, grants.StateNeedsReconnect, grants.StateRevoked}

// profileNames are the workspace's profiles.
type profileNames struct {
	list []profiles.Profile
	byID map[string]profiles.Profile
}

func nameProfiles(list []profiles.Profile) profileNames {
	n := profileNames{list: list, byID: map[string]profiles.Profile{}}
	for _, p := range list {
		n.byID[p.ID] = p
	}
	return n
}

// of is a profile's name, or its id where it is gone.
func (n profileNames) of(id string) string { return cmp.Or(n.byID[id].Name, id) }

// target is what a mass revoke was about.
func (n profileNames) target(t grants.Target) string {
	switch t.Kind {
	case grants.TargetProfile:
		return n.of(t.ID)
	case grants.TargetGrant:
		return "one grant"
	}
	return "the whole workspace"
}

func (n profileNames) options() []kit.Option {
	out := make([]kit.Option, len(n.list))
	for i, p := range n.list {
		out[i] = kit.Option{Value: p.ID, Text: p.Name}
	}
	return out
}

// calledOf is what a person is called: by name, else by address, else by id.
func calledOf(subject string, p notify.Person) string { return cmp.Or(p.Name, p.Email, subject) }

func grantStates(counts map[grants.State]int, q grantQuery, v Visit) []pages.GrantState {
	q.after = ""
	total := 0
	var out []pages.GrantState
	for _, state := range stateOrder {
		one := q
		one.state = state
		total += counts[state]
		out = append(out, pages.GrantState{Text: stateNames[state].Text, Count: grouped(int64(counts[state])), Href: one.href(v), Current: q.state == state})
	}
	all := q
	all.state = grants.StateNone
	return append([]pages.GrantState{{Text: "All", Count: grouped(int64(total)), Href: all.href(v), Current: q.state == grants.StateNone}}, out...)
}

// chipGrants shows the filters that are on, each with the list without it.
func chipGrants(view *pages.GrantsPage, q grantQuery, names profileNames, v Visit) {
	q.after = ""
	if q.text != "" {
		without := q
		without.text = ""
		view.Chips = append(view.Chips, kit.Chip{Text: "person: " + q.text, Href: templ.SafeURL(without.href(v))})
	}
	if q.profile != "" {
		without := q
		without.profile = ""
		view.Chips = append(view.Chips, kit.Chip{Text: "profile: " + names.of(q.profile), Href: templ.SafeURL(without.href(v))})
	}
	if len(view.Chips) > 0 {
		view.ClearHref = v.path("grants")
	}
}

func grantRow(g grants.Grant, p notify.Person, names profileNames, v Visit) pages.GrantRow {
	row := pages.GrantRow{
		ID: g.ID, Href: v.path("grants", g.ID), Person: calledOf(g.Subject, p), Email: p.Email, Account: cmp.Or(g.AccountName, g.AccountID),
		Profile: names.of(g.ProfileID), Scopes: scopesInShort(g.Scopes), State: stateNames[g.State], Reason: g.ReasonText, NextText: nextRefresh(g),
		Used: since(g.UsedAt),
	}
	if row.Email == row.Person {
		row.Email = ""
	}
	if g.State != grants.StateRevoked && g.State != grants.StateNeedsReconnect {
		row.Next = since(g.RefreshDueAt)
	}
	return row
}

// since is a moment that may not be known.
func since(t *time.Time) pages.Moment {
	if t == nil {
		return pages.Moment{}
	}
	return moment(*t)
}

// scopesInShort names the first scopes and counts the others.
func scopesInShort(scopes []string) string {
	const shown = 2
	if len(scopes) <= shown+1 {
		return strings.Join(scopes, ", ")
	}
	return strings.Join(scopes[:shown], ", ") + " and " + grouped(int64(len(scopes)-shown)) + " more"
}

// nextRefresh stands where a grant has no next refresh.
func nextRefresh(g grants.Grant) string {
	switch {
	case g.State == grants.StateRevoked || g.State == grants.StateNeedsReconnect:
		return "none"
	case g.Refreshable:
		return "with the next call"
	case g.ExpiresAt == nil:
		return "none needed"
	}
	return "not possible"
}

// providerProblems are the providers that are not asked for a while, per profile.
func providerProblems(f grantsFound, v Visit) []pages.GrantProblem {
	var out []pages.GrantProblem
	for _, pause := range f.pauses {
		for _, p := range f.profiles.list {
			if pause.Provider != p.Endpoints().Token && !strings.HasPrefix(pause.Provider, "profile:"+p.ID+":") {
				continue
			}
			problem := pages.GrantProblem{
				Title: p.Name + " is not asked until " + moment(pause.Until).Text + " UTC", Text: pauseWords(pause.Reason),
				Affected: people(f.affected[p.ID]) + yes(f.affected[p.ID] == 1, " is affected", " are affected"), Href: grantQuery{profile: p.ID}.href(v),
			}
			out = append(out, problem)
		}
	}
	return out
}

func pauseWords(reason string) string {
	switch reason {
	case "rate_limited":
		return "The provider asks for fewer requests. No token is refreshed before then. The grants are kept, and tokens that still work are used."
	case "misconfigured":
		return "The provider does not accept the gateway's client. Replace the client on the profile's page: until then no token is refreshed. The grants are kept."
	}
	return "The provider failed several times in a row. After that time one refresh tries it, and the others follow if it works. The grants are kept, and tokens that still work are used."
}
