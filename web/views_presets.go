package web

import (
	"net/url"
	"slices"
	"strings"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/web/forms"
)

// inStyle are fields of presets that stand in the form in any case.
var inStyle = []string{"audience", "resource"}

func presetCard(preset provider.Preset, form string) pages.PresetCard {
	return pages.PresetCard{Name: preset.Name, Text: preset.Help, Href: form + "?preset=" + url.QueryEscape(preset.ID)}
}

func otherCards(form string) []pages.PresetCard {
	return []pages.PresetCard{
		{Name: "API keys", Text: "Each person types in a key of their own.", Href: form + "?kind=" + string(profiles.KindAPIKey)},
		{Name: "Token exchange", Text: "Your authorization server gives tokens in exchange for the gateway's signed assertion (RFC 8693).", Href: form + "?kind=" + string(profiles.KindExchange)},
	}
}

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
