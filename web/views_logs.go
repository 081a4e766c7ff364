package web

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/usage/event"
)

// names are what the ids in events stand for.
type names struct {
	runtimes map[string]runtimeName // by upstream id
	people   map[string]string      // by subject
	clients  map[string]string      // by client id
}

type runtimeName struct{ slug, name string }

func logRow(e event.Event, n names, v Visit) pages.LogRow {
	row := pages.LogRow{
		ID: e.ID, Href: v.path("logs", e.ID), At: moment(e.At), Outcome: outcomeBadge(e), Method: cmp.Or(e.Method, e.HTTPMethod),
		Runtime: n.runtimes[e.UpstreamID].slug, User: n.user(e), Client: n.client(e), Latency: took(e.Total),
	}
	if e.Method != "" && e.Name != "" {
		row.Tool = e.Name
	}
	if e.Status != 0 {
		row.Status = strconv.Itoa(e.Status)
	}
	return row
}

func (n names) user(e event.Event) string { return cmp.Or(n.people[e.Subject], e.Subject) }

func (n names) client(e event.Event) string { return cmp.Or(n.clients[e.ClientID], e.ClientID) }

// outcomeBadge is what became of a request, in a word or two.
func outcomeBadge(e event.Event) pages.Badge {
	switch e.Outcome {
	case event.Success:
		return pages.Badge{Tone: pages.ToneOK, Text: "ok"}
	case event.Rejected:
		return pages.Badge{Tone: pages.ToneWarn, Text: reasonShort(e.Reason, "rejected")}
	case event.Denied:
		return pages.Badge{Tone: pages.ToneNeutral, Text: reasonShort(e.Reason, "denied")}
	case event.Failure:
		return pages.Badge{Tone: pages.ToneFail, Text: reasonShort(e.Reason, "failed")}
	case event.Cancelled:
		return pages.Badge{Tone: pages.ToneNeutral, Text: "cancelled"}
	case event.Streaming:
		return pages.Badge{Tone: pages.ToneInfo, Text: "streaming"}
	}
	return pages.Badge{Tone: pages.ToneNeutral, Text: string(e.Outcome)}
}

// reasonShort is a stable code as words: upstream_timeout is "upstream timeout".
func reasonShort(reason, otherwise string) string {
	code, _ := event.SplitReason(reason)
	if code == "" {
		return otherwise
	}
	return strings.ReplaceAll(code, "_", " ")
}

// reasonText says in a sentence why a request ended as it did.
func reasonText(e event.Event) string {
	code, detail := event.SplitReason(e.Reason)
	if text := reasons[code]; text != "" {
		return text + yes(code == "insufficient_scope" && detail != "", " Needed: "+detail+".", "")
	}
	switch e.Outcome {
	case event.Success:
		return ""
	case event.Rejected:
		return "The runtime, or the protocol, did not accept the request" + codeOf(e) + "."
	case event.Denied:
		return "The gateway did not let the request through" + codeOf(e) + "."
	case event.Failure:
		return "The runtime or the gateway failed" + codeOf(e) + "."
	case event.Cancelled:
		return "The client went away before the answer was complete."
	case event.Streaming:
		return "The answer is a stream that is still open."
	}
	return ""
}

func codeOf(e event.Event) string {
	if e.Reason == "" {
		return ""
	}
	return ": " + reasonShort(e.Reason, "")
}

// logFacts are the event's fields, in order. What is empty is left out.
func logFacts(e event.Event, n names) []pages.Pair {
	var out []pages.Pair
	add := func(term, value string, mono bool) {
		if value != "" {
			out = append(out, pages.Pair{Term: term, Value: value, Mono: mono})
		}
	}
	add("Request id", e.RequestID, true)
	add("Method", e.Method, true)
	add(nameTerm(e.Method), e.Name, true)
	add("Runtime", cmp.Or(n.runtimes[e.UpstreamID].name, yes(e.UpstreamID != "", e.UpstreamID+" (removed)", "")), false)
	add("User", n.user(e), false)
	add("Client", n.clients[e.ClientID], false)
	add("Client id", e.ClientID, true)
	add("Protocol", e.ProtocolVersion, true)
	add("HTTP method", e.HTTPMethod, true)
	if e.Status != 0 {
		add("Status", strconv.Itoa(e.Status), true)
	}
	add("Reason", e.Reason, true)
	add("Answer", yes(e.Stream, yes(e.Finished, "event stream", "event stream, still open"), ""), false)
	add("Request size", size(e.RequestBytes), false)
	add("Response size", size(e.ResponseBytes), false)
	add("Configuration", "generation "+strconv.FormatUint(e.Generation, 10), false)
	return out
}

// nameTerm is what a request's name is the name of.
func nameTerm(method string) string {
	switch {
	case strings.HasPrefix(method, "prompts/"):
		return "Prompt"
	case strings.HasPrefix(method, "resources/"):
		return "Resource"
	}
	return "Tool"
}

// spans are the parts of a request's time: in the gateway until it was handed on,
// at the runtime, and the way back. They fill the whole and never leave it.
func spans(e event.Event) []pages.Span {
	if e.Total <= 0 {
		return nil
	}
	const whole = 1000
	gateway := min(max(e.Gateway, 0), e.Total)
	upstream := min(max(e.Upstream, 0), e.Total-gateway)
	back := e.Total - gateway - upstream
	at := func(d time.Duration) int { return int(d * whole / e.Total) }
	out := []pages.Span{{Name: "Gateway", Length: at(gateway), Took: took(gateway)}}
	if upstream > 0 {
		out = append(out, pages.Span{Name: "Runtime", Start: at(gateway), Length: at(gateway+upstream) - at(gateway), Took: took(upstream), Upstream: true})
	}
	if upstream > 0 && back > 0 {
		out = append(out, pages.Span{Name: yes(e.Stream, "Stream back", "Way back"), Start: at(gateway + upstream), Length: whole - at(gateway+upstream), Took: took(back)})
	}
	return out
}
