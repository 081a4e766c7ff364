package stories

import (
	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/icons"
	"github.com/emcy/gateway/ui/kit"
)

func actions(say Text) []Piece {
	const off = "kit-off"
	return []Piece{
		{ID: "button", Title: "Button", Text: "Does something here. One primary button a screen.", States: []State{
			{"kinds", row(
				kit.Button(kit.ButtonSpec{Text: "Save changes", Kind: kit.Primary}), kit.Button(kit.ButtonSpec{Text: "Probe again", Icon: icons.RefreshCw()}),
				kit.Button(kit.ButtonSpec{Text: "Cancel", Kind: kit.Quiet}), kit.Button(kit.ButtonSpec{Text: "Remove runtime", Kind: kit.Danger, Icon: icons.Trash2()}),
				kit.Button(kit.ButtonSpec{Text: "Remove", Kind: kit.QuietDanger}),
			)},
			{"sizes", row(
				kit.Button(kit.ButtonSpec{Text: "Small", Size: kit.Small, Icon: icons.Plus()}), kit.Button(kit.ButtonSpec{Text: "Usual"}),
				kit.Button(kit.ButtonSpec{Text: "Big", Size: kit.Big}),
			)},
			{"off, with the reason", row(
				kit.Button(kit.ButtonSpec{Text: "Rotate secret", Icon: icons.KeyRound(), Off: off}), kit.Button(kit.ButtonSpec{Text: "Add runtime", Kind: kit.Primary, Off: off}),
				kit.Reason(off, say("Your role in Acme is Viewer; this needs the role Developer. An owner of the workspace can give it to you.")),
			)},
			{"long", kit.Button(kit.ButtonSpec{Text: say("Save and probe all runtimes again")})},
		}},
		{ID: "link-button", Title: "Link button", Text: "Leads somewhere; looks like a button where that is the thing to do.", States: []State{
			{"kinds", row(
				kit.LinkButton(kit.LinkSpec{Text: "Connect a client", Href: "#link-button", Kind: kit.Primary, Icon: icons.Plug()}),
				kit.LinkButton(kit.LinkSpec{Text: say("Edit"), Href: "#link-button", Icon: icons.Pencil()}),
				kit.LinkButton(kit.LinkSpec{Text: "Older", Href: "#link-button", Size: kit.Small, After: icons.ArrowRight()}),
			)},
			{"on", kit.LinkButton(kit.LinkSpec{Text: "Live tail", Href: "#link-button", Icon: icons.Activity(), On: true})},
		}},
	}
}

func content(say Text) []Piece {
	tone := func(tone, title, text string) templ.Component { return with(kit.Callout(tone, title), paragraph(text)) }
	return []Piece{
		{ID: "card", Title: "Card", Text: "A part of a page with a heading.", States: []State{
			{"with a count, a badge and a note", cardStory(say)},
			{"long", with(kit.Card(kit.CardSpec{ID: "card-long", Title: say(longWord)}), paragraph(say(longText)))},
		}},
		{ID: "facts", Title: "Facts", Text: "Terms and values.", States: []State{{"wide", factsStory(say, true)}, {"narrow", factsStory(say, false)}}},
		{ID: "kpi", Title: "Figure", Text: "A number that matters, how it changed, and where it comes from.", States: []State{{"filled, growing, unknown, loading, failed", kpiStory(say)}}},
		{ID: "callout", Title: "Callout", Text: "A remark that has to be seen.", States: []State{
			{"information", tone(kit.ToneInfo, "The older secret works until 21:50 UTC", say("During the change the runtime may hold both."))},
			{"success", tone(kit.ToneOK, "Both answers agree", "The runtime asks for the secret.")},
			{"warning", tone(kit.ToneWarn, say("This runtime answers without the worker secret"), say(longText))},
			{"failure", tone(kit.ToneFail, "The runtime did not answer within 30 s", say(longWord))},
			{"plain", tone(kit.ToneNeutral, "", "Nothing is to be done.")},
		}},
		{ID: "summary", Title: "Error summary", Text: "Stands on top of a refused form, takes the focus and leads to its fields.", States: []State{
			{"two fields", kit.ErrorSummary(say("The runtime was not added."), []kit.FieldMessage{{FieldID: "error-summary", Text: say("Use an https address.")}, {FieldID: "error-summary", Text: "Another runtime has this path."}})},
		}},
		{ID: "empty-state", Title: "Empty state", Text: "A place where nothing is yet: one sentence, one thing to do.", States: []State{
			{"with a sample", with(kit.EmptyState(kit.EmptySpec{Icon: icons.Server(), Title: "Add the MCP server that you already run", Text: say("It keeps its code, its tools and its place."), Sample: sampleRows()}), kit.LinkButton(kit.LinkSpec{Text: "Add runtime", Href: "#empty-state", Kind: kit.Primary, Icon: icons.Plus()}))},
			{"bare", kit.EmptyState(kit.EmptySpec{Icon: icons.ScrollText(), Title: say("No requests yet"), Text: say(longText + " " + longWord)})},
		}},
		{ID: "error-state", Title: "Error state", Text: "A part that could not be shown, while the rest of the page is.", States: []State{
			{"with a way out", kit.ErrorState(kit.ErrorSpec{Title: "The log cannot be read", Text: say("The database did not answer. Nothing is lost."), RequestID: say("req_01kapxq6j8"), RetryHref: "#error-state"})},
			{"long", kit.ErrorState(kit.ErrorSpec{Title: say(longText), Text: say(longWord)})},
		}},
		{ID: "loading", Title: "Loading", Text: "Stands in for lines on their way. It does not move.", States: []State{{"three lines", kit.Loading("the tools", 3)}}},
		{ID: "table", Title: "Table", Text: "Rows of things. The head stays in sight, headings sort by links, a row's link covers the row.", States: []State{
			{"sorted, rows lead on", tableStory(say)},
			{"one column too many", wideTable(say)},
		}},
		{ID: "pager", Title: "Pager", Text: "Leads through a list by its ends.", States: []State{
			{"first page", kit.Pager(kit.PagerSpec{Label: "Pages, at the start", OlderHref: "#pager", Older: "Older", Newest: "Newest"})},
			{"in between", kit.Pager(kit.PagerSpec{Label: "Pages, in between", NewestHref: "#pager", OlderHref: "#pager", Older: "Older", Newest: "Newest"})},
		}},
	}
}

