package web

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

// genericPreset is the preset of a provider that keeps to the standards.
const genericPreset = "generic"

func presetCard(preset provider.Preset, form string) pages.PresetCard {
	return pages.PresetCard{Name: preset.Name, Text: preset.Help, Href: form + "?preset=" + url.QueryEscape(preset.ID)}
}

func otherCards(form string) []pages.PresetCard {
	return []pages.PresetCard{
		{Name: "API keys", Text: "Each person types in a key of their own.", Href: form + "?kind=" + string(profiles.KindAPIKey)},
		{Name: "Token exchange", Text: "Your authorization server gives tokens against the gateway's signed word (RFC 8693).", Href: form + "?kind=" + string(profiles.KindExchange)},
	}
}

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

// inStyle are fields of presets that stand in the form in any case.
var inStyle = []string{"audience", "resource"}

// presetFields are what a preset asks for, but for what stands in the form in any case and is not needed.
func presetFields(preset provider.Preset, typed map[string]string) []pages.PresetField {
	var out []pages.PresetField
	for _, f := range preset.Fields {
		if !f.Required && slices.Contains(inStyle, f.Name) {
			continue
		}
		value, ok := typed[f.Name]
		if !ok {
			value = f.Default
		}
		out = append(out, pages.PresetField{Name: forms.PresetField(f.Name), Label: f.Label, Hint: f.Help, Placeholder: f.Example, Value: value})
	}
	return out
}

func presetFieldNames(preset provider.Preset) []string {
	var out []string
	for _, f := range presetFields(preset, nil) {
		out = append(out, strings.TrimPrefix(f.Name, forms.PresetField("")))
	}
	return out
}

// fillPreset puts what the preset asked for into the input. Errors: errs.Invalid with Fields.
func fillPreset(preset provider.Preset, in *profiles.Input, typed map[string]string) error {
	if len(typed) == 0 {
		return nil
	}
	filled, problems := preset.Fill(typed)
	wrong := map[string]string{}
	for name, text := range problems {
		wrong[forms.PresetField(name)] = text
	}
	in.Issuer = filled.Issuer
	if preset.Manual {
		in.Settings.Endpoints = filled.Endpoints
	}
	for _, name := range inStyle {
		value, ok := typed[name]
		switch {
		case !ok:
		case name == "audience":
			in.Style.Audience = value
		default:
			in.Style.Resource = value
		}
	}
	return errs.Fields(wrong)
}

func registerAt(preset provider.Preset) (text, href string) {
	text = preset.ConsoleHelp
	if text == "" && preset.Console != "" {
		text = preset.Name
	}
	return text, preset.Console
}

// madeFrom names what a profile is made from.
func madeFrom(kind string, preset provider.Preset) string {
	switch profiles.Kind(kind) {
	case profiles.KindAPIKey:
		return "API keys"
	case profiles.KindExchange:
		return "Token exchange"
	case profiles.KindOAuth:
	}
	return preset.Name
}

func created(in profiles.Input) string {
	switch in.Kind {
	case profiles.KindAPIKey:
		return in.Name + " is there. Attach it to a runtime under Access."
	case profiles.KindExchange:
		return in.Name + " is there. Its metadata was read. Attach it to a runtime under Access."
	case profiles.KindOAuth:
	}
	return in.Name + " is there. Test the sign-in before you attach it to a runtime."
}

