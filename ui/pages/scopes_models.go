package pages

// SectionScopes lights the Scopes entry.
const SectionScopes = "scopes"

// ScopesPage is GET /{workspace}/scopes.
type ScopesPage struct {
	// Shell is the frame.
	Shell Shell
	// Rows are the scopes in their order.
	Rows []ScopeRow
	// Runtimes are those whose tools can be sorted by their hints.
	Runtimes []ScopeRuntime
}

// ScopeRow is a scope in the list.
type ScopeRow struct {
	// Name is the scope token, Title what people read.
	Name, Title string
	// Href is the scope's page.
	Href string
	// Opens says what, such as "3 tools of 2 runtimes".
	Opens string
	// Includes are the names of the scopes in it.
	Includes string
	// Initial says that it is asked for at the first sign-in.
	Initial bool
	// Held is how many active sign-ins hold it, such as "12".
	Held string
}

// ScopeRuntime is a runtime beside a scope, or beside the hints.
type ScopeRuntime struct {
	// Name is the runtime's name.
	Name string
	// Href leads to what can be chosen there.
	Href string
	// Text says how it stands, such as "3 of 12 tools".
	Text string
}

// ScopePage is GET and POST /{workspace}/scopes/new and /{workspace}/scopes/{scope}.
type ScopePage struct {
	// Shell is the frame.
	Shell Shell
	// New says that the scope is not there yet.
	New bool
	// Href is the stored scope's page; empty for a new one.
	Href string
	// Values are the typed or stored values.
	Values ScopeValues
	// Errors are messages by field: name, title, description, includes.
	Errors FieldErrors
	// Summary is the message over the form; empty shows none unless Errors has entries.
	Summary string
	// Conflict says that somebody else changed the scope meanwhile.
	Conflict bool
	// Others are the scopes that it could include.
	Others []ScopeChoice
	// Runtimes are where it opens tools, or could.
	Runtimes []ScopeRuntime
	// Held says who holds it, such as "12 active sign-ins"; empty for a new one.
	Held string
	// Place says where it stands, such as "2 of 4".
	Place string
	// First and Last say that it cannot move further.
	First, Last bool
}

// ScopeValues are the fields of a scope.
type ScopeValues struct {
	Name, Title, Description string
	// Initial says that it is asked for at the first sign-in.
	Initial bool
	// Edition is what the form was filled from.
	Edition string
}

// ScopeChoice is a scope that can be ticked.
type ScopeChoice struct {
	Name, Title string
	On          bool
}

// ScopeToolsPage is GET and POST /{workspace}/scopes/{scope}/tools/{runtime}.
type ScopeToolsPage struct {
	// Shell is the frame.
	Shell Shell
	// Scope and Title name the scope, Href is its page.
	Scope, Title, Href string
	// Runtime names the runtime, Action is where the form goes.
	Runtime, Action string
	// Edition is what the form was filled from.
	Edition string
	// Summary is what is wrong; may be empty.
	Summary string
	// All says that every tool is open, also those that come later.
	All bool
	// Tools are what the runtime lists, and what is named and not listed.
	Tools []ScopeTool
}

// ScopeTool is a tool to choose, or one that is sorted by its hints.
type ScopeTool struct {
	// ID goes along with the form, Name is shown.
	ID, Name string
	// On says that the scope names it.
	On bool
	// Gone says that the runtime does not list it now.
	Gone bool
	// Hints are the runtime's own words about it.
	Hints []Badge
	// Needs is the scope that a call needs now; empty for none.
	Needs string
}

// ScopeHintsPage is GET /{workspace}/scopes/hints/{runtime}.
type ScopeHintsPage struct {
	// Shell is the frame.
	Shell Shell
	// Runtime names the runtime, Action is where the form goes.
	Runtime, Action string
	// Groups are the scopes and the tools that each gets.
	Groups []ScopeGroup
	// Silent says of how many tools nothing is said; empty for none.
	Silent string
	// Replaces says that something is sorted there already.
	Replaces bool
}

// ScopeGroup is a scope and the tools that it gets.
type ScopeGroup struct {
	// Scope is the token, Text says what goes there.
	Scope, Text string
	// Count is the number of tools, such as "3 tools".
	Count string
	// Tools are their names.
	Tools []string
}

// ScopeDeletePage is GET and POST /{workspace}/scopes/{scope}/delete.
type ScopeDeletePage struct {
	// Shell is the frame.
	Shell Shell
	// Scope and Title name the scope, Href is its page.
	Scope, Title, Href string
	// Impact says what happens, a sentence each.
	Impact []string
	// Confirm is what was typed, Error the message about it.
	Confirm, Error string
}
