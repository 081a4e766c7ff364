package web

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web/forms"
)

// scopeID is a scope's address, made of its name: names hold slashes and more. It is
// made as a tool's is.
func scopeID(name string) string { return "scp" + strings.TrimPrefix(upstreams.ToolID(name), "tol") }

func scopeInput(in forms.Scope) scopes.Input {
	return scopes.Input{Name: in.Name, Title: in.Title, Description: in.Description, Includes: in.Includes, Initial: in.Initial}
}

func typedScope(in forms.Scope, edition string) pages.ScopeValues {
	return pages.ScopeValues{Name: in.Name, Title: in.Title, Description: in.Description, Initial: in.Initial, Edition: edition}
}

func storedScope(s authz.Scope) pages.ScopeValues {
	return pages.ScopeValues{Name: s.Name, Title: s.Title, Description: s.Description, Initial: s.Initial, Edition: scopes.Edition(s)}
}

func scopeRows(state scopeState, held map[string]int, v Visit) []pages.ScopeRow {
	var out []pages.ScopeRow
	for _, s := range state.catalogue.All() {
		out = append(out, pages.ScopeRow{
			Name: s.Name, Title: s.Title, Href: v.path("scopes", scopeID(s.Name)), Opens: opens(s), Includes: s.Includes.String(),
			Initial: s.Initial, Held: grouped(int64(held[s.Name])),
		})
	}
	return out
}

// opens counts what a scope opens itself.
func opens(s authz.Scope) string {
	named, whole := 0, map[string]bool{}
	for _, t := range s.Tools {
		if t.Name == authz.AnyTool {
			whole[t.UpstreamID] = true
		} else {
			named++
		}
	}
	switch {
	case len(whole) == 0 && named == 0:
		return "nothing yet"
	case len(whole) == 0:
		return count(int64(named), "tool")
	}
	return "every tool of " + count(int64(len(whole)), "runtime")
}

// sortable are the runtimes whose tools are known.
func sortable(state scopeState, v Visit) []pages.ScopeRuntime {
	var out []pages.ScopeRuntime
	for _, r := range state.runtimes {
		if n := len(state.listed(r.ID)); n > 0 {
			out = append(out, pages.ScopeRuntime{Name: r.Name, Href: v.path("scopes", "hints", r.Slug), Text: count(int64(n), "tool")})
		}
	}
	return out
}

func otherScopes(state scopeState, name string, on []string) []pages.ScopeChoice {
	var out []pages.ScopeChoice
	for _, s := range state.catalogue.All() {
		if s.Name != name {
			out = append(out, pages.ScopeChoice{Name: s.Name, Title: s.Title, On: slices.Contains(on, s.Name)})
		}
	}
	return out
}

func aboutScope(view *pages.ScopePage, state scopeState, s authz.Scope, held int, v Visit) {
	all := state.catalogue.All()
	i := slices.IndexFunc(all, func(o authz.Scope) bool { return o.Name == s.Name })
	view.Href, view.Held = v.path("scopes", scopeID(s.Name)), count(int64(held), "active sign-in")
	view.Place, view.First, view.Last = fmt.Sprintf("%d of %d", i+1, len(all)), i == 0, i == len(all)-1
	for _, r := range state.runtimes {
		view.Runtimes = append(view.Runtimes, pages.ScopeRuntime{
			Name: r.Name, Href: v.path("scopes", scopeID(s.Name), "tools", r.Slug), Text: opensAt(state, s, r.ID),
		})
	}
}

const opensNothing = "no tool"

func opensAt(state scopeState, s authz.Scope, upstreamID string) string {
	if s.Opens(upstreamID, authz.AnyTool) {
		return "every tool"
	}
	here, listed := 0, len(state.listed(upstreamID))
	for _, t := range s.Tools {
		if t.UpstreamID == upstreamID {
			here++
		}
	}
	switch {
	case here == 0:
		return opensNothing
	case here > listed: // some are named that are not listed now
		return count(int64(here), "tool")
	}
	return fmt.Sprintf("%d of %s", here, count(int64(listed), "tool"))
}
