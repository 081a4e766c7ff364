package authz

import "slices"

// Needs are the scopes that one call of a tool needs, all of them. Where several
// open the tool, the first in the catalogue's order stands for them.
func (c Catalogue) Needs(upstreamID, tool string) Scopes {
	for _, s := range c.scopes {
		if s.Opens(upstreamID, tool) {
			return Scopes{ScopeMCP, s.Name}
		}
	}
	return Scopes{ScopeMCP}
}

// Gate knows what each tool of one runtime needs. It is compiled once per
// configuration, answers without allocating, and does not change. A nil one is open.
type Gate struct {
	tools map[string]*opening
	// rest is for every tool that no scope names; nil where the base opens them.
	rest *opening
}

// opening is what opens a tool.
type opening struct {
	needs string
	// by are all scopes that open it, themselves or by what they include.
	by []string
}

// Gate compiles what the tools of a runtime need. It is nil where no scope claims any.
func (c Catalogue) Gate(upstreamID string) *Gate {
	g := &Gate{tools: map[string]*opening{}}
	same := map[string]*opening{} // tools that are opened alike share what is known of them
	for _, s := range c.scopes {
		for _, t := range s.Tools {
			if t.UpstreamID != upstreamID {
				continue
			}
			if t.Name == AnyTool {
				g.rest = c.opening(upstreamID, AnyTool, same)
			} else if g.tools[t.Name] == nil {
				g.tools[t.Name] = c.opening(upstreamID, t.Name, same)
			}
		}
	}
	if g.rest == nil && len(g.tools) == 0 {
		return nil
	}
	return g
}

func (c Catalogue) opening(upstreamID, tool string, same map[string]*opening) *opening {
	var own []int
	key := ""
	for i, s := range c.scopes {
		if s.Opens(upstreamID, tool) {
			own = append(own, i)
			key += s.Name + " "
		}
	}
	if o := same[key]; o != nil {
		return o
	}
	o := &opening{needs: c.scopes[own[0]].Name}
	for i, s := range c.scopes {
		if slices.ContainsFunc(own, func(j int) bool { return slices.Contains(c.gives[i], j) }) {
			o.by = append(o.by, s.Name)
		}
	}
	same[key] = o
	return o
}

// Missing names the scope that a call of the tool lacks, or "" where what is held
// opens it. The base is not looked at.
func (g *Gate) Missing(held []string, tool string) string {
	if g == nil {
		return ""
	}
	o := g.tools[tool]
	if o == nil {
		o = g.rest
	}
	if o == nil {
		return ""
	}
	for _, name := range held {
		if slices.Contains(o.by, name) {
			return ""
		}
	}
	return o.needs
}
