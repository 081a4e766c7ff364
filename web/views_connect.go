package web

import (
	"time"

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

// way is how far clients came, as the dots on the connect page. A later step
// implies those before it: the log may be younger than the client's registration.
func way(s seen, p Progress) []pages.ConnectStep {
	steps := []struct {
		text string
		seen bool
	}{
		{"Found the gateway", s.challenged},
		{"Registered", p.Registered > 0},
		{"Signed in", p.SignedIn > 0},
		{"Allowed", p.Consented > 0 || s.accepted},
		{"Reached the runtime", s.opened},
		{"First call", s.called},
	}
	out := make([]pages.ConnectStep, len(steps))
	later := false
	for i := len(steps) - 1; i >= 0; i-- {
		// Registered clients belong to the whole workspace: one that registered for
		// another runtime says nothing about whether this one was found.
		later = later || steps[i].seen && steps[i].text != "Registered"
		out[i] = pages.ConnectStep{Text: steps[i].text, Done: later || steps[i].seen && s.challenged}
	}
	return out
}

// connectView is the live card.
func connectView(s seen, p Progress, client, person, logs string) pages.ConnectStatusView {
	view := pages.ConnectStatusView{Steps: way(s, p)}
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
