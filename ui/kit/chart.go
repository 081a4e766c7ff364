package kit

import (
	"slices"
	"strconv"
	"strings"
)

// Measures of a chart's drawing; its frame stretches to the room that it gets.
const (
	chartWidth  = 600
	chartHeight = 160
	// widestBar keeps a few bars from becoming walls.
	widestBar = 48
)

// ChartSpec is a chart over time. Every value comes with its text, since the table beside the chart shows texts.
type ChartSpec struct {
	// ID is unique in the page.
	ID string
	// Title names what is shown.
	Title string
	// Desc says in a sentence what is to be seen.
	Desc string
	// Unit is the heading of the first column of the table, such as "Hour, UTC".
	Unit string
	// Top is the text of the highest line, such as "400".
	Top string
	// Max is the value of the highest line; 0 takes the highest value.
	Max float64
	// Labels are the points on the time axis.
	Labels []string
	// Series are what is drawn.
	Series []Series
}

// Series is one measure of a chart.
type Series struct {
	// Name is the measure, such as "ok" or "p95".
	Name string
	// Colour is 1 to 4: one of the chart colours.
	Colour int
	// Values are drawn; one for every label.
	Values []float64
	// Texts are what the table says; one for every label.
	Texts []string
}

func (s Series) class() string { return "chart-" + strconv.Itoa(min(max(s.Colour, 1), 4)) }

// text is what the table says at a point.
func (s Series) text(i int) string {
	if i < len(s.Texts) {
		return s.Texts[i]
	}
	return "–"
}

func (s Series) value(i int) float64 {
	if i < len(s.Values) {
		return max(s.Values[i], 0)
	}
	return 0
}

// empty says that there is nothing to draw.
func (c ChartSpec) empty() bool { return len(c.Labels) == 0 || len(c.Series) == 0 }

// tip is what is said about a point.
func (c ChartSpec) tip(i int) string {
	parts := make([]string, 0, len(c.Series))
	for _, s := range c.Series {
		parts = append(parts, s.Name+" "+s.text(i))
	}
	return c.Labels[i] + ": " + strings.Join(parts, ", ")
}

// rect is a rectangle of a drawing, as attributes.
type rect struct{ x, y, width, height, class string }

// column is a stack of bars at a point of the axis, with the area that a pointer meets.
type column struct {
	tip  string
	area rect
	bars []rect
}

// columns are the bars, stacked.
func (c ChartSpec) columns() []column {
	top := c.Max
	for i := range c.Labels {
		sum := 0.0
		for _, s := range c.Series {
			sum += s.value(i)
		}
		top = max(top, sum)
	}
	if top == 0 {
		top = 1
	}
	step := float64(chartWidth) / float64(len(c.Labels))
	wide := min(step-min(step/4, 3), widestBar)
	out := make([]column, 0, len(c.Labels))
	for i := range c.Labels {
		at := column{tip: c.tip(i), area: rect{x: number(float64(i) * step), y: "0", width: number(step), height: number(chartHeight)}}
		base := float64(chartHeight)
		for _, s := range c.Series {
			high := s.value(i) / top * chartHeight
			if high == 0 {
				continue
			}
			base -= high
			at.bars = append(at.bars, rect{x: number(float64(i)*step + (step-wide)/2), y: number(base), width: number(wide), height: number(high), class: s.class()})
		}
		out = append(out, at)
	}
	return out
}

// line is the path of a series over the whole width; closed at the bottom it is an area.
func (c ChartSpec) line(s Series, area bool) string {
	top := c.Max
	for _, each := range c.Series {
		for i := range c.Labels {
			top = max(top, each.value(i))
		}
	}
	values := make([]float64, len(c.Labels))
	for i := range values {
		values[i] = s.value(i)
	}
	return path(values, top, chartWidth, chartHeight, area)
}

// spark is the path of a line without axes.
func spark(values []float64, width, height float64) string {
	return path(values, slices.Max(values), width, height, false)
}

func path(values []float64, top, width, height float64, area bool) string {
	if top <= 0 {
		top = 1
	}
	const inset = 1.5 // half a line, so that the highest point is not cut
	step := width
	if len(values) > 1 {
		step = width / float64(len(values)-1)
	}
	var out strings.Builder
	for i, v := range values {
		out.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
		out.WriteString(number(float64(i)*step) + " " + number(height-inset-max(v, 0)/top*(height-2*inset)))
	}
	if len(values) == 1 {
		out.WriteString("H" + number(width))
	}
	if area {
		out.WriteString("V" + number(height) + "H0Z")
	}
	return out.String()
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', 1, 64) }

// WaterfallSpec is where the time of a request went.
type WaterfallSpec struct {
	// Title names it.
	Title string
	// Spans are the parts, in order.
	Spans []Span
}

// Span is a part of a waterfall.
type Span struct {
	// Name is the part, such as "Gateway".
	Name string
	// Start is where it begins, in thousandths of the whole.
	Start int
	// Length is how long it is, in thousandths of the whole.
	Length int
	// Took is the time in words, such as "48 ms".
	Took string
	// Colour is 1 to 4: one of the chart colours.
	Colour int
}

func (s Span) class() string { return Series{Colour: s.Colour}.class() }

// whole is the width of a waterfall, visible the width below which a bar could not be seen.
const (
	whole   = 1000
	visible = 4
)

func permille(n int) int { return min(max(n, 0), whole) }

// x leaves room for the shortest bar at the end of the frame.
func (s Span) x() int { return min(permille(s.Start), whole-visible) }

// width keeps the shortest span visible and the longest inside the frame.
func (s Span) width() int { return max(visible, permille(s.Start+s.Length)-s.x()) }
