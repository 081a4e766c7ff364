package event

import "time"

// Outcome says how a request ended.
type Outcome string

// The outcomes.
const (
	Success   Outcome = "success"   // the runtime answered 2xx
	Rejected  Outcome = "rejected"  // the client's fault: bad request, unknown session, 4xx of the runtime
	Denied    Outcome = "denied"    // no or no valid token, missing scope, policy, limit
	Failure   Outcome = "failure"   // the runtime's or the gateway's fault
	Cancelled Outcome = "cancelled" // the client went away before the end
	Streaming Outcome = "streaming" // headers are out, the stream is open; replaced when it ends
)

// Event is one MCP request at the edge. It holds no token, argument or result.
type Event struct {
	TenantID string
	// ID sorts by time; a second event with the same ID replaces the first.
	ID              string
	At              time.Time
	RequestID       string
	Generation      uint64 // of the tenant's configuration that decided
	UpstreamID      string
	ClientID        string // empty where no token was accepted, as is Subject
	Subject         string
	FamilyID        string
	HTTPMethod      string
	Method          string // the JSON-RPC method
	Name            string // tool or prompt name, or resource URI, cut to 256 bytes
	ProtocolVersion string
	Status          int
	Outcome         Outcome
	Reason          string // stable code, such as invalid_token or upstream_timeout, and Because's detail; empty on success
	Stream          bool   // the answer was an event stream
	Finished        bool   // false while a stream is open
	Gateway         time.Duration
	Upstream        time.Duration // until the runtime's headers; without a stream, until the end of its body
	Total           time.Duration
	RequestBytes    int64
	ResponseBytes   int64
}
