package edge

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/usage/event"
)

// The steps of a connecting client at the edge.
const (
	TraceChallenge        = "challenge"
	TraceResourceMetadata = "resource_metadata"
	TraceFirstRequest     = "first_request"
	TraceToolsList        = "tools_list"
	TraceFirstCall        = "first_call"
)

// TraceEvent is one of them, as it happened. It holds no token and no argument.
type TraceEvent struct {
	Step       string
	At         time.Time
	Issuer     string // of the tenant
	UpstreamID string
	Slug       string
	Status     int
	// Reason is why it is not what the client wanted; empty where all is well.
	Reason string
	Method string // the JSON-RPC method, or the HTTP method where there is none
	Tool   string
	// FamilyID, ClientID and Subject are the token's; empty where none was accepted.
	FamilyID, ClientID, Subject string
	ProtocolVersion             string
}

// Tracer takes the steps of connecting clients. Trace must not block, and must not
// keep the request.
type Tracer interface {
	Trace(*http.Request, TraceEvent)
}

// told are the steps that were handed over for a token: each once when it went well
// and once when it did not, so that a busy client costs one look at one word.
type told struct{ bits atomic.Uint32 }

// first reports whether this is the first time.
func (t *told) first(step string, ok bool) bool {
	bit := uint32(1)
	switch step {
	case TraceFirstRequest:
	case TraceToolsList:
		bit = 1 << 2
	case TraceFirstCall:
		bit = 1 << 4
	}
	if !ok {
		bit <<= 1
	}
	return t.bits.Load()&bit == 0 && t.bits.Or(bit)&bit == 0
}

// trace hands over a request that is a step of connecting.
func (x *exchange) trace(status int, outcome event.Outcome, reason string) {
	tracer := x.front.tracer
	if tracer == nil {
		return
	}
	if x.access == nil {
		// A token that expired is every client's daily life; it says nothing about connecting.
		if status == http.StatusUnauthorized && reason != reasonExpiredToken {
			e := x.step(TraceChallenge, status, reason)
			if reason == reasonNoToken {
				e.Reason = ""
			}
			tracer.Trace(x.r, e)
		}
		return
	}
	if outcome == event.Cancelled {
		return
	}
	ok := outcome == event.Success || outcome == event.Streaming
	step := TraceFirstRequest
	switch x.event.Method {
	case mcpwire.MethodToolsList:
		step = TraceToolsList
	case mcpwire.MethodToolsCall:
		step = TraceFirstCall
	case mcpwire.MethodInitialize, mcpwire.MethodDiscover, "":
		if x.r.Method != http.MethodPost {
			return // GET and DELETE: many runtimes refuse them, and nobody minds
		}
	default:
		if !ok {
			return
		}
	}
	if x.access.told.first(step, ok) {
		tracer.Trace(x.r, x.step(step, status, reason))
	}
}

func (x *exchange) step(step string, status int, reason string) TraceEvent {
	e := TraceEvent{
		Step: step, At: x.event.At, Issuer: x.tenant.Issuer, UpstreamID: x.edge.ID, Slug: x.edge.Slug, Status: status, Reason: reason,
		Method: x.event.Method, FamilyID: x.event.FamilyID, ClientID: x.event.ClientID, Subject: x.event.Subject, ProtocolVersion: x.event.ProtocolVersion,
	}
	if e.Method == "" {
		e.Method = x.event.HTTPMethod
	}
	if step == TraceFirstCall {
		e.Tool = x.event.Name
	}
	return e
}

// traceMetadata hands over the reading of a runtime's metadata.
func (f *Front) traceMetadata(r *http.Request, tenant *snapshot.Tenant, target *snapshot.Edge) {
	if f.tracer == nil {
		return
	}
	f.tracer.Trace(r, TraceEvent{
		Step: TraceResourceMetadata, At: f.clock.Now(), Issuer: tenant.Issuer, UpstreamID: target.ID, Slug: target.Slug, Status: http.StatusOK, Method: r.Method,
	})
}
