package forms

import "strings"

// Scope is the form of a scope, new or edited.
type Scope struct {
	Name, Title, Description string
	// Includes are the names of the ticked scopes.
	Includes []string
	Initial  bool
	// Edition is what the edit form was filled from.
	Edition string
}

// ReadScope reads the form.
func ReadScope(v Values) Scope {
	return Scope{
		Name: strings.TrimSpace(v.line("name")), Title: strings.TrimSpace(v.line("title")), Description: strings.Join(strings.Fields(v.one("description")), " "), // line breaks are the browser's
		Includes: v.fields["include"], Initial: v.one("initial") != "", Edition: v.line("edition"),
	}
}

// ScopeTools is the form of what a scope opens at one runtime.
type ScopeTools struct {
	// All opens every tool.
	All bool
	// Tools are the ids of the ticked tools.
	Tools   []string
	Edition string
}

// ReadScopeTools reads the form.
func ReadScopeTools(v Values) ScopeTools {
	return ScopeTools{All: v.one("all") != "", Tools: v.fields["tool"], Edition: v.line("edition")}
}

// ReadMove reads which way a scope is moved.
func ReadMove(v Values) (earlier bool) { return v.one("to") == "earlier" }
