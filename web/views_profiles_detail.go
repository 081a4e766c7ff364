package web

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
)

// secretSoon is how long before its end a client's secret is remarked on.
const secretSoon = 14 * day

func profileRow(p profiles.Profile, attached int, grants profiles.Counts, now time.Time) pages.ProfileRow {
	row := pages.ProfileRow{ID: p.ID, Name: p.Name, What: profileWhat(p), State: profileState(p, grants, now), Runtimes: "none", People: "none", Changed: moment(p.UpdatedAt)}
	if attached > 0 {
		row.Runtimes = strconv.Itoa(attached)
	}
	if n := grants.Live(); n > 0 {
		row.People = strconv.Itoa(n)
		if bad := grants.Failing + grants.NeedReconnect; bad > 0 {
			row.People += ", " + strconv.Itoa(bad) + " with a problem"
		}
	}
	return row
}

// profileWhat is a profile's kind and provider.
func profileWhat(p profiles.Profile) string {
	switch p.Kind {
	case profiles.KindAPIKey:
		return "API keys that people type in, sent as " + p.Settings.APIKey.Header
	case profiles.KindExchange:
		return "Token exchange at " + providerHost(p)
	case profiles.KindOAuth:
	}
	if preset, ok := provider.PresetByID(p.Preset); ok && preset.ID != genericPreset {
		return preset.Name + ", at " + providerHost(p)
	}
	return "OAuth at " + providerHost(p)
}

func providerHost(p profiles.Profile) string {
	raw := p.Issuer
	if raw == "" {
		raw = p.Endpoints().Token
	}
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}

func profileState(p profiles.Profile, grants profiles.Counts, now time.Time) pages.Badge {
	switch {
	case p.DiscoveryError != "":
		return pages.Badge{Tone: pages.ToneWarn, Text: "Check the metadata"}
	case secretEnds(p, now) != "":
		return pages.Badge{Tone: pages.ToneWarn, Text: "Secret ends soon"}
	case grants.Failing+grants.NeedReconnect > 0:
		return pages.Badge{Tone: pages.ToneWarn, Text: "Grants need attention"}
	}
	return pages.Badge{Tone: pages.ToneOK, Text: "Ready"}
}

// secretEnds says when the client's secret ends, where that is soon.
func secretEnds(p profiles.Profile, now time.Time) string {
	at := p.Client.SecretExpiresAt
	switch {
	case at == nil || at.After(now.Add(secretSoon)):
		return ""
	case at.Before(now):
		return "The client's secret ended on " + at.UTC().Format(time.DateOnly) + ". Replace the client."
	}
	return "The client's secret ends on " + at.UTC().Format(time.DateOnly) + "."
}

func profileView(f profileFacts, preset provider.Preset, runtimes []upstreams.Upstream, v Visit, origin string, now time.Time) pages.ProfilePage {
	p := f.profile
	view := pages.ProfilePage{
		ID: p.ID, Name: p.Name, State: profileState(p, f.grants, now), Sub: profileWhat(p) + ".", Version: version(p.Version),
		Settings: profileSettings(p), Counts: profileCounts(f.grants, p, v), Problem: p.DiscoveryError,
	}
	for _, s := range p.Settings.Scopes {
		view.Scopes = append(view.Scopes, pages.ProfileScope{Value: s, Text: p.Settings.ScopeText[s]})
	}
	for _, a := range f.attachments {
		at := slices.IndexFunc(runtimes, func(u upstreams.Upstream) bool { return u.ID == a.UpstreamID })
		if at >= 0 {
			view.Runtimes = append(view.Runtimes, profileRuntime(runtimes[at], a, v))
		}
	}
	if p.Kind == profiles.KindAPIKey {
		return view
	}
	view.Endpoints, view.Discovers, view.Moved = profileEndpoints(p.Endpoints()), p.Settings.Discovery != profiles.Manual, p.HostsMoved
	if p.DiscoveredAt != nil {
		view.Discovered = moment(*p.DiscoveredAt)
	}
	if p.Kind == profiles.KindOAuth {
		view.Callback = origin + profiles.CallbackPath(p.ID)
		view.Register, view.RegisterHref = registerAt(preset)
	}
	for _, q := range preset.Quirks {
		view.Quirks = append(view.Quirks, pages.ProfileQuirk{Text: q.What, Href: q.Page})
	}
	view.Client = profileClientView(p, f.generations, origin, now)
	return view
}

func profileRuntime(u upstreams.Upstream, a profiles.Attachment, v Visit) pages.ProfileRuntime {
	out := pages.ProfileRuntime{Name: u.Name, Href: v.path("runtimes", u.Slug, "access"), Needed: neededFor[a.NeededFor], Scopes: a.Scopes}
	switch n := len(a.ToolScopes); {
	case n == 1:
		out.Tools = "1 tool needs more"
	case n > 1:
		out.Tools = strconv.Itoa(n) + " tools need more"
	}
	return out
}

