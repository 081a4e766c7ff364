package pages

import (
	"strconv"

	"github.com/emcy/gateway/ui/kit"
)

func traceTitle(row TraceRow) string {
	if row.Client == "" {
		return "A client that gave no name"
	}
	return row.Client
}

// dotsText says in words what the dots show.
func dotsText(dots []TraceDot) string {
	done, last, failed := 0, "nothing yet", ""
	for _, d := range dots {
		if d.Done {
			done, last = done+1, d.Text
		}
		if d.Failed {
			failed = d.Text
		}
	}
	text := strconv.Itoa(done) + " of " + strconv.Itoa(len(dots)) + ": " + last
	if failed != "" {
		text += "; failed at: " + failed
	}
	return text
}

func dotWord(d TraceDot) string {
	switch {
	case d.Failed:
		return "(failed)"
	case d.Done:
		return "(done)"
	}
	return "(not yet)"
}

func traceChips(p TracesPage) []kit.Chip {
	if p.Runtime == "" {
		return nil
	}
	return []kit.Chip{{Text: "runtime: " + p.Runtime, Href: local(p.ClearHref)}}
}
