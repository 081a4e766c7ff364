package provider

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Preset is what is known of a provider before anybody asks it.
type Preset struct {
	// ID is stored in profiles and never changes.
	ID   string `json:"id"`
	Name string `json:"name"`
	// Help is one sentence on what the preset is for.
	Help string `json:"help"`
	// Issuer may hold {fields}. It is empty where the issuer is typed in whole.
	Issuer string        `json:"issuer"`
	Fields []PresetField `json:"fields"`
	// Endpoints are for a provider without metadata, or complete it; they may hold {fields}.
	Endpoints Endpoints `json:"endpoints"`
	// Manual says that there is no metadata to discover.
	Manual bool  `json:"manual"`
	Style  Style `json:"-"`
	// AuthMethod is how our client proves itself, empty for the standard's way.
	AuthMethod string `json:"auth_method"`
	// Scopes are offered first; those of the provider's API are typed in.
	Scopes []ScopeDoc `json:"scopes"`
	Quirks []Quirk    `json:"quirks"`
	// Console is the page on which a client and its redirect URI are registered.
	Console string `json:"console"`
	// ConsoleHelp says what to choose there.
	ConsoleHelp string `json:"console_help"`
}

// PresetField is one part of a preset that differs between customers of the provider.
type PresetField struct {
	// Name is what stands in braces in the templates; "audience" and "resource" go into the style.
	Name     string `json:"name"`
	Label    string `json:"label"`
	Help     string `json:"help"`
	Example  string `json:"example"`
	Default  string `json:"default"`
	Required bool   `json:"required"`
}

// ScopeDoc is a scope with what it means in words.
type ScopeDoc struct {
	Scope string `json:"scope"`
	Text  string `json:"text"`
	// Default says that the profile begins with it.
	Default bool `json:"default"`
}

// Quirk is a way in which the provider departs from the standards.
type Quirk struct {
	What string `json:"what"`
	// Page is the provider's own documentation of it.
	Page string `json:"page"`
}

//go:embed presets.json
var presetsJSON []byte

var presets = mustPresets(presetsJSON)

// presetStyle is a style with lives as Go writes durations.
type presetStyle struct {
	Style
	DefaultLife string `json:"default_life"`
	RefreshLife string `json:"refresh_life"`
}

func mustPresets(raw []byte) []Preset {
	var list []struct {
		Preset
		StyleAs presetStyle `json:"style"`
	}
	if err := json.Unmarshal(raw, &list, json.RejectUnknownMembers(true)); err != nil {
		panic(fmt.Sprintf("presets.json: %v", err))
	}
	out := make([]Preset, len(list))
	for i, one := range list {
		out[i], out[i].Style = one.Preset, one.StyleAs.Style
		for text, life := range map[string]*time.Duration{one.StyleAs.DefaultLife: &out[i].Style.DefaultLife, one.StyleAs.RefreshLife: &out[i].Style.RefreshLife} {
			if text == "" {
				continue
			}
			d, err := time.ParseDuration(text)
			if err != nil {
				panic(fmt.Sprintf("presets.json: %s: %v", one.ID, err))
			}
			*life = d
		}
	}
	return out
}

// Presets are all presets, in the order in which they are offered.
func Presets() []Preset {
	out := slices.Clone(presets)
	for i := range out {
		out[i] = out[i].clone()
	}
	return out
}

// PresetByID finds a preset.
func PresetByID(id string) (Preset, bool) {
	i := slices.IndexFunc(presets, func(p Preset) bool { return p.ID == id })
	if i < 0 {
		return Preset{}, false
	}
	return presets[i].clone(), true
}

func (p Preset) clone() Preset {
	p.Style.Authorize, p.Style.Token = maps.Clone(p.Style.Authorize), maps.Clone(p.Style.Token)
	p.Fields, p.Scopes, p.Quirks = slices.Clone(p.Fields), slices.Clone(p.Scopes), slices.Clone(p.Quirks)
	p.Endpoints.AuthMethods = slices.Clone(p.Endpoints.AuthMethods)
	return p
}

// Filled is a preset with its fields filled in.
type Filled struct {
	Issuer    string
	Endpoints Endpoints
	Style     Style
}

// Fill puts values into the templates. Problems are by field name; there are none for
// values that give a preset that can be used. What the issuer is is still to be asked:
// Discover, unless Manual.
func (p Preset) Fill(values map[string]string) (f Filled, problems map[string]string) {
	problems = map[string]string{}
	replace := []string{}
	f = Filled{Style: p.clone().Style}
	for _, field := range p.Fields {
		value := strings.TrimSpace(values[field.Name])
		if value == "" {
			value = field.Default
		}
		switch {
		case value == "" && field.Required:
			problems[field.Name] = field.Label + " is needed."
		case field.Name == "audience":
			f.Style.Audience = value
		case field.Name == "resource":
			f.Style.Resource = value
		case field.Name == "base": // a whole address
			value = strings.TrimSuffix(value, "/")
		case strings.ContainsFunc(value, notInURL):
			problems[field.Name] = field.Label + " must not hold " + "spaces, slashes, or other signs that a host name or path does not have."
		}
		replace = append(replace, "{"+field.Name+"}", value)
	}
	with := strings.NewReplacer(replace...)
	f.Issuer, f.Endpoints = with.Replace(p.Issuer), p.Endpoints
	for _, address := range []*string{
		&f.Endpoints.Issuer, &f.Endpoints.Authorization, &f.Endpoints.Token, &f.Endpoints.Revocation, &f.Endpoints.UserInfo, &f.Endpoints.Introspection, &f.Endpoints.Registration, &f.Endpoints.JWKS, &f.Style.Identity.URL,
	} {
		*address = with.Replace(*address)
	}
	return f, problems
}

// notInURL are signs that would change what a template means.
func notInURL(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_' || r == ':')
}
