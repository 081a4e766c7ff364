package scopes

import (
	"slices"

	"github.com/emcy/gateway/authz"
)

// Asked is what a person is told about one scope before saying yes.
type Asked struct {
	Name, Title, Description string
	// Tools are those that the scope opens and none before it in the list does.
	Tools []string
	// Later says that it also opens what the runtime gets later.
	Later bool
}

// Describe says what each of the requested scopes gives at a runtime which lists these
// tools. The base comes first and has no words of its own; the others follow in the
// catalogue's order. Each tool stands once, at the first scope that opens it.
func Describe(c authz.Catalogue, upstreamID string, requested authz.Scopes, tools []string) []Asked {
	out := []Asked{{Name: authz.ScopeMCP}}
	for _, s := range c.All() {
		if requested.Has(s.Name) {
			out = append(out, Asked{Name: s.Name, Title: s.Title, Description: s.Description})
		}
	}
	gate := c.Gate(upstreamID)
	first := func(tool string) int {
		return slices.IndexFunc(out, func(a Asked) bool { return gate.Missing([]string{a.Name}, tool) == "" })
	}
	for _, tool := range tools {
		if i := first(tool); i >= 0 {
			out[i].Tools = append(out[i].Tools, tool)
		}
	}
	if i := first(authz.AnyTool); i >= 0 {
		out[i].Later = true
	}
	return out
}
