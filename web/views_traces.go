package web

import (
	"cmp"
	"time"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/ui/pages"
)

func traceRow(t trace.Trace, n names, v Visit) pages.TraceRow {
	return pages.TraceRow{
		ID: t.ID, Href: v.path("connections", t.ID), At: moment(t.CreatedAt), Client: cmp.Or(t.ClientName, t.UserAgent, t.ClientID),
		Runtime: n.runtimes[t.UpstreamID].slug, State: traceState(t), Why: traceShort(t), Dots: traceDots(t),
	}
}

// stations are the dots, with the step that each is passed at: the same as on the
// connect page.
var stations = []struct {
	text string
	step trace.Step
}{
	{"Found the gateway", trace.Challenge},
	{"Registered", trace.Register},
	{"Signed in", trace.SignIn},
	{"Allowed", trace.Consent},
	{"Reached the runtime", trace.FirstRequest},
	{"First call", trace.FirstCall},
}

func traceDots(t trace.Trace) []pages.TraceDot {
	out := make([]pages.TraceDot, len(stations))
	for i, s := range stations {
		out[i] = pages.TraceDot{Text: s.text, Done: t.Reached != "" && t.Reached.Reached(s.step)}
	}
	if t.FailedStep == "" {
		return out
	}
	// The station that the failed step was on the way to.
	at := len(out) - 1
	for at > 0 && !t.FailedStep.Reached(stations[at].step) {
		at--
	}
	if step := stations[at].step; t.FailedStep != step && at+1 < len(out) && t.FailedStep != trace.ResourceMetadata && t.FailedStep != trace.ServerMetadata && t.FailedStep != trace.ClientDocument {
		at++
	}
	out[at].Failed = true
	for i := at; i < len(out); i++ {
		out[i].Done = false
	}
	return out
}

// traceState is where a try stands, in a word or two.
func traceState(t trace.Trace) pages.Badge {
	switch t.State {
	case trace.Discovering:
		return pages.Badge{Tone: pages.ToneInfo, Text: "discovering"}
	case trace.Registered:
		return pages.Badge{Tone: pages.ToneInfo, Text: "registered"}
	case trace.SigningIn:
		return pages.Badge{Tone: pages.ToneInfo, Text: "signing in"}
	case trace.Consenting:
		return pages.Badge{Tone: pages.ToneInfo, Text: "asked to allow"}
	case trace.Authorized:
		return pages.Badge{Tone: pages.ToneInfo, Text: "allowed"}
	case trace.TokenIssued:
		return pages.Badge{Tone: pages.ToneInfo, Text: "token issued"}
	case trace.Silent:
		return pages.Badge{Tone: pages.ToneWarn, Text: "no call since"}
	case trace.Connected:
		if t.FailedStep != "" {
			return pages.Badge{Tone: pages.ToneWarn, Text: "connected"}
		}
		return pages.Badge{Tone: pages.ToneOK, Text: "connected"}
	case trace.Failed:
		return pages.Badge{Tone: pages.ToneFail, Text: "failed"}
	case trace.Stalled:
		return pages.Badge{Tone: pages.ToneNeutral, Text: "stopped"}
	}
	return pages.Badge{Tone: pages.ToneNeutral, Text: string(t.State)}
}

// traceTitles say what a client or person did.
var traceTitles = map[trace.Step]string{
	trace.Challenge:        "Asked the runtime without a token",
	trace.ResourceMetadata: "Read the runtime's metadata",
	trace.ServerMetadata:   "Read the authorization server's metadata",
	trace.Register:         "Registered",
	trace.ClientDocument:   "Named a metadata document",
	trace.Authorize:        "Opened the sign-in",
	trace.SignIn:           "Signed in",
	trace.Consent:          "Answered the consent",
	trace.Code:             "Got a code",
	trace.Token:            "Got a token",
	trace.FirstRequest:     "Reached the runtime",
	trace.ToolsList:        "Listed the tools",
	trace.FirstCall:        "Called a tool",
}

// refusedTitles say what was tried, where the title would say that it was done.
var refusedTitles = map[trace.Step]string{
	trace.Challenge:    "Asked the runtime with a token that is not accepted",
	trace.Register:     "Tried to register",
	trace.SignIn:       "Tried to sign in",
	trace.Token:        "Tried to get a token",
	trace.FirstRequest: "Tried to reach the runtime",
	trace.ToolsList:    "Tried to list the tools",
	trace.FirstCall:    "Tried to call a tool",
}

func traceSteps(entries []trace.Entry) []pages.TraceStep {
	out := make([]pages.TraceStep, len(entries))
	for i, e := range entries {
		step := pages.TraceStep{
			Tone: pages.ToneOK, Title: traceTitles[e.Step], At: moment(e.At), Asked: traceMessage(e.Asked), Answered: traceMessage(e.Answered),
		}
		if since := e.At.Sub(entries[0].At); i > 0 {
			step.After = "+" + took(max(since, time.Microsecond))
		}
		if !e.OK {
			step.Tone = pages.ToneFail
			step.Title = cmp.Or(refusedTitles[e.Step], step.Title)
			step.Why, _ = failure(e.Step, e.Code)
		}
		out[i] = step
	}
	return out
}

func traceMessage(m trace.Message) pages.TraceMessage {
	out := pages.TraceMessage{Line: m.Line}
	for _, p := range m.Pairs {
		out.Pairs = append(out.Pairs, pages.Pair{Term: p.Name, Value: p.Value})
	}
	return out
}

func traceFacts(t trace.Trace, n names) []pages.Pair {
	out := []pages.Pair{
		{Term: "Trace", Value: t.ID, Mono: true},
		{Term: "Runtime", Value: n.runtimes[t.UpstreamID].name},
		{Term: "Client", Value: t.ClientName},
		{Term: "Client id", Value: t.ClientID, Mono: true},
		{Term: "Person", Value: cmp.Or(n.people[t.Subject], t.Subject)},
		{Term: "Program", Value: t.UserAgent},
		{Term: "Network", Value: t.Network, Mono: true},
		{Term: "Last step, UTC", Value: moment(t.UpdatedAt).Text},
	}
	if t.IssuedAt != nil {
		out = append(out, pages.Pair{Term: "Token issued, UTC", Value: moment(*t.IssuedAt).Text})
	}
	return out
}
