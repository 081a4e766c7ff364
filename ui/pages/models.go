package pages

import (
	"github.com/a-h/templ"

	"github.com/emcy/gateway/ui/kit"
)

// Tones of badges, dots, callouts and probe steps: the kit's.
const (
	// ToneOK is a thing that works.
	ToneOK = kit.ToneOK
	// ToneWarn is a thing that works but needs a look.
	ToneWarn = kit.ToneWarn
	// ToneFail is a thing that does not work.
	ToneFail = kit.ToneFail
	// ToneInfo is a thing worth knowing.
	ToneInfo = kit.ToneInfo
	// ToneNeutral is a plain fact, or a thing that was not done.
	ToneNeutral = kit.ToneNeutral
)

// Sections of the navigation, for Shell.Section.
const (
	// SectionRuntimes lights the Runtimes entry.
	SectionRuntimes = "runtimes"
	// SectionLogs lights the Logs entry.
	SectionLogs = "logs"
	// SectionNone lights no entry.
	SectionNone = ""
)

// FieldErrors holds one message per form field, keyed by the field's name attribute. A repeated field's
// n-th copy is keyed "header_name.0", "header_value.2".
type FieldErrors map[string]string

// Moment is a point in time, ready to show.
type Moment struct {
	// ISO is the instant in RFC 3339, UTC; it goes into the datetime attribute. Empty means "never": nothing is rendered.
	ISO string
	// Text is the absolute time as shown in tables, in UTC, such as "2026-11-22 20:51:07".
	Text string
}

// Badge is a short word in a tone.
type Badge struct {
	// Tone is one of the Tone constants.
	Tone string
	// Text is the word shown.
	Text string
}

// Account is the signed-in person.
type Account struct {
	// Name is the person's name; the e-mail stands in where it is empty.
	Name string
	// Email is the person's e-mail address.
	Email string
}

// WorkspaceLink is a workspace in the switcher and in the list of workspaces.
type WorkspaceLink struct {
	// Name is the workspace's display name.
	Name string
	// Slug is the workspace's path segment in the console.
	Slug string
	// Origin is the workspace's public MCP origin, such as "http://localhost:8081".
	Origin string
	// Role is the person's role in words, such as "Owner".
	Role string
	// Runtimes is the number of runtimes in words, such as "3 runtimes"; may be empty.
	Runtimes string
}

// Shell is what every console page has around its content.
type Shell struct {
	// Nonce is this response's CSP nonce; it must equal the one in the Content-Security-Policy header.
	Nonce string
	// CSRF is the token put in every POST form of the page.
	CSRF string
	// Account is the signed-in person; its zero value renders the page without the console's chrome.
	Account Account
	// Workspace is the current workspace; its zero value hides the navigation.
	Workspace WorkspaceLink
	// Workspaces are all workspaces of the person, in the order shown by the switcher.
	Workspaces []WorkspaceLink
	// Section is one of the Section constants.
	Section string
	// Flash is a success message of the request before; empty shows none.
	Flash string
	// Notice is a standing remark about this gateway, such as "Private and loopback runtimes are allowed,
	// because this gateway runs on localhost."; empty shows none.
	Notice string
	// ReadOnly says why the person may only look at what is changed here, and who can help, such as "Your role in Acme
	// is Viewer; changing runtimes needs the role Developer."; empty for those who may write. Controls are then shown
	// and off.
	ReadOnly string
}

// SignUpPage is GET and POST /sign-up.
type SignUpPage struct {
	// Shell is the frame.
	Shell Shell
	// Values are the typed values; the password is never given back.
	Values SignUpValues
	// Errors are messages by field: name, email, password.
	Errors FieldErrors
	// Summary is the message over the form; empty shows none unless Errors has entries.
	Summary string
}

// SignUpValues are the typed values of the sign-up form.
type SignUpValues struct {
	// Name is the person's name.
	Name string
	// Email is the e-mail address.
	Email string
	// Next is the opaque local path to go to afterwards; may be empty.
	Next string
}

// SignInPage is GET and POST /sign-in.
type SignInPage struct {
	// Shell is the frame.
	Shell Shell
	// Values are the typed values; the password is never given back.
	Values SignInValues
	// Errors are messages by field: email, password.
	Errors FieldErrors
	// Summary is the message over the form, such as "The e-mail or the password is wrong."
	Summary string
}

