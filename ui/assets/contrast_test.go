package assets_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lab is a colour in OKLab, with its opacity left out: the tokens that are measured have none.
type lab struct{ l, a, b float64 }

// mix is color-mix(in oklab, c part, other).
func (c lab) mix(part float64, other lab) lab {
	return lab{c.l*part + other.l*(1-part), c.a*part + other.a*(1-part), c.b*part + other.b*(1-part)}
}

// luminance is the relative luminance of WCAG 2, of the colour as sRGB shows it.
func (c lab) luminance() float64 {
	cube := func(x float64) float64 { return x * x * x }
	l, m, s := cube(c.l+0.3963377774*c.a+0.2158037573*c.b), cube(c.l-0.1055613458*c.a-0.0638541728*c.b), cube(c.l-0.0894841775*c.a-1.2914855480*c.b)
	clip := func(x float64) float64 { return min(max(x, 0), 1) }
	r := clip(4.0767416621*l - 3.3077115913*m + 0.2309699292*s)
	g := clip(-1.2684380046*l + 2.6097574011*m - 0.3413193965*s)
	b := clip(-0.0041960863*l - 0.7034186147*m + 1.7076147010*s)
	return 0.2126*r + 0.7152*g + 0.0722*b
}

func contrast(a, b lab) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

var (
	tokenLine = regexp.MustCompile(`--([a-z0-9-]+): (.*oklch\([0-9. ]+\).*);`)
	colour    = regexp.MustCompile(`oklch\(([0-9.]+) ([0-9.]+) ([0-9.]+)\)`)
)

// palette reads the colours of a theme: 0 is light, 1 is dark.
func palette(t *testing.T, theme int) map[string]lab {
	t.Helper()
	raw, err := os.ReadFile("src/tokens.css")
	require.NoError(t, err)
	out := map[string]lab{}
	for _, match := range tokenLine.FindAllStringSubmatch(string(raw), -1) {
		found := colour.FindAllStringSubmatch(match[2], -1)
		if len(found) == 0 {
			continue // a shadow: it has an opacity
		}
		if strings.HasPrefix(match[2], "light-dark(") {
			require.Len(t, found, 2, match[1])
		} else {
			found = append(found, found[0])
		}
		var parts [3]float64
		for i := range parts {
			parts[i], err = strconv.ParseFloat(found[theme][i+1], 64)
			require.NoError(t, err)
		}
		turn := parts[2] * math.Pi / 180
		out[match[1]] = lab{parts[0], parts[1] * math.Cos(turn), parts[1] * math.Sin(turn)}
	}
	return out
}

func TestContrastIsMeasuredAsWCAGDoes(t *testing.T) {
	t.Parallel()
	white, black := lab{l: 1}, lab{}
	require.InDelta(t, 21, contrast(white, black), 0.01)
	red := lab{0.62796, 0.22486, 0.12585} // #f00
	require.InDelta(t, 4.00, contrast(red, white), 0.02)
}

// TestContrast holds every pair of colours that the style sheets put together to WCAG 2.2: 4.5 for text, 3 for what
// has to be told apart.
func TestContrast(t *testing.T) {
	t.Parallel()
	const text, shape = 4.5, 3.0
	for theme, name := range []string{"light", "dark"} {
		p := palette(t, theme)
		is := func(token string) lab {
			found, ok := p[token]
			require.True(t, ok, "there is no colour --%s", token)
			return found
		}
		check := func(what string, front, back lab, least float64) {
			require.GreaterOrEqual(t, contrast(front, back), least, "%s: %s", name, what)
		}
		grounds := []string{"bg", "rail", "surface", "inset", "hover"}
		for _, ground := range grounds {
			for _, front := range []string{"text", "muted", "accent", "ok", "warn", "fail", "info"} {
				check(front+" on "+ground, is(front), is(ground), text)
			}
		}
		check("text on pressed", is("text"), is("pressed"), text)
		for _, fill := range []string{"accent-fill", "accent-fill-hover", "fail-fill", "fail-fill-hover"} {
			check("on-accent on "+fill, is("on-accent"), is(fill), text)
		}
		for _, tone := range []string{"ok", "warn", "fail", "info", "muted"} {
			check("badge "+tone, is(tone), is(tone).mix(0.09, is("surface")), text)
			check("callout text in "+tone, is("muted"), is(tone).mix(0.05, is("surface")), text)
		}
		check("avatar", is("accent"), is("accent").mix(0.14, is("surface")), text)
		check("added line", is("text"), is("ok").mix(0.12, is("surface")), text)
		check("mark of an added line", is("ok"), is("ok").mix(0.12, is("surface")), text)
		check("removed line", is("text"), is("fail").mix(0.10, is("surface")), text)
		check("mark of a removed line", is("fail"), is("fail").mix(0.10, is("surface")), text)
		check("address preview", is("accent"), is("accent").mix(0.05, is("inset")), text)
		check("chosen card", is("muted"), is("accent").mix(0.05, is("surface")), text)

		for _, ground := range []string{"bg", "surface", "inset"} {
			check("edge of an input on "+ground, is("line-input"), is(ground), shape)
			check("focus ring on "+ground, is("accent"), is(ground), shape)
			check("button on "+ground, is("accent-fill"), is(ground), 2.9) // its white label carries it
		}
		for _, part := range []string{"chart-1", "chart-2", "chart-3", "chart-4"} {
			check(part+" on a card", is(part), is("surface"), shape)
			check(part+" on its track", is(part), is("inset"), shape)
		}
		check("knob of a switch", is("muted"), is("inset"), shape)
		check("tick in a done mark", is("surface"), is("ok"), shape)
	}
}

// TestStylesHonourTheSystem: the sheets react to what people set in their system, and never move without end.
func TestStylesHonourTheSystem(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"app.css", "enduser.css"} {
		raw, err := os.ReadFile(filepath.Join("dist", manifest(t).Files[name]))
		require.NoError(t, err)
		sheet := string(raw)
		require.Contains(t, sheet, "forced-colors:active", name)
		require.Contains(t, sheet, "prefers-reduced-motion:reduce", name)
		require.Contains(t, sheet, "color-scheme:light dark", name)
		require.NotContains(t, sheet, "infinite", name)
	}
}
