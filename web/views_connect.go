package web

import (
	"time"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/ui/pages"
	"github.com/emcy/gateway/usage/event"
)

// seen is what the log knows of a runtime's clients.
type seen struct {
	// challenged says that some request came without a token and was told where to get one.
	challenged bool
	// accepted says that some request had a token that holds.
	accepted bool
	// opened says that the runtime answered some client.
	opened bool
	// called says that the runtime answered some client's tool call.
	called bool
	// requests counts those with a token; more says that there are too many to count.
	requests int64
	more     bool
	lastCall time.Time
	// client and subject are those of the newest request with a token.
	client, subject string
}

// look adds what one event tells.
func (s *seen) look(e event.Event) {
	s.challenged = s.challenged || e.Reason == "missing_token"
	if e.ClientID == "" {
		return
	}
	s.accepted = true
	switch e.Outcome {
	case event.Success, event.Streaming:
		s.opened = true
		s.called = s.called || e.Method == "tools/call"
	case event.Rejected, event.Denied, event.Failure, event.Cancelled:
	}
}

const (
	// recentTries is how many of the newest tries are looked at for the latest one.
	recentTries = 50
	// side is how close in time two tries are side by side, so that the further one shows.
	side = 10 * time.Minute
)

// latest is the newest try at a runtime that got anywhere. Who only looks for the metadata
// (every scanner does) does not hide somebody who is signing in meanwhile.
func latest(tries []trace.Trace, upstreamID string) (out trace.Trace) {
	for _, t := range tries {
		if t.UpstreamID == upstreamID && t.UpdatedAt.After(out.UpdatedAt) {
			out = t
		}
	}
	newest := out.UpdatedAt
	for _, t := range tries {
		if t.UpstreamID == upstreamID && newest.Sub(t.UpdatedAt) < side && !out.Reached.Reached(trace.Register) && t.Reached.Reached(trace.Register) {
			out = t
		}
	}
	return out
}

// way is how far the latest client came, as the dots on the connect page. A later step
// implies those before it, and what the log knows of stays: traces are kept for less long.
func way(s seen, t trace.Trace) []pages.ConnectStep {
	known := map[trace.Step]bool{trace.Challenge: s.challenged, trace.Consent: s.accepted, trace.FirstRequest: s.opened, trace.FirstCall: s.called}
	tried := traceDots(t)
	out := make([]pages.ConnectStep, len(stations))
	later := false
	for i := len(stations) - 1; i >= 0; i-- {
		later = later || known[stations[i].step] || tried[i].Done
		out[i] = pages.ConnectStep{Text: stations[i].text, Done: later}
	}
	return out
}

// connectView is the live card.
func connectView(s seen, t trace.Trace, client, person, logs string) pages.ConnectStatusView {
	view := pages.ConnectStatusView{Steps: way(s, t)}
	if !s.opened && !s.called {
		return view
	}
	view.Connected, view.Client, view.Person, view.LogsHref = true, client, person, logs
	view.Calls, view.LastCall = count(s.requests, "call"), moment(s.lastCall)
	if s.more {
		view.Calls = grouped(s.requests) + "+ calls"
	}
	return view
}
