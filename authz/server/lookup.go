package server

import (
	"fmt"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// lookup reads what attempts refer to.
type lookup struct{ s *Server }

func (l lookup) Client(tx *tenancy.Tx, id string) (flow.Client, error) {
	c, ok, err := clients.Load(tx, id)
	if err == nil && !ok {
		err = errs.E(errs.NotFound, "The app's registration is gone.", nil)
	}
	out := flow.Client{
		ID: c.ID, Name: c.Name, Kind: string(c.Kind), Impersonates: c.Impersonates, Host: c.Host, FetchedAt: c.FetchedAt, CreatedAt: c.CreatedAt, Ceiling: c.Scope, RedirectURIs: c.RedirectURIs,
		Held: c.Status == clients.Held, Blocked: c.Status == clients.Blocked,
	}
	if c.Known != nil {
		out.Verified = c.Known.Name
	}
	return out, err
}

func (l lookup) Resource(tx *tenancy.Tx, id string) (flow.Resource, error) {
	return l.s.resources.ByID(tx, id)
}

// Scopes says what each scope opens at the runtime.
func (l lookup) Scopes(tx *tenancy.Tx, r flow.Resource, asked authz.Scopes) ([]flow.Scope, error) {
	tools, err := l.s.resources.Tools(tx, r.ID)
	if err != nil {
		return nil, fmt.Errorf("list tools: %w", err)
	}
	catalogue, err := scopes.Load(tx)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(tools))
	kinds := make(map[string]flow.ToolKind, len(tools))
	for i, t := range tools {
		names[i], kinds[t.Name] = t.Name, t.Kind
	}
	described := scopes.Describe(catalogue, r.ID, asked, names)
	out := make([]flow.Scope, len(described))
	for i, d := range described {
		out[i] = flow.Scope{ID: d.Name, Title: d.Title, Text: d.Description}
		if d.Name == authz.ScopeMCP {
			out[i].Title, out[i].Text = "Use "+r.Name+" as you", "Read what it offers and call its tools."
			if len(described) > 1 || len(d.Tools) < len(names) {
				out[i].Text = "Read what it offers, and call the tools that need no permission of their own."
			}
		}
		for _, name := range d.Tools {
			out[i].Tools = append(out[i].Tools, flow.Tool{Name: name, Kind: kinds[name]})
		}
	}
	return out, nil
}
