package trace

import (
	"slices"
	"time"
)

// Step is a station on the way to the first tool call.
type Step string

// The steps, in their order.
const (
	Challenge        Step = "challenge"         // 401 of the MCP URL, with resource_metadata
	ResourceMetadata Step = "resource_metadata" // RFC 9728
	ServerMetadata   Step = "server_metadata"   // RFC 8414
	Register         Step = "register"          // RFC 7591
	ClientDocument   Step = "client_document"   // a client id that is a URL
	Authorize        Step = "authorize"
	SignIn           Step = "sign_in"
	Consent          Step = "consent"
	Code             Step = "code"
	Token            Step = "token"
	FirstRequest     Step = "first_request" // initialize, server/discover, or whatever a client begins with
	ToolsList        Step = "tools_list"
	FirstCall        Step = "first_call"
)

var order = []Step{Challenge, ResourceMetadata, ServerMetadata, Register, ClientDocument, Authorize, SignIn, Consent, Code, Token, FirstRequest, ToolsList, FirstCall}

// Steps are all steps in their order.
func Steps() []Step { return slices.Clone(order) }

// rank is a step's place in the order; -1 for none.
func rank(s Step) int { return slices.Index(order, s) }

// Reached reports whether an attempt whose furthest step is s has passed the other one.
func (s Step) Reached(other Step) bool { return rank(s) >= rank(other) }

// Origin is who asks, as far as the network tells.
type Origin struct {
	Network   string // see NetworkOf
	UserAgent string // cleaned and capped by Clean
}

// Event is one step as it happened.
type Event struct {
	Step Step
	At   time.Time
	OK   bool
	// Code says why it is not OK: an OAuth error code, or the edge's reason.
	Code            string
	Asked, Answered Message
	// What the step tells about the attempt; empty where it tells nothing.
	UpstreamID, ClientID, ClientName, Subject, FamilyID string
	// secret is the hash of the code that a token request came with: it leads to the family.
	secret string
	// browser says that a person's browser asks, and not the client.
	browser bool
	// fresh says that an attempt begins here, or goes on from discovery and nothing later.
	fresh bool
}

// Message is a request or an answer in short: nothing in it opens anything.
type Message struct {
	Line  string `json:"line"` // "POST /token", "400"
	Pairs []Pair `json:"pairs,omitempty"`
}

// Pair is a parameter. A secret's value is its length, or six characters of its hash.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// with adds a pair whose value is not empty.
func (m Message) with(name, value string) Message {
	if value != "" {
		m.Pairs = append(m.Pairs, Pair{name, value})
	}
	return m
}