func overlays(say Text) []Piece {
	return []Piece{
		{ID: "menu", Title: "Menu", Text: "A list behind a button. It is the browser's popover: no script, closed by Escape.", States: []State{{"links and a form", menuStory(say)}}},
		{ID: "dialog", Title: "Dialog", Text: "Asks before the person goes on.", States: []State{{"opened by a link", dialogStory(say)}}},
		{ID: "drawer", Title: "Drawer", Text: "Shows a thing of a list beside the list.", States: []State{{"opened by a link", drawerStory(say)}}},
		{ID: "toast", Title: "Toast", Text: "Says that something worked, where the page did not change.", States: []State{{"short", kit.Toast(say("Copied."))}, {"long", kit.Toast(say(longText))}}},
	}
}

func charts(say Text) []Piece {
	hours := []string{"00:00", "02:00", "04:00", "06:00", "08:00", "10:00", "12:00", "14:00", "16:00", "18:00", "20:00", "22:00"}
	texts := func(values []float64, unit string) []string {
		var out []string
		for _, v := range values {
			out = append(out, number(v)+unit)
		}
		return out
	}
	ok, denied, failed := []float64{120, 90, 40, 60, 210, 340, 310, 380, 360, 250, 190, 140}, []float64{4, 2, 0, 1, 9, 12, 8, 15, 11, 6, 4, 3}, []float64{0, 0, 0, 0, 2, 0, 31, 4, 0, 0, 1, 0}
	p50, p95 := []float64{31, 30, 29, 30, 34, 38, 41, 40, 39, 36, 33, 31}, []float64{80, 76, 72, 75, 110, 130, 220, 160, 140, 120, 95, 84}
	series := []kit.Series{
		{Name: "ok", Colour: 1, Values: ok, Texts: texts(ok, "")}, {Name: say("denied"), Colour: 3, Values: denied, Texts: texts(denied, "")}, {Name: "failed", Colour: 4, Values: failed, Texts: texts(failed, "")},
	}
	return []Piece{
		{ID: "chart-bars", Title: "Bars", Text: "How many of what, over time. The same is there as a table.", States: []State{
			{"three outcomes", kit.BarChart(kit.ChartSpec{ID: "bars", Title: "Requests by outcome", Desc: "Most requests are answered; failures stand out at noon.", Unit: "Hour, UTC", Top: "395", Max: 395, Labels: hours, Series: series})},
			{"one point", kit.BarChart(kit.ChartSpec{ID: "bars-one", Title: "Requests in one hour", Desc: "One hour only.", Unit: "Hour, UTC", Top: "120", Labels: hours[:1], Series: series[:1]})},
			{"nothing yet", kit.BarChart(kit.ChartSpec{ID: "bars-none", Title: "Requests", Desc: "None."})},
		}},
		{ID: "chart-area", Title: "Area", Text: "How much, over time.", States: []State{
			{"two measures", kit.AreaChart(kit.ChartSpec{ID: "area", Title: "Latency", Desc: "The slowest twentieth rises at noon.", Unit: "Hour, UTC", Top: "220 ms", Labels: hours, Series: []kit.Series{
				{Name: "p95", Colour: 1, Values: p95, Texts: texts(p95, " ms")}, {Name: say("p50"), Colour: 2, Values: p50, Texts: texts(p50, " ms")},
			}})},
		}},
		{ID: "chart-spark", Title: "Spark", Text: "A small line beside a figure.", States: []State{{"twelve points", kit.Spark("spark-alone", say("Requests over the day"), ok)}}},
		{ID: "waterfall", Title: "Waterfall", Text: "Where the time of a request went.", States: []State{
			{"three parts", kit.Waterfall(kit.WaterfallSpec{Title: say("Parts of a request"), Spans: []kit.Span{
				{Name: "Gateway", Length: 40, Took: "2.4 ms", Colour: 1}, {Name: "Runtime", Start: 40, Length: 930, Took: "57 ms", Colour: 2}, {Name: say("Way back"), Start: 970, Length: 30, Took: "1.6 ms", Colour: 1},
			}})},
		}},
	}
}
