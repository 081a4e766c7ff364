package authz

import (
	"errors"
	"fmt"
	"slices"
)

// AnyTool stands for every tool of a runtime, also for those that it gets later.
const AnyTool = "*"

// Tool is a tool of a runtime, by its exact name or AnyTool.
type Tool struct{ UpstreamID, Name string }

// Scope is a scope that a tenant defines.
type Scope struct {
	Name, Title, Description string
	// Includes are the scopes that this one contains.
	Includes Scopes
	// Initial scopes are asked for in a client's first challenge.
	Initial bool
	// Tools are what it opens itself, without those of the scopes that it includes.
	Tools []Tool
}

// Faults of a catalogue.
var (
	ErrScopeName      = errors.New("this is no scope token")
	ErrScopeReserved  = errors.New("this name has a meaning of its own")
	ErrScopeTwice     = errors.New("this scope exists already")
	ErrUnknownInclude = errors.New("a scope is included that does not exist")
	ErrCycle          = errors.New("scopes include one another")
)

// Reserved reports whether the name is one that no tenant can define.
func Reserved(name string) bool {
	return name == ScopeMCP || name == ScopeOffline || name == "openid"
}

// Catalogue holds a tenant's scopes. It does not change, and its zero value is that
// of a tenant which defined none.
type Catalogue struct {
	scopes []Scope // by position
	// gives are, for each scope, the positions of all that it contains, itself among them.
	gives [][]int
}

// NewCatalogue takes the scopes in their order. It refuses names that are none or
// reserved, scopes that stand twice, includes of nothing and cycles.
func NewCatalogue(scopes []Scope) (Catalogue, error) {
	for i, s := range scopes {
		switch {
		case !ValidScope(s.Name):
			return Catalogue{}, fmt.Errorf("scope %q: %w", s.Name, ErrScopeName)
		case Reserved(s.Name):
			return Catalogue{}, fmt.Errorf("scope %q: %w", s.Name, ErrScopeReserved)
		case slices.ContainsFunc(scopes[:i], func(o Scope) bool { return o.Name == s.Name }):
			return Catalogue{}, fmt.Errorf("scope %q: %w", s.Name, ErrScopeTwice)
		}
	}
	c := compile(scopes)
	for i, s := range scopes {
		for _, name := range s.Includes {
			j := c.find(name)
			switch {
			case j < 0:
				return Catalogue{}, fmt.Errorf("scope %q includes %q: %w", s.Name, name, ErrUnknownInclude)
			case slices.Contains(c.gives[j], i):
				return Catalogue{}, fmt.Errorf("scopes %q and %q: %w", s.Name, name, ErrCycle)
			}
		}
	}
	return c, nil
}

// compile follows the includes; those that lead nowhere count for nothing.
func compile(scopes []Scope) Catalogue {
	c := Catalogue{scopes: scopes, gives: make([][]int, len(scopes))}
	for i := range scopes {
		seen := []int{i}
		for next := 0; next < len(seen); next++ {
			for _, name := range scopes[seen[next]].Includes {
				if j := c.find(name); j >= 0 && !slices.Contains(seen, j) {
					seen = append(seen, j)
				}
			}
		}
		slices.Sort(seen)
		c.gives[i] = seen
	}
	return c
}

func (c Catalogue) find(name string) int {
	return slices.IndexFunc(c.scopes, func(s Scope) bool { return s.Name == name })
}

// All lists the scopes in their order. The list must not be changed.
func (c Catalogue) All() []Scope { return c.scopes }

// Get finds a scope.
func (c Catalogue) Get(name string) (Scope, bool) {
	if i := c.find(name); i >= 0 {
		return c.scopes[i], true
	}
	return Scope{}, false
}

// At leaves the scopes that open something at a runtime, themselves or through what
// they include.
func (c Catalogue) At(upstreamID string) Catalogue {
	var here []Scope
	for i, s := range c.scopes {
		if slices.ContainsFunc(c.gives[i], func(j int) bool { return c.scopes[j].touches(upstreamID) }) {
			here = append(here, s)
		}
	}
	return compile(here)
}

func (s Scope) touches(upstreamID string) bool {
	return slices.ContainsFunc(s.Tools, func(t Tool) bool { return t.UpstreamID == upstreamID })
}

// Opens reports whether the scope itself opens the tool.
func (s Scope) Opens(upstreamID, tool string) bool {
	return slices.ContainsFunc(s.Tools, func(t Tool) bool { return t.UpstreamID == upstreamID && (t.Name == tool || t.Name == AnyTool) })
}

// Initial are the scopes of a first challenge: the base, and what the tenant marked so.
func (c Catalogue) Initial() Scopes {
	out := Scopes{ScopeMCP}
	for _, s := range c.scopes {
		if s.Initial {
			out = append(out, s.Name)
		}
	}
	return out
}

// Supported are the scopes that the server's metadata names: those that every client
// may ask for. Clients ask for the whole list, so what needs a step of its own is not
// in it (RFC 8414, section 2, leaves that open).
func (c Catalogue) Supported() Scopes { return append(c.Initial(), ScopeOffline) }
