package stories

import (
	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/kit"
)

// Piece is a component of the kit with its states.
type Piece struct {
	// Group is its family.
	Group string
	// ID is unique and fit for an address.
	ID string
	// Title is its name.
	Title string
	// Text says what it is for.
	Text string
	// States are its states.
	States []State
}

// State is a component in a state. Its ids are unique over all of them, because one page shows them all.
type State struct {
	// Name is unique within the piece.
	Name string
	// Component is what to render.
	Component templ.Component
}

// Long and odd texts that every component has to hold.
const (
	longWord = "a-name-that-nobody-would-choose-but-that-somebody-will-one-day-type-into-this-field-without-a-single-space"
	longText = "A sentence that goes on for longer than the place that was made for it, since people write what they have to say and not what fits."
	oddText  = "Ünïcödé · 日本語 · 🛂 · ﷽ · e̷̛͈"
	rightTo  = "شركة الشمال للتجارة"
)

// Kit are the components, in the order of their families.
func Kit(say Text) []Piece {
	var all []Piece
	for _, family := range []struct {
		name   string
		pieces func(Text) []Piece
	}{
		{"Frame", frame},
		{"Actions", actions},
		{"Marks", marks},
		{"Content", content},
		{"Forms", fields},
		{"Copy and code", code},
		{"Progress", progress},
		{"Overlays", overlays},
		{"Charts", charts},
	} {
		for _, piece := range family.pieces(say) {
			piece.Group = family.name
			all = append(all, piece)
		}
	}
	return all
}

func frame(say Text) []Piece {
	return []Piece{
		{ID: "page-head", Title: "Page head", Text: "What a page is, and the things to do on it.", States: []State{
			{"with actions and a badge", headStory(say)},
			{"mono, with a time", kit.PageHead(kit.HeadSpec{Title: say("search_customers"), Mono: true, Badge: kit.Badge(kit.ToneFail, "timeout"), When: kit.Time("2026-11-22T20:50:47Z", "2026-11-22 20:50:47")})},
			{"long and odd", kit.PageHead(kit.HeadSpec{Title: say(longWord), Sub: say(longText + " " + oddText)})},
		}},
		{ID: "breadcrumb", Title: "Breadcrumb", Text: "Where a page is. The last step is the page itself.", States: []State{
			{"three levels, long and odd", kit.Crumbs(kit.Crumb{Text: "Runtimes", Href: "/acme/runtimes"}, kit.Crumb{Text: say(oddText), Href: "/acme/runtimes/todos"}, kit.Crumb{Text: say(longWord)})},
		}},
		{ID: "nav", Title: "Navigation", Text: "Groups of pages. Where there is no room it is a popover behind a button, as on this page.", States: []State{
			{"with counts and the current page", navStory(say)},
		}},
		{ID: "tabs", Title: "Tabs", Text: "Views of one thing. They are links: each has an address.", States: []State{
			{"the second is current", kit.Tabs("Views of a runtime", kit.Tab{Text: "Overview", Href: "#tabs"}, kit.Tab{Text: "Tools", Href: "#tabs", Count: "14", Current: true}, kit.Tab{Text: "Connect", Href: "#tabs"})},
			{"more than fit", kit.Tabs("Views of a runtime with many", manyTabs(say)...)},
		}},
		{ID: "notice", Title: "Notice and flash", Text: "A standing remark about the installation, and the word that something worked.", States: []State{
			{"notice", kit.Notice(say("Private and loopback runtimes are allowed, because this gateway runs on localhost."))},
			{"flash", kit.Flash(say("The worker secret is stored. The runtime was probed again."))},
			{"flash, long", kit.Flash(say(longText + " " + longWord))},
		}},
	}
}