func profileCounts(c profiles.Counts, p profiles.Profile, v Visit) []pages.ProfileCount {
	if p.Kind == profiles.KindExchange {
		return nil
	}
	href := func(state string) string { return v.path("grants") + "?profile=" + p.ID + "&state=" + state }
	return []pages.ProfileCount{
		{Label: "Connected", Value: strconv.Itoa(c.Connected), Href: href("connected")},
		{Label: "Refresh failing", Value: strconv.Itoa(c.Failing), Href: href("refresh_failing")},
		{Label: "Needs reconnect", Value: strconv.Itoa(c.NeedReconnect), Href: href("needs_reconnect")},
	}
}

func profileEndpoints(e provider.Endpoints) []pages.Pair {
	var out []pages.Pair
	for _, one := range []pages.Pair{
		{Term: "Issuer", Value: e.Issuer},
		{Term: "Authorization", Value: e.Authorization},
		{Term: "Token", Value: e.Token},
		{Term: "Revocation", Value: e.Revocation},
		{Term: "Userinfo", Value: e.UserInfo},
		{Term: "Introspection", Value: e.Introspection},
		{Term: "Registration", Value: e.Registration},
		{Term: "Key set", Value: e.JWKS},
	} {
		if one.Value != "" {
			one.Mono = true
			out = append(out, one)
		}
	}
	return out
}

func profileSettings(p profiles.Profile) []pages.Pair {
	s := p.Settings
	if p.Kind == profiles.KindAPIKey {
		return []pages.Pair{
			{Term: "The key is called", Value: s.APIKey.Label},
			{Term: "Header", Value: s.APIKey.Header, Mono: true},
			{Term: "Format", Value: s.APIKey.Format, Mono: true},
			{Term: "Checked at", Value: s.APIKey.CheckURL, Mono: true},
		}
	}
	out := []pages.Pair{{Term: "Resource", Value: s.Style.Resource, Mono: true}, {Term: "Audience", Value: s.Style.Audience, Mono: true}}
	if p.Kind == profiles.KindExchange {
		return append(out, pages.Pair{Term: "Token for", Value: strings.TrimSpace(s.Exchange.Audience + " " + s.Exchange.Resource), Mono: true})
	}
	out = append(out, pages.Pair{Term: "Account", Value: "any account of the person"})
	if s.Match == profiles.MatchEmail {
		out[len(out)-1].Value = "only the one with the person's e-mail address"
	}
	if p.SignIn {
		out = append(out, pages.Pair{Term: "Sign-in", Value: "people sign in with this provider"})
	}
	if s.KeepAlive > 0 {
		out = append(out, pages.Pair{Term: "Refresh", Value: "at least every " + units(s.KeepAlive, day) + " days"})
	}
	return out
}

var authWords = map[string]string{
	profiles.AuthNone: "nothing (public client with PKCE)", profiles.AuthBasic: "a secret, in the Authorization header", profiles.AuthPost: "a secret, in the request's body",
	profiles.AuthKey: "a signature by the gateway's key",
}

var clientKindWords = map[string]string{
	profiles.Preregistered: "registered there by hand", profiles.CIMD: "by a metadata document (CIMD)", profiles.DCR: "registered by the gateway itself",
}

func profileClientView(p profiles.Profile, generations []profiles.Generation, origin string, now time.Time) *pages.ProfileClient {
	c := p.Client
	out := &pages.ProfileClient{
		Warning: secretEnds(p, now),
		Facts: []pages.Pair{
			{Term: "Client", Value: clientKindWords[c.Kind]},
			{Term: "Client ID", Value: c.ID, Mono: true},
			{Term: "Proves itself with", Value: authWords[c.AuthMethod]},
			{Term: "Generation", Value: strconv.Itoa(c.Generation) + ", since " + c.CreatedAt.UTC().Format(time.DateOnly)},
		},
	}
	if c.HasKey {
		out.KeysURL = origin + profiles.KeysPath(p.ID)
	}
	if c.Kind == profiles.CIMD {
		out.DocumentURL = origin + profiles.DocumentPath(p.ID)
	}
	for _, g := range generations {
		if g.Generation == c.Generation || g.Retired {
			continue
		}
		line := "Generation " + strconv.Itoa(g.Generation) + " has no grant any more and is forgotten soon."
		if g.Grants == 1 {
			line = "Generation " + strconv.Itoa(g.Generation) + " is kept for 1 grant."
		} else if g.Grants > 1 {
			line = "Generation " + strconv.Itoa(g.Generation) + " is kept for " + strconv.Itoa(g.Grants) + " grants."
		}
		out.Older = append(out.Older, line)
	}
	return out
}
