package scopes

import (
	"context"
	"fmt"
	"slices"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// Tool is a tool that a runtime lists, with the runtime's own words about it.
type Tool struct {
	Name                  string
	ReadOnly, Destructive bool
}

// templates are the scopes that tools are sorted into by their hints. Each includes
// the one before, and the last one also opens what the runtime gets later: a tool
// that nobody has looked at needs the most.
var templates = []Input{
	{Name: "read", Title: "Read", Description: "Look things up. These tools say that they change nothing.", Initial: true},
	{Name: "write", Title: "Add and change", Description: "Create and change things. These tools say that they destroy nothing.", Includes: authz.Scopes{"read"}, Initial: true},
	{Name: "danger", Title: "Delete and overwrite", Description: "Everything else, also what cannot be undone, and what is added later.", Includes: authz.Scopes{"write"}},
}

// Group is a scope and the tools that it gets.
type Group struct {
	Scope Input
	Tools []string
}

// Sort says which of the scopes read, write and danger each tool goes to.
func Sort(tools []Tool) []Group {
	out := make([]Group, len(templates))
	for i, template := range templates {
		out[i].Scope = template
	}
	for _, t := range tools {
		i := 1
		switch {
		case t.ReadOnly:
			i = 0
		case t.Destructive:
			i = 2
		}
		out[i].Tools = append(out[i].Tools, t.Name)
	}
	return out
}

// FromHints sorts the tools of a runtime into the scopes read, write and danger by what
// the runtime says of each, and makes those scopes where they are not there. What these
// opened at the runtime before is replaced; other scopes and other runtimes stay.
// Errors: Invalid where there is no tool.
func (s *Scopes) FromHints(ctx context.Context, h tenancy.Handle, upstreamID string, tools []Tool) error {
	if len(tools) == 0 {
		return errs.E(errs.Invalid, "The runtime lists no tools yet. Probe it first.", nil)
	}
	groups := Sort(tools)
	groups[len(groups)-1].Tools = append(groups[len(groups)-1].Tools, authz.AnyTool)
	err := s.change(ctx, h, func(tx *tenancy.Tx, all []authz.Scope) error {
		if err := exists(tx, upstreamID); err != nil {
			return err
		}
		for _, g := range groups {
			if err := fill(tx, all, g.Scope, upstreamID, g.Tools); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make scopes from hints: %w", err)
	}
	return nil
}

func fill(tx *tenancy.Tx, all []authz.Scope, template Input, upstreamID string, tools []string) error {
	slices.Sort(tools)
	tools = slices.Compact(tools)
	if err := checkTools(tools); err != nil {
		return err
	}
	var before []string
	if i := slices.IndexFunc(all, func(o authz.Scope) bool { return o.Name == template.Name }); i >= 0 {
		before = at(all[i], upstreamID)
	} else {
		if len(all)+len(templates) > maxScopes {
			return errs.E(errs.Invalid, fmt.Sprintf("A workspace holds at most %d scopes.", maxScopes), nil)
		}
		position, err := behind(tx)
		if err != nil {
			return err
		}
		made := template.scope(nil)
		if err := create(tx, made, position); err != nil {
			return err
		}
		if err := record(tx, "scope.create", made.Name, nil, shown(made)); err != nil {
			return err
		}
	}
	if err := putTools(tx, template.Name, upstreamID, tools); err != nil {
		return err
	}
	return record(tx, "scope.tools", template.Name, toolsShown(upstreamID, before), toolsShown(upstreamID, tools))
}