// SignInValues are the typed values of the sign-in form.
type SignInValues struct {
	// Email is the e-mail address.
	Email string
	// Next is the opaque local path to go to afterwards; may be empty.
	Next string
}

// WorkspacesPage is GET /workspaces.
type WorkspacesPage struct {
	// Shell is the frame; its Workspaces are the list.
	Shell Shell
}

// WorkspaceNewPage is GET and POST /workspaces/new.
type WorkspaceNewPage struct {
	// Shell is the frame.
	Shell Shell
	// Values are the typed values.
	Values WorkspaceValues
	// Errors are messages by field: name, slug.
	Errors FieldErrors
	// Summary is the message over the form.
	Summary string
	// Suggestions are free slugs to offer when the typed one is taken; may be empty.
	Suggestions []string
	// OriginPattern is how the workspace's origin comes about, with {tenant} in the place of the slug:
	// "https://{tenant}.mcp.example.com", or "http://localhost:8083" where the next free port is used.
	OriginPattern string
}

// WorkspaceValues are the typed values of the workspace form.
type WorkspaceValues struct {
	// Name is the display name.
	Name string
	// Slug is the slug.
	Slug string
}

// RuntimesPage is GET /{workspace}/runtimes.
type RuntimesPage struct {
	// Shell is the frame.
	Shell Shell
	// Rows are the runtimes; none shows the empty state.
	Rows []RuntimeRow
}

// RuntimeRow is one runtime in the list.
type RuntimeRow struct {
	// Name is the display name.
	Name string
	// Slug is the path segment.
	Slug string
	// MCPURL is the public MCP URL.
	MCPURL string
	// URL is the runtime's own address.
	URL string
	// State is Ready, Waiting or Error.
	State Badge
	// Era is the protocol era in short, such as "2026-07-28"; empty when unknown.
	Era string
	// Tools is the number of tools, such as "14"; empty when unknown.
	Tools string
	// LastCall is the time of the latest call; zero when there was none.
	LastCall Moment
}

// RuntimeFormPage is GET and POST /{workspace}/runtimes/new and /{workspace}/runtimes/{runtime}/edit.
type RuntimeFormPage struct {
	// Shell is the frame.
	Shell Shell
	// Edit tells the edit form from the new one: the slug is fixed and Version is sent along.
	Edit bool
	// RuntimeName is the stored name of the runtime being edited, for the heading and the breadcrumb.
	RuntimeName string
	// Values are the typed values, or the stored ones.
	Values RuntimeValues
	// Errors are messages by field: name, slug, url, header_name.N, header_value.N.
	Errors FieldErrors
	// Summary is the message over the form.
	Summary string
	// Conflict is filled when someone else changed the runtime since this form was opened (409): the stored values,
	// shown next to the typed ones. Values.Version is then the stored version, so that saving again overwrites.
	Conflict *RuntimeConflict
}

// RuntimeConflict is what is stored, when it is no longer what the form was opened with.
type RuntimeConflict struct {
	// Name is the stored name.
	Name string
	// URL is the stored address.
	URL string
	// Headers are the stored header names, joined by commas.
	Headers string
}

// RuntimeValues are the values of the runtime form.
type RuntimeValues struct {
	// Name is the display name.
	Name string
	// Slug is the path segment.
	Slug string
	// URL is the runtime's own MCP address.
	URL string
	// Headers are up to three static headers; missing ones are rendered empty.
	Headers []HeaderValue
	// Version is the row's version for optimistic concurrency; only in the edit form.
	Version string
}

// HeaderValue is one static header of a runtime.
type HeaderValue struct {
	// Name is the header's name.
	Name string
	// Value is the value typed just now; a stored value is never given back.
	Value string
	// Stored says that a value is stored; an empty input keeps it.
	Stored bool
}

// RuntimeSetupPage is GET /{workspace}/runtimes/{runtime}/setup.
type RuntimeSetupPage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime names the runtime.
	Runtime RuntimeRef
	// Secret is the worker secret in clear, shown once; empty when it has been stored and can't be shown again.
	Secret string
	// Rotated says that this secret replaces an older one, which stays valid until GraceText.
	Rotated bool
	// GraceText is until when the older secret works, such as "until 21:50 UTC"; may be empty.
	GraceText string
	// Adapters are the snippets for the frameworks, in order; Adapters() gives the usual ones.
	Adapters []Snippet
}

