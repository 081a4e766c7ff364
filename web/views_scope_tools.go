package web

import (
	"maps"
	"slices"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web/forms"
)

// toolChoice lists a runtime's tools by name, and after them what the scope names and
// the runtime does not list. The tools' names by their ids come with it.
func toolChoice(state scopeState, s authz.Scope, runtime upstreams.Name) (view pages.ScopeToolsPage, names map[string]string) {
	view, names = pages.ScopeToolsPage{All: s.Opens(runtime.ID, authz.AnyTool)}, map[string]string{}
	gate := state.catalogue.Gate(runtime.ID)
	named := map[string]bool{}
	for _, t := range s.Tools {
		if t.UpstreamID == runtime.ID && t.Name != authz.AnyTool {
			named[t.Name] = true
		}
	}
	add := func(name string, t pages.ScopeTool) {
		t.ID, t.Name, t.On, t.Needs = upstreams.ToolID(name), visible(name), named[name], gate.Missing(nil, name)
		names[t.ID] = name
		view.Tools = append(view.Tools, t)
	}
	listed := state.listed(runtime.ID)
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		add(name, pages.ScopeTool{Hints: hintBadges(listed[name].Hints)})
	}
	for _, name := range slices.Sorted(maps.Keys(named)) {
		if _, ok := listed[name]; !ok {
			add(name, pages.ScopeTool{Gone: true})
		}
	}
	return view, names
}

// choose puts what was ticked into the view, and gives it as the scope holds it.
func choose(view *pages.ScopeToolsPage, names map[string]string, in forms.ScopeTools) []string {
	var out []string
	view.All = in.All
	for i := range view.Tools {
		t := &view.Tools[i]
		if t.On = slices.Contains(in.Tools, t.ID); t.On {
			out = append(out, names[t.ID])
		}
	}
	if in.All {
		out = append(out, authz.AnyTool)
	}
	return out
}

// hinted are a runtime's tools with what it says of them.
func hinted(state scopeState, upstreamID string) []scopes.Tool {
	listed := state.listed(upstreamID)
	var out []scopes.Tool
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		hints := listed[name].Hints
		out = append(out, scopes.Tool{Name: name, ReadOnly: hints.ReadOnly(), Destructive: hints.Destructive()})
	}
	return out
}

// hintsPage shows where each tool would go.
func hintsPage(state scopeState, runtime upstreams.Name) pages.ScopeHintsPage {
	view := pages.ScopeHintsPage{Runtime: runtime.Name}
	silent := 0
	for _, tool := range state.listed(runtime.ID) {
		if tool.Hints&(snapshot.ReadOnlySaid|snapshot.DestructiveSaid) == 0 {
			silent++
		}
	}
	if silent > 0 {
		view.Silent = "The runtime says nothing of " + count(int64(silent), "tool")
	}
	for _, g := range scopes.Sort(hinted(state, runtime.ID)) {
		group := pages.ScopeGroup{Scope: g.Scope.Name, Text: g.Scope.Description, Count: count(int64(len(g.Tools)), "tool")}
		for _, name := range g.Tools {
			group.Tools = append(group.Tools, visible(name))
		}
		view.Groups = append(view.Groups, group)
		if s, ok := state.catalogue.Get(g.Scope.Name); ok && opensAt(state, s, runtime.ID) != opensNothing {
			view.Replaces = true
		}
	}
	return view
}

// deleteImpact says what becomes of people and tools when a scope goes.
func deleteImpact(state scopeState, s authz.Scope, held int) ([]string, error) {
	rest := slices.DeleteFunc(slices.Clone(state.catalogue.All()), func(o authz.Scope) bool { return o.Name == s.Name })
	var including []string
	for i, o := range rest {
		if o.Includes.Has(s.Name) {
			including = append(including, o.Name)
			rest[i].Includes = slices.DeleteFunc(slices.Clone(o.Includes), func(name string) bool { return name == s.Name })
		}
	}
	after, err := authz.NewCatalogue(rest)
	if err != nil {
		return nil, err
	}
	var out []string
	if held > 0 {
		out = append(out, count(int64(held), "active sign-in")+yes(held == 1, " holds it and loses", " hold it and lose")+" at once what only this scope opens.")
	} else {
		out = append(out, "Nobody holds it now.")
	}
	opened := 0
	for _, r := range state.runtimes {
		was, is := state.catalogue.Gate(r.ID), after.Gate(r.ID)
		for name := range state.listed(r.ID) {
			if was.Missing(nil, name) != "" && is.Missing(nil, name) == "" {
				opened++
			}
		}
	}
	if opened > 0 {
		out = append(out, count(int64(opened), "tool")+yes(opened == 1, " needs", " need")+" no scope any more: every client that may connect can call "+yes(opened == 1, "it.", "them."))
	}
	if len(including) > 0 {
		out = append(out, "It goes out of "+authz.Scopes(including).String()+", which "+yes(len(including) == 1, "includes", "include")+" it.")
	}
	return append(out, "Tokens keep the name until they end. A later scope of the same name would be held by them."), nil
}
