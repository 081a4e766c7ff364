package kit

import (
	"bytes"
	"encoding/xml"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWaterfallStaysInItsFrame(t *testing.T) {
	t.Parallel()
	for _, span := range []Span{{Start: -5, Length: 20}, {Start: 990, Length: 500}, {Start: 5, Length: 0}, {Start: 0, Length: 1000}, {Start: 1000, Length: 0}, {Start: 2000, Length: 9}} {
		require.Positive(t, span.width())
		require.LessOrEqual(t, span.x()+span.width(), whole)
	}
	require.Equal(t, 40, Span{Start: 40, Length: 930}.x())
	require.Equal(t, 930, Span{Start: 40, Length: 930}.width())
}

func TestBarsFillTheirFrame(t *testing.T) {
	t.Parallel()
	spec := ChartSpec{Labels: []string{"a", "b"}, Series: []Series{
		{Name: "ok", Colour: 1, Values: []float64{30, 10}, Texts: []string{"30", "10"}}, {Name: "bad", Colour: 9, Values: []float64{10}, Texts: []string{"10"}},
	}}
	columns := spec.columns()
	require.Len(t, columns, 2)
	require.Equal(t, "a: ok 30, bad 10", columns[0].tip)
	require.Equal(t, "b: ok 10, bad –", columns[1].tip, "a value that is missing is said to be missing")
	require.Equal(t, "0.0", columns[0].bars[1].y, "the highest stack reaches the top")
	require.Equal(t, "chart-4", columns[0].bars[1].class)
	require.Equal(t, "120.0", columns[1].bars[0].y)
	require.Equal(t, "126.0", columns[0].bars[0].x, "a wide bar stands in the middle of its place")
	require.Equal(t, "48.0", columns[0].bars[0].width)
	require.Len(t, columns[1].bars, 1, "what is zero is not drawn")
	require.Equal(t, rect{x: "300.0", y: "0", width: "300.0", height: "160.0"}, columns[1].area)
	require.Empty(t, ChartSpec{Labels: []string{"a"}, Series: []Series{{Values: []float64{-3}}}}.columns()[0].bars, "a negative value draws nothing")
}

func TestLines(t *testing.T) {
	t.Parallel()
	require.Equal(t, "M0.0 26.5L60.0 14.0L120.0 1.5", spark([]float64{0, 2, 4}, 120, 28))
	require.Equal(t, "M0.0 26.5H120.0", spark([]float64{0}, 120, 28), "one point is a line")
	spec := ChartSpec{Labels: []string{"a", "b"}, Max: 8, Series: []Series{{Values: []float64{8, 0}}}}
	require.Equal(t, "M0.0 1.5L600.0 158.5V160.0H0Z", spec.line(spec.Series[0], true))
}

// TestJSONComesOutWhole says that colouring loses and adds nothing, whatever the text is.
func TestJSONComesOutWhole(t *testing.T) {
	t.Parallel()
	classes := map[string]string{}
	for _, part := range tokens(`{"a" : "x\"y", "n":-1.5e3, "z": null}`) {
		classes[part.text] = part.class
	}
	require.Equal(t, "j-key", classes[`"a"`])
	require.Equal(t, "j-text", classes[`"x\"y"`])
	require.Equal(t, "j-word", classes["-1.5e3"])
	require.Equal(t, "j-word", classes["null"])
	for _, text := range []string{"", "plain", `"open`, `"\`, `{"é": "日本語🛂"}`, "<b>\"&amp;\"</b>", "\x00\xff\"", "a\n\tb"} {
		var joined strings.Builder
		for _, part := range tokens(text) {
			joined.WriteString(part.text)
		}
		require.Equal(t, text, joined.String())
		var out bytes.Buffer
		require.NoError(t, jsonCode("c", text).Render(t.Context(), &out))
		require.NotContains(t, strings.NewReplacer(`<code id="c">`, "", "</code>", "", `<span class="j-key">`, "", `<span class="j-text">`, "", `<span class="j-word">`, "", "</span>", "").Replace(out.String()), "<")
	}
	var out bytes.Buffer
	require.NoError(t, jsonCode("c", `{"<i>": 1}`).Render(t.Context(), &out))
	require.NoError(t, xml.Unmarshal([]byte("<pre>"+out.String()+"</pre>"), new(struct{})))
}

func TestDownloadIsOneAddress(t *testing.T) {
	t.Parallel()
	address := string(download("A=\"b\"#c\n%<script>"))
	require.Equal(t, "data:text/plain;charset=utf-8,A=%22b%22%23c%0A%25%3Cscript%3E%0A", address)
}

func TestInitial(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"ana": "A", "  42nd": "4", "": "·", "🛂": "·", "éa": "É", rune2("ش"): "ش"} {
		require.Equal(t, want, initial(name), name)
	}
}

// rune2 puts a mark that turns the direction of text before a letter.
func rune2(letter string) string { return "\u202e" + letter }

func TestAButtonThatIsOffSendsNothing(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, Button(ButtonSpec{Text: "Remove", Submit: true, Busy: "Removing…", Off: "why"}).Render(t.Context(), &out))
	require.Contains(t, out.String(), `type="button"`)
	require.Contains(t, out.String(), `aria-disabled="true"`)
	require.Contains(t, out.String(), `aria-describedby="why"`)
	require.NotContains(t, out.String(), "data-busy")
	out.Reset()
	require.NoError(t, LinkButton(LinkSpec{Text: "Edit", Href: "/edit", Off: "why"}).Render(t.Context(), &out))
	require.NotContains(t, out.String(), "/edit")
}
