package edge

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/usage/event"
)

// Longest texts in an event. What is longer comes from somebody who wants to fill
// the log.
const (
	maxEventName   = 256
	maxEventMethod = 128
	maxEventShort  = 32
)

// call is where a request goes, decided from one snapshot.
type call struct {
	snap   *snapshot.Snapshot
	tenant *snapshot.Tenant
	edge   *snapshot.Edge
	// pageAllowed is false where a page of a foreign origin asks.
	pageAllowed bool
}

// exchange is one MCP request on its way.
type exchange struct {
	call
	front   *Front
	w       http.ResponseWriter
	r       *http.Request
	access  *access     // nil until a token is accepted
	session *session    // nil where there is none
	down    *downstream // nil where the runtime has no profile
	message mcpwire.Message
	body    []byte
	started time.Time // with the monotonic reading that durations need
	event   event.Event
}

func (f *Front) begin(w http.ResponseWriter, r *http.Request, c call) *exchange {
	now := f.clock.Now()
	requestID := ids.NewAt("req", now)
	x := &exchange{call: c, front: f, w: w, r: r, started: time.Now()}
	x.event = event.Event{
		TenantID:        c.tenant.ID,
		ID:              "evt" + strings.TrimPrefix(requestID, "req"), // one random part serves both
		At:              now,
		RequestID:       requestID,
		Generation:      c.tenant.Generation,
		UpstreamID:      c.edge.ID,
		HTTPMethod:      cut(r.Method, maxEventShort),
		ProtocolVersion: cut(headerValue(r.Header, mcpwire.HeaderProtocolVersion), maxEventShort),
	}
	w.Header()["X-Request-Id"] = []string{requestID}
	return x
}

func headerValue(h http.Header, canonical string) string {
	if v := h[canonical]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// accept puts the token's owner on the event.
func (x *exchange) accept(a *access) {
	x.access = a
	x.event.ClientID = cut(a.client, maxEventName)
	x.event.Subject = cut(a.subject, maxEventName)
	x.event.FamilyID = cut(a.family, maxEventShort*2)
}

// describe puts the message on the event.
func (x *exchange) describe() {
	m := &x.message
	switch m.Kind {
	case mcpwire.KindBatch:
		x.event.Method = "batch"
	case mcpwire.KindResponse:
		x.event.Method = "response"
	case mcpwire.KindRequest, mcpwire.KindNotification:
		x.event.Method = cut(m.Method, maxEventMethod)
	}
	x.event.Name = cut(m.Name, maxEventName)
	if m.ProtocolVersion != "" {
		x.event.ProtocolVersion = cut(m.ProtocolVersion, maxEventShort)
	}
}

// finish records the request's end. It runs before the last bytes of the answer
// leave, so that nobody holds an answer that is not in the log. Only requests
// without an accepted token may be left out, where there are too many of them.
func (x *exchange) finish(status int, outcome event.Outcome, reason string) {
	e := &x.event
	e.Status, e.Outcome, e.Reason, e.Finished = status, outcome, reason, true
	e.Total = time.Since(x.started)
	if e.Gateway == 0 {
		e.Gateway = max(0, e.Total-e.Upstream)
	}
	x.trace(status, outcome, reason)
	if x.access == nil && !x.front.strangers.admit(e.TenantID, e.At) {
		return
	}
	x.front.recorder.Record(*e)
}

// opened records that the headers of a stream are about to leave.
func (x *exchange) opened(status int) {
	e := &x.event
	e.Status, e.Outcome, e.Reason, e.Finished = status, event.Streaming, "", false
	e.Total = time.Since(x.started)
	e.Gateway = max(1, e.Total-e.Upstream)
	x.trace(status, event.Streaming, "")
	x.front.recorder.Record(*e)
}

// cut bounds a text and takes out what a log or a database would choke on.
func cut(s string, limit int) string {
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") // the cut may go through a character
	}
	if printable(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
