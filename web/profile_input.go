package web

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/web/forms"
)

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
				wrong[field] = fmt.Sprintf("“%s” is not a parameter. Type a line such as prompt=consent.", shorten(line))
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
