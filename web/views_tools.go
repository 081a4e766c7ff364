package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
)

// markFor is for how long a change is marked in the list.
const markFor = 7 * 24 * time.Hour

// definition is what a page shows of a tool's definition.
type definition struct {
	Title       string `json:"title"`
	Description string `json:"description"`
}

func readDefinition(text string) definition {
	var members map[string]json.RawMessage
	var out definition
	// What is not of the right form counts as absent, as a client would have it.
	_ = json.Unmarshal([]byte(text), &members)
	_ = json.Unmarshal(members["title"], &out.Title)
	_ = json.Unmarshal(members["description"], &out.Description)
	return out
}

func toolsPage(list upstreams.ToolList, query string, v Visit, now time.Time) pages.ToolsPage {
	out := pages.ToolsPage{Query: query, Problem: listingProblem(list, v)}
	if list.Revision == 0 {
		return out
	}
	out.Synced, out.Revision = moment(list.SyncedAt), revision(list.Revision)
	out.Warnings = listWarnings(list.Upstream.Report)
	size := 0
	for _, t := range list.Tools {
		size += tokensOf(t)
		if row := toolRow(t, list.Upstream.Slug, v, now); matches(row, query) {
			if n := len(probe.Judge(t.Definition)); n > 0 {
				row.Remarks = count(int64(n), "remark")
			}
			out.Tools = append(out.Tools, row)
		}
	}
	for _, t := range list.Removed {
		if row := toolRow(t, list.Upstream.Slug, v, now); matches(row, query) {
			out.Removed = append(out.Removed, row)
		}
	}
	if size > 0 {
		out.Tokens = "≈ " + grouped(int64(size)) + " tokens"
	}
	if query != "" {
		out.Found = fmt.Sprintf("%d of %s", len(out.Tools)+len(out.Removed), count(int64(len(list.Tools)+len(list.Removed)), "tool"))
	}
	return out
}

func revision(n int64) string { return "Revision " + grouped(n) }

func tokensOf(t upstreams.Tool) int { return (len(t.Definition) + 3) / 4 }

// listingProblem is why the last look at the runtime gave no list.
func listingProblem(list upstreams.ToolList, v Visit) *pages.Warning {
	r := list.Upstream.Report
	if r == nil || r.State == probe.StateReady {
		return nil
	}
	out := &pages.Warning{
		Tone: pages.ToneFail, Title: "The last listing failed", ActionText: "Look at the probe", ActionHref: v.path("runtimes", list.Upstream.Slug, "probe"),
	}
	if r.State == probe.StateWaiting {
		out.Tone, out.Title = pages.ToneWarn, "The runtime does not let the gateway list its tools"
	}
	for _, s := range r.Steps {
		if s.Status == probe.StatusFail {
			out.Text = s.Words
		}
	}
	if list.Revision > 0 {
		out.Text += " The tools below are as they were before."
	}
	return out
}

// listWarnings are about the list as a whole; a tool's own are on its page.
func listWarnings(r *probe.Report) []pages.Warning {
	if r == nil {
		return nil
	}
	var out []pages.Warning
	for _, w := range r.Warnings {
		switch w.Code {
		case probe.WarnToolsCut, probe.WarnMalformedTool, probe.WarnDuplicateName, probe.WarnManyTools:
			about := ""
			if w.Tool != "" {
				about = w.Tool + ": "
			}
			out = append(out, warningView(w, about))
		}
	}
	return out
}

func warningView(w probe.Warning, about string) pages.Warning {
	view := pages.Warning{Tone: pages.ToneWarn, Title: warningTitles[w.Code], Text: about + sentence(w.Words)}
	if view.Title == "" {
		view.Title = "Worth a look"
	}
	return view
}

func toolRow(t upstreams.Tool, slug string, v Visit, now time.Time) pages.ToolRow {
	d := readDefinition(t.Definition)
	row := pages.ToolRow{
		Name: visible(t.Name), Href: v.path("runtimes", slug, "tools", t.ID), Title: visible(d.Title), Description: visible(d.Description),
		Hints: hintBadges(t.Hints), Tokens: approxTokens(tokensOf(t)),
	}
	if t.Last != nil && (t.RemovedAt != nil || now.Sub(t.Last.At) < markFor) {
		row.Change, row.ChangedAt = changeBadge(*t.Last), moment(t.Last.At)
	}
	return row
}

func changeBadge(c upstreams.ToolChange) pages.Badge {
	switch c.Kind {
	case upstreams.Added:
		if c.OldHash != "" {
			return pages.Badge{Tone: pages.ToneInfo, Text: "Back"}
		}
		return pages.Badge{Tone: pages.ToneInfo, Text: "New"}
	case upstreams.Changed:
		return pages.Badge{Tone: pages.ToneWarn, Text: "Changed"}
	case upstreams.Removed:
	}
	return pages.Badge{Tone: pages.ToneNeutral, Text: "Removed"}
}

