package web

import (
	"maps"
	"slices"
	"strings"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/ui/kit"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
)

// accessChoices offers everything that can be attached.
func accessChoices(s accessState) pages.AccessPage {
	none := kit.Option{Value: noProfile, Text: "No token", Hint: "It learns who calls, and no more. One API key for everybody is a static header, set where the runtime is edited."}
	if names := s.tools.Upstream.HeaderNames; len(names) > 0 {
		none.Text, none.Hint = "No token, only its static headers", "The same for everybody: "+strings.Join(names, ", ")+"."
	}
	view := pages.AccessPage{Choosing: true, Chosen: noProfile, Options: []kit.Option{none}}
	if s.attached {
		view.Chosen = s.attachment.ProfileID
	}
	for _, p := range s.list {
		view.Options = append(view.Options, kit.Option{Value: p.ID, Text: p.Name, Hint: profileWhat(p) + "."})
	}
	return view
}

// accessView is the form of an attachment, stored or typed.
func accessView(s accessState, a profiles.Attachment) pages.AccessPage {
	p, ok := s.profile(a.ProfileID)
	if !ok {
		view := pages.AccessPage{Name: "No token", What: "The runtime learns who calls, and no more."}
		if stored, ok := s.profile(s.attachment.ProfileID); ok {
			view.Attached = stored.Name + " is attached now"
		}
		return view
	}
	view := pages.AccessPage{
		Chosen: p.ID, Name: p.Name, What: profileWhat(p), NeededFor: a.NeededFor, Exchange: p.Kind == profiles.KindExchange, Audience: a.Audience,
		Scopes: attachedScopes(p, a.Scopes, nil),
	}
	if len(p.Settings.Scopes) == 0 {
		return view
	}
	known := map[string]bool{}
	for _, tool := range s.tools.Tools {
		known[tool.Name] = true
		view.Tools = append(view.Tools, pages.AccessTool{ID: tool.ID, Name: tool.Name, Scopes: attachedScopes(p, a.ToolScopes[tool.Name], a.Scopes)})
	}
	for _, name := range slices.Sorted(maps.Keys(a.ToolScopes)) {
		if !known[name] { // the runtime may list it again
			view.Tools = append(view.Tools, pages.AccessTool{ID: upstreams.ToolID(name), Name: name, Gone: true, Scopes: attachedScopes(p, a.ToolScopes[name], a.Scopes)})
		}
	}
	return view
}

// attachedScopes are the profile's scopes to tick, without those that go without saying.
func attachedScopes(p profiles.Profile, on, without []string) []pages.ProfileScope {
	var out []pages.ProfileScope
	for _, s := range p.Settings.Scopes {
		if !slices.Contains(without, s) || slices.Contains(on, s) {
			out = append(out, pages.ProfileScope{Value: s, Text: p.Settings.ScopeText[s], On: slices.Contains(on, s)})
		}
	}
	return out
}

// toolScopes are the ticked scopes by the tools' names; what is no tool of the runtime is left out.
func toolScopes(s accessState, ticked [][2]string) map[string][]string {
	names := map[string]string{}
	for _, tool := range s.tools.Tools {
		names[tool.ID] = tool.Name
	}
	for name := range s.attachment.ToolScopes {
		names[upstreams.ToolID(name)] = name
	}
	out := map[string][]string{}
	for _, pair := range ticked {
		if name, ok := names[pair[0]]; ok {
			out[name] = append(out[name], pair[1])
		}
	}
	return out
}
