package authz

import "slices"

// Expand adds what the known scopes of the set include.
func (c Catalogue) Expand(s Scopes) Scopes {
	out := slices.Clone(s)
	for _, name := range s {
		if i := c.find(name); i >= 0 {
			for _, j := range c.gives[i] {
				if inner := c.scopes[j].Name; !out.Has(inner) {
					out = append(out, inner)
				}
			}
		}
	}
	return out
}

// Covers reports whether what is needed is held, itself or in a scope that includes it.
func (c Catalogue) Covers(have, need Scopes) bool { return c.Expand(have).Covers(need) }

// Narrow gives what of the requested scopes can be granted: the known ones within the
// client's ceiling, where a nil ceiling is none, and of a scope above the ceiling the part
// of it that is not. Asking for nothing, or for nothing that is known, asks for
// the initial scopes: clients ask for whole catalogues or for none, and an error would
// only lock them out. The base is always granted; the rest comes in the catalogue's order.
func (c Catalogue) Narrow(requested, ceiling Scopes) Scopes {
	if !requested.Has(ScopeMCP) && !slices.ContainsFunc(requested, func(name string) bool { return c.find(name) >= 0 }) {
		requested = requested.Union(c.Initial())
	}
	return c.within(requested, ceiling)
}

// Keep gives what is still there of scopes that were granted earlier: the known ones
// within the client's ceiling as it is now. It adds nothing.
func (c Catalogue) Keep(granted, ceiling Scopes) Scopes {
	return c.within(granted, ceiling)
}

// within puts a request into the catalogue's order and under the ceiling.
func (c Catalogue) within(requested, ceiling Scopes) Scopes {
	allowed := c.Expand(ceiling)
	grant := make([]bool, len(c.scopes))
	for i, s := range c.scopes {
		if !requested.Has(s.Name) {
			continue
		}
		if ceiling == nil || allowed.Has(s.Name) {
			grant[i] = true
			continue
		}
		for _, j := range c.gives[i] {
			grant[j] = grant[j] || allowed.Has(c.scopes[j].Name)
		}
	}
	out := Scopes{ScopeMCP}
	for i, s := range c.scopes {
		if grant[i] {
			out = append(out, s.Name)
		}
	}
	if requested.Has(ScopeOffline) { // it opens nothing, so no ceiling keeps it out
		out = append(out, ScopeOffline)
	}
	return out
}
