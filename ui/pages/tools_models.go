package pages

import "github.com/emcy/gateway/ui/kit"

// ToolsPage is GET /{workspace}/runtimes/{runtime}/tools.
type ToolsPage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime names the runtime.
	Runtime RuntimeRef
	// Synced is when the tools were last listed; zero when they never were.
	Synced Moment
	// Revision is the list's number in words, such as "Revision 7"; empty before the first.
	Revision string
	// Tokens is the sum of the definitions, such as "≈ 4,210 tokens"; may be empty.
	Tokens string
	// Problem says why the last listing failed; nil when it did not.
	Problem *Warning
	// Warnings are about the list as a whole.
	Warnings []Warning
	// Query is what was searched for; empty for everything.
	Query string
	// Found says how many match the query, such as "3 of 14 tools"; empty without one.
	Found string
	// Tools are those that match, Removed those that match and are gone.
	Tools, Removed []ToolRow
}

// ToolRow is a tool in the list.
type ToolRow struct {
	// Name is the tool's name with what is hidden in it made visible.
	Name string
	// Href is the tool's page.
	Href string
	// Title is its display title; may be empty.
	Title string
	// Description is its description; the page clamps it.
	Description string
	// Hints are the runtime's own words about it.
	Hints []Badge
	// Remarks says how many there are on its definition, such as "2 remarks"; empty for none.
	Remarks string
	// Tokens is the size of its definition, such as "~120".
	Tokens string
	// Change is what happened to it lately; its zero value for nothing.
	Change Badge
	// ChangedAt is when.
	ChangedAt Moment
}

// ToolPage is GET /{workspace}/runtimes/{runtime}/tools/{tool}.
type ToolPage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime names the runtime.
	Runtime RuntimeRef
	// Tool is the row of the list.
	Tool ToolRow
	// Removed is when the runtime no longer listed it; zero while it does.
	Removed Moment
	// Warnings are about its definition.
	Warnings []Warning
	// Change is the change that is looked at; nil when none is remembered.
	Change *ToolChangeView
	// Description is the whole description; may be empty.
	Description string
	// Definition is the definition as JSON, indented.
	Definition string
	// Hidden says that characters in the texts were made visible.
	Hidden bool
	// Facts are what else is known.
	Facts []Pair
	// FirstSeen is when the tool was seen for the first time.
	FirstSeen Moment
	// History are the changes that are remembered, the newest first.
	History []ToolChangeRow
}

// ToolChangeView is one change in full.
type ToolChangeView struct {
	// Title says what happened, such as "Changed in revision 7".
	Title string
	// At is when.
	At Moment
	// Text says what there is to see; may be empty.
	Text string
	// Parts are the parts of the definition that differ.
	Parts []ToolDiff
}

// ToolDiff is a part of a definition before and after.
type ToolDiff struct {
	// Title names the part, such as "Description".
	Title string
	// Lines are the comparison.
	Lines []kit.DiffLine
}

// ToolChangeRow is a line of the history.
type ToolChangeRow struct {
	// Kind is what happened.
	Kind Badge
	// At is when.
	At Moment
	// Revision is the list's number, such as "Revision 7".
	Revision string
	// Href shows the change.
	Href string
	// Current says that it is the one shown.
	Current bool
}
