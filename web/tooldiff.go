package web

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"github.com/emcy/gateway/ui/kit"
	"github.com/emcy/gateway/ui/pages"
)

const (
	// around is how many lines stay on both sides of what differs.
	around = 3
	// column is where a line of prose is broken.
	column = 90
)

// parts of a definition, in the order in which they matter. What is not here comes after them under its own name.
var parts = []struct{ member, title string }{
	{"name", "Name"},
	{"title", "Title"},
	{"description", "Description"},
	{"annotations", "Annotations"},
	{"inputSchema", "Input schema"},
	{"outputSchema", "Output schema"},
}

// compare shows the parts of two definitions that differ.
func compare(before, after string) []pages.ToolDiff {
	old, now := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if json.Unmarshal([]byte(before), &old) != nil || json.Unmarshal([]byte(after), &now) != nil {
		return nil // one of them is no longer remembered
	}
	var out []pages.ToolDiff
	add := func(member, title string) {
		if lines := diff(readable(old[member]), readable(now[member])); len(lines) > 0 {
			out = append(out, pages.ToolDiff{Title: title, Lines: lines})
		}
		delete(old, member)
		delete(now, member)
	}
	for _, p := range parts {
		add(p.member, p.title)
	}
	rest := maps.Clone(old)
	maps.Copy(rest, now)
	for _, member := range slices.Sorted(maps.Keys(rest)) {
		add(member, "Member “"+visible(member)+"”")
	}
	return out
}

// readable is a member as lines: prose broken at its sentences, so that a word that is changed does not move the rest, and
// everything else as indented JSON.
func readable(member json.RawMessage) string {
	var text string
	switch {
	case len(member) == 0:
		return ""
	case json.Unmarshal(member, &text) != nil || string(member) == "null":
		return indented(string(member)) + "\n"
	}
	return prose(visible(text))
}

func prose(text string) string {
	var out strings.Builder
	for paragraph := range strings.Lines(text) {
		width := 0
		for word := range strings.SplitAfterSeq(strings.TrimSuffix(paragraph, "\n"), " ") {
			n := utf8.RuneCountInString(word)
			if width > 0 && width+n > column {
				out.WriteByte('\n')
				width = 0
			}
			out.WriteString(word)
			width += n
			if end := strings.TrimRight(word, " "); end != word && strings.ContainsAny(end[max(0, len(end)-1):], ".!?") {
				out.WriteByte('\n')
				width = 0
			}
		}
		if width > 0 || paragraph == "\n" {
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// diff is nothing for texts that are the same.
func diff(before, after string) []kit.DiffLine {
	edits := udiff.Lines(before, after)
	if len(edits) == 0 {
		return nil
	}
	unified, err := udiff.ToUnifiedDiff("", "", before, edits, around)
	if err != nil {
		return nil // the edits are of these very texts
	}
	var out []kit.DiffLine
	for i, h := range unified.Hunks {
		if i > 0 {
			out = append(out, kit.DiffLine{Kind: kit.DiffSame, Text: "⋯"})
		}
		for _, l := range h.Lines {
			line := kit.DiffLine{Kind: kit.DiffSame, Text: strings.TrimSuffix(l.Content, "\n")}
			switch l.Kind {
			case udiff.Delete:
				line.Kind = kit.DiffRemoved
			case udiff.Insert:
				line.Kind = kit.DiffAdded
			case udiff.Equal:
			}
			out = append(out, line)
		}
	}
	return out
}