// RuntimeRef names a runtime on its sub-pages.
type RuntimeRef struct {
	// Name is the display name.
	Name string
	// Slug is the path segment.
	Slug string
	// MCPURL is the public MCP URL.
	MCPURL string
	// URL is the runtime's own address.
	URL string
	// State is Ready, Waiting or Error.
	State Badge
}

// Snippet is a piece of code to copy.
type Snippet struct {
	// ID is unique in the page, lower case, such as "fastmcp".
	ID string
	// Title names it, such as "FastMCP (Python)".
	Title string
	// File is the file or place it belongs to, such as "server.py"; may be empty.
	File string
	// Code is the text to copy, newlines and all.
	Code string
	// Note is a sentence below it; may be empty.
	Note string
}

// RuntimePage is GET /{workspace}/runtimes/{runtime}.
type RuntimePage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime names the runtime.
	Runtime RuntimeRef
	// New says that no client has called yet: the page is then a step on the way there.
	New bool
	// Probe is the last probe in short; nil when there was none.
	Probe *ProbeSummary
	// ServerInfo is what the runtime says about itself, as pairs; may be empty.
	ServerInfo []Pair
	// ToolCount is how many tools are known, such as "14"; empty for none.
	ToolCount string
	// ToolsTokens is the sum of the tools' definitions, such as "≈ 4,210 tokens"; may be empty.
	ToolsTokens string
	// Tools are the first of them.
	Tools []ToolName
	// ToolsMore says how many are not named, such as "3 more"; empty for none.
	ToolsMore string
	// Requests are the latest ones, newest first.
	Requests []LogRow
	// Warnings are what cannot wait until somebody reads the probe.
	Warnings []Warning
	// Headers are the names of the static headers sent to the runtime.
	Headers []string
	// Added is when the runtime was added.
	Added Moment
}

// Pair is a term and its value.
type Pair struct {
	// Term is the label.
	Term string
	// Value is the text; rendered in the mono font when Mono is set.
	Value string
	// Mono asks for the mono font.
	Mono bool
}

// Warning is something about a runtime that its owner should know.
type Warning struct {
	// Tone is ToneWarn, ToneFail or ToneInfo.
	Tone string
	// Title is the finding, such as "This runtime answers without the worker secret".
	Title string
	// Text says what it means and what to do.
	Text string
	// ActionText and ActionHref are a link to the cure; both may be empty.
	ActionText string
	// ActionHref is the link's local target.
	ActionHref string
}

// ProbeSummary is what a probe found, in short; the probe's own page has the rest.
type ProbeSummary struct {
	// At is when it ran.
	At Moment
	// Outcome is the whole report in a badge, such as {ToneOK, "Works"}.
	Outcome Badge
	// Era is the protocol era in words: "Modern · 2026-07-28" or "Legacy · 2025-11-25"; zero when unknown.
	Era Badge
	// Text is the report in a sentence or two.
	Text string
	// Next is what to do about a failure; empty when nothing is to be done.
	Next string
	// Remarks says how many there are, such as "3 remarks"; empty for none.
	Remarks string
}

// ToolName is a tool that is only named.
type ToolName struct {
	// Name is the tool's name with what is hidden in it made visible.
	Name string
	// Href is the tool's page.
	Href string
}

// RuntimeRemovePage is GET and POST /{workspace}/runtimes/{runtime}/remove.
type RuntimeRemovePage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime names the runtime.
	Runtime RuntimeRef
	// Impact are the consequences, such as "2 clients lose access at once."
	Impact []string
	// Confirm is what was typed.
	Confirm string
	// Error is the message by the field; empty shows none.
	Error string
}

// ConnectPage is GET /{workspace}/runtimes/{runtime}/connect.
type ConnectPage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime names the runtime; the commands are built from its Slug and MCPURL.
	Runtime RuntimeRef
	// Status is the live card as of now.
	Status ConnectStatusView
	// Stream is the path of the event stream that sends ConnectStatus fragments; empty renders no live updates.
	Stream string
	// SignInAs says who may sign in, such as "Members of Acme sign in with their console account."
	SignInAs string
}

