package pages

// SectionConnections lights the Connections entry.
const SectionConnections = "connections"

// TracesPage is GET /{workspace}/connections: the tries of clients to connect, newest first.
type TracesPage struct {
	// Shell is the frame.
	Shell Shell
	// Rows are the tries of this page; none shows the empty state.
	Rows []TraceRow
	// Filtered says that the list leaves something out.
	Filtered bool
	// Query is what was searched for and not found; Error says so.
	Query, Error string
	// Runtime is the slug of the runtime that the list is of; empty for all.
	Runtime string
	// ClearHref is the list without its filters; empty where none is on.
	ClearHref string
	// Href is the list as it is now, from its start; the pill and Refresh lead there.
	Href string
	// AllHref and OpenHref are the whole list and the one without those that connected.
	AllHref, OpenHref string
	// Open says that the list is the second.
	Open bool
	// NewerHref leads back to the newest; empty on the first page.
	NewerHref string
	// OlderHref leads to older ones; empty on the last page.
	OlderHref string
	// Stream is the path of the event stream; empty renders no live updates.
	Stream string
	// ConnectHref leads to where a client is connected; empty where there is no runtime yet.
	ConnectHref string
}

// TraceRow is one try in short.
type TraceRow struct {
	// ID is the trace's id.
	ID string
	// Href is the local path of its own page.
	Href string
	// At is when it began.
	At Moment
	// Client is what the client calls itself, or its user agent.
	Client string
	// Runtime is the runtime's slug; may be empty.
	Runtime string
	// State is where it stands.
	State Badge
	// Why says in a few words why it stands there; may be empty.
	Why string
	// Dots are the six stations.
	Dots []TraceDot
}

// TraceDot is a station on the way to the first call.
type TraceDot struct {
	// Text names it, such as "Signed in".
	Text string
	// Done says that it was passed, Failed that the try ended there.
	Done, Failed bool
}

// TracePage is GET /{workspace}/connections/{trace}.
type TracePage struct {
	// Shell is the frame.
	Shell Shell
	// Row is the try in short.
	Row TraceRow
	// Why says what happened, Cure what to do; both may be empty.
	Why, Cure string
	// Steps are what was asked and answered, in order.
	Steps []TraceStep
	// Facts are the rest, in order.
	Facts []Pair
	// Self is the page's own path.
	Self string
	// BackHref leads back to the list.
	BackHref string
	// Stream is the path of the event stream; empty renders no live updates.
	Stream string
}

// TraceStep is one step.
type TraceStep struct {
	// Tone says how it went.
	Tone string
	// Title says what the client did.
	Title string
	// At is when.
	At Moment
	// After is the time since the first step, such as "+61 ms".
	After string
	// Asked and Answered are the request and the answer.
	Asked, Answered TraceMessage
	// Why says why it failed; may be empty.
	Why string
}

// TraceMessage is a request or an answer in short.
type TraceMessage struct {
	// Line is its first line, such as "POST /token".
	Line string
	// Pairs are its parameters.
	Pairs []Pair
}