func manyTabs(say Text) []kit.Tab {
	var out []kit.Tab
	for _, name := range []string{"Overview", "Tools", "Access", "Health", "Connect", "Policies", "Budgets", "People", "Audit", say("Settings")} {
		out = append(out, kit.Tab{Text: name, Href: "#tabs", Current: name == "Overview"})
	}
	return out
}

func marks(say Text) []Piece {
	tones := []string{kit.ToneOK, kit.ToneWarn, kit.ToneFail, kit.ToneInfo, kit.ToneNeutral}
	var badges, tags, dots []templ.Component
	for i, word := range []string{"Ready", "Waiting", "Error", "Streaming", "Off"} {
		badges = append(badges, kit.Badge(tones[i], word))
		tags = append(tags, kit.Tag(tones[i], word))
		dots = append(dots, kit.StatusDot(tones[i], word))
	}
	return []Piece{
		{ID: "badge", Title: "Badge", Text: "A state in a word. The colour says nothing that the word does not.", States: []State{
			{"tones", row(badges...)}, {"long and odd", row(kit.Badge(kit.ToneWarn, say(longText)), kit.Badge(kit.ToneOK, say(oddText)))},
		}},
		{ID: "tag", Title: "Tag", Text: "A property in a word.", States: []State{{"tones", row(tags...)}, {"long", kit.Tag(kit.ToneNeutral, say(longWord))}}},
		{ID: "status-dot", Title: "Status dot", Text: "A badge without its box, where there are many.", States: []State{{"tones", row(dots...)}}},
		{ID: "count", Title: "Count", Text: "A number beside a word.", States: []State{{"short and long", row(kit.Count("3"), kit.Count("12,480"))}}},
		{ID: "avatar", Title: "Avatar and emblem", Text: "The first letter of a person, and of a thing.", States: []State{
			{"people", row(kit.Avatar(say("Ana Ferreira")), kit.Avatar(rightTo), kit.Avatar("🛂"))},
			{"things", row(kit.Emblem("Acme", false), kit.Emblem(say("Northwind"), true))},
		}},
		{ID: "time", Title: "Time", Text: "An instant, absolute in tables and relative in sentences.", States: []State{
			{"absolute", kit.Time("2026-11-22T20:50:47Z", "2026-11-22 20:50:47")},
			{"relative where script runs", kit.Ago("2026-11-22T20:50:47Z", "2026-11-22 20:50:47")},
			{"unknown", kit.Unknown("never")},
		}},
	}
}

func progress(say Text) []Piece {
	return []Piece{
		{ID: "steps", Title: "Steps", Text: "A way of several pages.", States: []State{
			{"the second of four", kit.Steps(2, "Address", "Worker secret", "Probe", say("Connect a client"))},
		}},
		{ID: "checklist", Title: "Checklist", Text: "What is left to do.", States: []State{
			{"one done", kit.Checklist([]kit.CheckItem{
				{Text: "Add a runtime", Hint: "It was added yesterday.", Done: true},
				{Text: say("Connect a client"), Hint: say("Copy the address into the client that you use."), Href: "#checklist"},
				{Text: say(longText)},
			})},
		}},
		{ID: "progress", Title: "Progress", Text: "How much of something is used.", States: []State{
			{"some", kit.Progress(kit.ProgressSpec{ID: "pr-some", Label: say("Calls this month"), Text: "4,210 of 10,000", Value: 421, Tone: kit.ToneNeutral})},
			{"close to the end", kit.Progress(kit.ProgressSpec{ID: "pr-close", Label: "Calls this week", Text: "9,120 of 10,000", Value: 912, Tone: kit.ToneWarn})},
			{"used up", kit.Progress(kit.ProgressSpec{ID: "pr-over", Label: "Calls today", Text: "10,400 of 10,000", Value: 1000, Tone: kit.ToneFail})},
			{"not known", kit.Progress(kit.ProgressSpec{ID: "pr-unknown", Label: say("Import"), Text: "still counting", Value: -1, Tone: kit.ToneNeutral})},
		}},
	}
}