// ConnectStatusView is the live card of the connect page.
type ConnectStatusView struct {
	// Connected says that at least one client has called.
	Connected bool
	// Steps are how far the latest client came: challenge seen, registered, signed in, allowed, first call.
	Steps []ConnectStep
	// Client is the client's own name, such as "Claude Code".
	Client string
	// Person is who signed in.
	Person string
	// Calls is the number of calls in words, such as "3 calls".
	Calls string
	// LastCall is the time of the latest call.
	LastCall Moment
	// LogsHref is the local path of the log; empty shows no link.
	LogsHref string
}

// ConnectStep is a dot on the way to the first call.
type ConnectStep struct {
	// Text names the step, such as "Signed in".
	Text string
	// Done says that it has been seen.
	Done bool
}

// LogsPage is GET /{workspace}/logs.
type LogsPage struct {
	// Shell is the frame.
	Shell Shell
	// Rows are the events of this page, newest first; none shows the empty state.
	Rows []LogRow
	// NewerHref leads back to the newest events; empty on the first page.
	NewerHref string
	// OlderHref leads to older events; empty on the last page.
	OlderHref string
	// Href is the path of the first page; the pill and Refresh lead there.
	Href string
	// LiveHref toggles the live tail (the same path with or without live=1).
	LiveHref string
	// Live says that the live tail is on.
	Live bool
	// Stream is the path of the event stream; empty renders no live updates.
	Stream string
	// ExampleURL is an MCP URL of this workspace for the empty state's curl; empty when there is no runtime yet.
	ExampleURL string
}

// LogRow is one request in the log.
type LogRow struct {
	// ID is the event's id.
	ID string
	// Href is the local path of the event's own page.
	Href string
	// At is when it arrived.
	At Moment
	// Outcome is what became of it, such as {ToneOK, "ok"} or {ToneFail, "upstream error"}.
	Outcome Badge
	// Method is the JSON-RPC method, such as "tools/call"; the HTTP method where there is none.
	Method string
	// Tool is the tool's name; may be empty.
	Tool string
	// Runtime is the runtime's slug.
	Runtime string
	// User is who asked; may be empty.
	User string
	// Client is the client's own name; may be empty.
	Client string
	// Status is the HTTP status, such as "200".
	Status string
	// Latency is the whole time, such as "61 ms".
	Latency string
}

// LogDetailPage is GET /{workspace}/logs/{event}.
type LogDetailPage struct {
	// Shell is the frame.
	Shell Shell
	// Row is the event in short.
	Row LogRow
	// Reason says in words why it ended as it did; may be empty.
	Reason string
	// Facts are the event's fields, in order.
	Facts []Pair
	// Spans are the parts of its time, in order; none shows no waterfall.
	Spans []Span
	// Total is the whole time, such as "61 ms".
	Total string
	// BackHref leads back to the list.
	BackHref string
}

// Span is a bar of the waterfall.
type Span struct {
	// Name is the part, such as "Gateway" or "Upstream".
	Name string
	// Start is where it begins, in thousandths of the whole.
	Start int
	// Length is how long it is, in thousandths of the whole.
	Length int
	// Took is the time in words, such as "48 ms".
	Took string
	// Upstream says that this time was spent at the runtime, not in the gateway.
	Upstream bool
}

// ErrorPageView is a page that says what went wrong.
type ErrorPageView struct {
	// Shell is the frame; without an account it is rendered without chrome.
	Shell Shell
	// Code is the HTTP status, such as "404".
	Code string
	// Title is the short heading, such as "There is no such runtime in Acme".
	Title string
	// Text says what is known and who can do what.
	Text string
	// RequestID is the id to quote; empty shows none.
	RequestID string
	// ActionText is the label of the way out; empty shows none.
	ActionText string
	// ActionHref is the way out's local path.
	ActionHref string
}

// UIKitPage is GET /ui-kit: every component in every state. It is there in development only.
type UIKitPage struct {
	// Nonce is this response's CSP nonce.
	Nonce string
	// Sections are the components, in the order of their groups.
	Sections []UIKitSection
	// Screens are the names of the pages with made-up data; each has an address below this one.
	Screens []string
}

// UIKitSection is a component.
type UIKitSection struct {
	// Group is the family that it belongs to.
	Group string
	// ID is unique in the page.
	ID string
	// Title is the component's name.
	Title string
	// Text says what it is for.
	Text string
	// States are its states.
	States []UIKitState
}

// UIKitState is a component in a state.
type UIKitState struct {
	// Name is the state.
	Name string
	// Component is what it looks like.
	Component templ.Component
}
