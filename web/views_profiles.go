package web

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/ui/pages"
)

// genericPreset is the preset of a provider that keeps to the standards.
const genericPreset = "generic"

// freshProfile is the form of a new profile; false where nothing to make it from is named.
func freshProfile(kind profiles.Kind, presetID string) (pages.ProfileValues, provider.Preset, bool) {
	v := pages.ProfileValues{Kind: string(profiles.KindOAuth), Preset: presetID, ClientKind: profiles.Preregistered, AuthMethod: profiles.AuthBasic, KeyAlg: profiles.KeyES256, Match: profiles.MatchAny}
	switch kind {
	case profiles.KindAPIKey:
		return pages.ProfileValues{Kind: string(kind), KeyHeader: "Authorization", KeyFormat: "Bearer " + profiles.KeyPlaceholder}, provider.Preset{}, true
	case profiles.KindExchange:
		v.Kind, v.Preset = string(kind), genericPreset
	case profiles.KindOAuth:
	}
	preset, known := provider.PresetByID(v.Preset)
	if !known {
		return pages.ProfileValues{}, preset, false
	}
	if kind != profiles.KindExchange && preset.ID != genericPreset {
		v.Name = preset.Name
	}
	if preset.AuthMethod != "" {
		v.AuthMethod = preset.AuthMethod
	}
	v.Discovery, v.Issuer = profiles.ByIssuer, preset.Issuer
	if preset.Manual {
		v.Discovery = profiles.Manual
		showEndpoints(&v, preset.Endpoints)
	}
	showStyle(&v, preset.Style)
	for _, s := range preset.Scopes {
		if s.Default {
			v.Scopes = append(v.Scopes, s.Scope)
		}
	}
	return v, preset, true
}

func showEndpoints(v *pages.ProfileValues, e provider.Endpoints) {
	v.Authorization, v.Token, v.Revocation, v.UserInfo = e.Authorization, e.Token, e.Revocation, e.UserInfo
	v.Introspection, v.Registration, v.JWKS = e.Introspection, e.Registration, e.JWKS
}

func showStyle(v *pages.ProfileValues, s provider.Style) {
	v.Resource, v.Audience, v.OmitResource, v.ResourceOn = s.Resource, s.Audience, s.OmitResource, s.ResourceOn
	v.ScopeSeparator, v.OfflineScope = strings.TrimSpace(s.ScopeSeparator), s.OfflineScope
	v.AuthorizeParams, v.TokenParams = paramLines(s.Authorize), paramLines(s.Token)
	v.IdentityFrom, v.IdentityURL, v.IdentityID, v.IdentityName = s.Identity.From, s.Identity.URL, s.Identity.ID, s.Identity.Name
	v.IdentityEmail, v.IdentityEmailVerified = s.Identity.Email, s.Identity.EmailVerified
	v.ScopeOnRefresh, v.AcceptJSON, v.ErrorsWith200, v.NoPKCE = s.ScopeOnRefresh, s.AcceptJSON, s.ErrorsWith200, s.NoPKCE
	v.Rotates, v.RevokeWith, v.AssertionAudience = s.Rotates, s.RevokeWith, s.AssertionAudience
	v.DefaultLife, v.RefreshLife = units(s.DefaultLife, time.Minute), units(s.RefreshLife, day)
}

const day = 24 * time.Hour

func units(d, unit time.Duration) string { return strconv.FormatInt(int64(d/unit), 10) }

func paramLines(params map[string]string) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		out = append(out, name+"="+params[name])
	}
	return strings.Join(out, "\n")
}

func storedProfile(p profiles.Profile) pages.ProfileValues {
	s := p.Settings
	v := pages.ProfileValues{
		Name: p.Name, Kind: string(p.Kind), Preset: p.Preset, Discovery: s.Discovery, Issuer: p.Issuer, ResourceURL: s.ResourceURL, Scopes: s.Scopes,
		ClientKind: p.Client.Kind, ClientID: p.Client.ID, AuthMethod: p.Client.AuthMethod, KeyAlg: profiles.KeyES256,
		SignIn: p.SignIn, Match: s.Match, KeepAlive: units(s.KeepAlive, day),
		KeyLabel: s.APIKey.Label, KeyHelp: s.APIKey.Help, KeyHeader: s.APIKey.Header, KeyFormat: s.APIKey.Format, KeyCheckURL: s.APIKey.CheckURL,
		ExchangeAudience: s.Exchange.Audience, ExchangeResource: s.Exchange.Resource, ExchangeScopes: strings.Join(s.Exchange.Scopes, "\n"),
	}
	showEndpoints(&v, s.Endpoints)
	showStyle(&v, s.Style)
	return v
}

// knownScopes are the scopes to tick: the preset's, and those that are stored or were ticked.
func knownScopes(preset provider.Preset, words map[string]string, on []string) []pages.ProfileScope {
	var out []pages.ProfileScope
	for _, s := range preset.Scopes {
		text := words[s.Scope]
		if text == "" {
			text = s.Text
		}
		out = append(out, pages.ProfileScope{Value: s.Scope, Text: text, On: slices.Contains(on, s.Scope)})
	}
	for _, s := range on {
		if !slices.ContainsFunc(out, func(known pages.ProfileScope) bool { return known.Value == s }) {
			out = append(out, pages.ProfileScope{Value: s, Text: words[s], On: true})
		}
	}
	return out
}

func created(in profiles.Input) string {
	switch in.Kind {
	case profiles.KindAPIKey:
		return in.Name + " is saved. Attach it to a runtime under Access."
	case profiles.KindExchange:
		return in.Name + " is saved, and its metadata was read. Attach it to a runtime under Access."
	case profiles.KindOAuth:
	}
	return in.Name + " is saved. Test the sign-in before you attach it to a runtime."
}