// profileInput is what was typed, for the domain. Errors: errs.Invalid with the fields
// that cannot be read at all.
func profileInput(in forms.Profile) (profiles.Input, error) {
	f, wrong := in.Fields, map[string]string{}
	span := func(field, typed string, unit time.Duration) time.Duration {
		if typed == "" {
			return 0
		}
		n, err := strconv.ParseInt(typed, 10, 32)
		if err != nil || n < 0 {
			wrong[field] = "Type a whole number."
		}
		return time.Duration(n) * unit
	}
	params := func(field, typed string) map[string]string {
		out := map[string]string{}
		for line := range strings.Lines(typed) {
			line = strings.TrimSpace(line)
			name, value, ok := strings.Cut(line, "=")
			switch {
			case line == "":
			case !ok || strings.TrimSpace(value) == "":
				wrong[field] = fmt.Sprintf("“%s” is no parameter: type a line such as prompt=consent.", shorten(line))
			default:
				out[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
		return out
	}
	scopes, words := typedScopes(f)
	out := profiles.Input{
		Name: f.Name, Kind: profiles.Kind(f.Kind), Preset: f.Preset, Issuer: f.Issuer, SignIn: f.SignIn,
		Client: profiles.ClientInput{Kind: f.ClientKind, ID: f.ClientID, AuthMethod: f.AuthMethod, KeyAlg: f.KeyAlg, Secret: secret.New(in.Secret), InitialToken: secret.New(in.InitialToken)},
		Settings: profiles.Settings{
			Discovery: f.Discovery, ResourceURL: f.ResourceURL, Scopes: scopes, ScopeText: words, Match: f.Match, KeepAlive: span("keep_alive", f.KeepAlive, day),
			Endpoints: provider.Endpoints{
				Authorization: f.Authorization, Token: f.Token, Revocation: f.Revocation, UserInfo: f.UserInfo,
				Introspection: f.Introspection, Registration: f.Registration, JWKS: f.JWKS,
			},
			Style: provider.Style{
				ScopeSeparator: f.ScopeSeparator, Resource: f.Resource, Audience: f.Audience, OmitResource: f.OmitResource, ResourceOn: tickedRequests(f.ResourceOn),
				Authorize: params("authorize_params", f.AuthorizeParams), Token: params("token_params", f.TokenParams), OfflineScope: f.OfflineScope,
				ScopeOnRefresh: f.ScopeOnRefresh, AcceptJSON: f.AcceptJSON, ErrorsWith200: f.ErrorsWith200, NoPKCE: f.NoPKCE, Rotates: f.Rotates,
				DefaultLife: span("default_life", f.DefaultLife, time.Minute), RefreshLife: span("refresh_life", f.RefreshLife, day),
				RevokeWith: f.RevokeWith, AssertionAudience: f.AssertionAudience,
				Identity: provider.Identity{From: f.IdentityFrom, URL: f.IdentityURL, ID: f.IdentityID, Name: f.IdentityName, Email: f.IdentityEmail, EmailVerified: f.IdentityEmailVerified},
			},
			APIKey:   profiles.KeyRule{Label: f.KeyLabel, Help: f.KeyHelp, Header: f.KeyHeader, Format: f.KeyFormat, CheckURL: f.KeyCheckURL},
			Exchange: profiles.ExchangeRule{Audience: f.ExchangeAudience, Resource: f.ExchangeResource, Scopes: strings.Fields(f.ExchangeScopes)},
		},
	}
	return out, errs.Fields(wrong)
}

// tickedRequests is nil where all three requests are ticked, and where none is, which is said by another field.
func tickedRequests(ticked []string) []string {
	const requests = 3
	if len(ticked) == requests {
		return nil
	}
	return ticked
}

// typedScopes are the ticked scopes and those that were typed, a line each, with what they mean behind them.
func typedScopes(f forms.ProfileFields) (scopes []string, words map[string]string) {
	words = map[string]string{}
	if preset, ok := provider.PresetByID(f.Preset); ok {
		for _, s := range preset.Scopes {
			words[s.Scope] = s.Text
		}
	}
	scopes = slices.Clone(f.Scopes)
	for line := range strings.Lines(f.OtherScopes) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "" {
			continue
		}
		scopes = append(scopes, name)
		if text = strings.TrimSpace(text); text != "" {
			words[name] = text
		}
	}
	return scopes, words
}

func shorten(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// keepWords gives scopes that were ticked again the words that are stored with them.
func keepWords(in *profiles.Input, stored profiles.Profile) {
	for scope, text := range stored.Settings.ScopeText {
		if _, typed := in.ScopeText[scope]; !typed {
			in.ScopeText[scope] = text
		}
	}
}