func hintBadges(h snapshot.Hints) []pages.Badge {
	var out []pages.Badge
	if h.ReadOnly() {
		out = append(out, pages.Badge{Tone: pages.ToneNeutral, Text: "read-only"})
	}
	if h&snapshot.SaysDestructive != 0 && !h.ReadOnly() { // the hint means something for tools that write, only
		out = append(out, pages.Badge{Tone: pages.ToneFail, Text: "destructive"})
	}
	if h&snapshot.SaysIdempotent != 0 && !h.ReadOnly() {
		out = append(out, pages.Badge{Tone: pages.ToneNeutral, Text: "idempotent"})
	}
	if h&snapshot.SaysOpenWorld != 0 {
		out = append(out, pages.Badge{Tone: pages.ToneNeutral, Text: "open world"})
	}
	return out
}

// matches looks for all words of the query.
func matches(row pages.ToolRow, query string) bool {
	text := strings.ToLower(row.Name + "\n" + row.Title + "\n" + row.Description)
	for word := range strings.FieldsSeq(strings.ToLower(query)) {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// toolPage shows a tool, and of its changes the one that is asked for, or else the newest.
func toolPage(t upstreams.ToolDetail, change string, v Visit, now time.Time) (pages.ToolPage, error) {
	slug := t.Upstream.Slug
	out := pages.ToolPage{
		Tool: toolRow(t.Tool, slug, v, now), Description: visible(readDefinition(t.Tool.Definition).Description), Definition: indented(t.Tool.Definition),
		Facts: toolFacts(t.Tool), FirstSeen: moment(t.Tool.FirstSeenAt),
	}
	out.Hidden = strings.ContainsFunc(t.Tool.Definition, probe.Hidden) || strings.ContainsFunc(t.Tool.Name, probe.Hidden)
	if t.Tool.RemovedAt != nil {
		out.Removed = moment(*t.Tool.RemovedAt)
	}
	for _, w := range probe.Judge(t.Tool.Definition) {
		out.Warnings = append(out.Warnings, warningView(w, ""))
	}
	if change == "" && len(t.Changes) > 0 {
		change = t.Changes[0].ID
	}
	for _, c := range t.Changes {
		row := pages.ToolChangeRow{
			Kind: changeBadge(c), At: moment(c.At), Revision: revision(c.Revision), Current: c.ID == change,
			Href: v.path("runtimes", slug, "tools", t.Tool.ID) + "?change=" + c.ID,
		}
		if row.Current {
			out.Change = changeView(c, t.Definitions)
		}
		out.History = append(out.History, row)
	}
	if change != "" && out.Change == nil {
		return pages.ToolPage{}, errs.E(errs.NotFound, "Not found.", nil)
	}
	return out, nil
}

func toolFacts(t upstreams.Tool) []pages.Pair {
	said := func(said, says snapshot.Hints) string {
		switch {
		case t.Hints&said == 0:
			return "not said"
		case t.Hints&says == 0:
			return "no"
		}
		return "yes"
	}
	return []pages.Pair{
		{Term: "Read-only", Value: said(snapshot.ReadOnlySaid, snapshot.SaysReadOnly)},
		{Term: "Destructive", Value: said(snapshot.DestructiveSaid, snapshot.SaysDestructive)},
		{Term: "Idempotent", Value: said(snapshot.IdempotentSaid, snapshot.SaysIdempotent)},
		{Term: "Open world", Value: said(snapshot.OpenWorldSaid, snapshot.SaysOpenWorld)},
		{Term: "Size", Value: size(int64(len(t.Definition))) + ", " + approxTokens(tokensOf(t)) + " tokens"},
		{Term: "SHA-256", Value: t.Hash, Mono: true},
	}
}

func changeView(c upstreams.ToolChange, texts map[string]string) *pages.ToolChangeView {
	out := &pages.ToolChangeView{At: moment(c.At), Parts: compare(texts[c.OldHash], texts[c.NewHash])}
	in := strings.ToLower(revision(c.Revision))
	switch c.Kind {
	case upstreams.Added:
		out.Title = "New in " + in
		switch c.OldHash {
		case "":
			out.Text, out.Parts = "The runtime did not list it before.", nil
		case c.NewHash:
			out.Title, out.Text = "Back in "+in, "The runtime had removed it. It came back as it was."
		default:
			out.Title, out.Text = "Back in "+in, "The runtime had removed it. It came back as another than it was:"
		}
	case upstreams.Changed:
		out.Title = "Changed in " + in
	case upstreams.Removed:
		out.Title, out.Text, out.Parts = "Removed in "+in, "The runtime no longer lists it.", nil
	}
	return out
}

// visible writes what a reader would not see as its code: ⟨U+202E⟩.
func visible(text string) string {
	if !strings.ContainsFunc(text, probe.Hidden) {
		return text
	}
	var out strings.Builder
	for _, r := range text {
		if probe.Hidden(r) {
			fmt.Fprintf(&out, "⟨%U⟩", r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// indented is JSON to read. What is hidden in it stands as JSON's own escapes, so that it is the same JSON when it is copied.
func indented(text string) string {
	v := jsontext.Value(text)
	if v.Indent(jsontext.WithIndent("  ")) != nil {
		return visible(text)
	}
	var out strings.Builder
	for _, r := range string(v) {
		if !probe.Hidden(r) {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.String()
}
