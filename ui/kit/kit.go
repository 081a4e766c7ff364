package kit

import (
	"strings"

	"github.com/a-h/templ"
)

// Tones of badges, dots, callouts and chart parts. A tone only colours what the text next to it already says.
const (
	// ToneOK is a thing that works.
	ToneOK = "ok"
	// ToneWarn is a thing that works but needs a look.
	ToneWarn = "warn"
	// ToneFail is a thing that does not work.
	ToneFail = "fail"
	// ToneInfo is a thing worth knowing.
	ToneInfo = "info"
	// ToneNeutral is a plain fact, or a thing that was not done.
	ToneNeutral = "neutral"
)

// current marks the entry of a navigation that the person is at.
func current(is bool) templ.Attributes {
	return attribute(is, "aria-current", "page")
}

func attribute(is bool, name, value string) templ.Attributes {
	if !is {
		return nil
	}
	return templ.Attributes{name: value}
}

// join puts ids or classes together and leaves out the empty ones.
func join(parts ...string) string {
	kept := parts[:0:0]
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, " ")
}
