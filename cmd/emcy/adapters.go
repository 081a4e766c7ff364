package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage"
)

// The adapters satisfy what one package wants of another that it may not import.

// people lets end users sign in with console accounts.
type people struct{ accounts *accounts.Accounts }

func (p people) SignIn(ctx context.Context, email, password, from string) (flow.Person, error) {
	a, err := p.accounts.SignIn(ctx, email, password, from)
	return flow.Person{ID: a.ID, Name: a.Name, Email: a.Email}, err
}

func (p people) Person(ctx context.Context, id string) (flow.Person, error) {
	found, err := p.accounts.ByIDs(ctx, []string{id})
	if err != nil {
		return flow.Person{}, err
	}
	a, ok := found[id]
	if !ok {
		return flow.Person{}, errs.E(errs.NotFound, "This account is gone.", nil)
	}
	return flow.Person{ID: a.ID, Name: a.Name, Email: a.Email}, nil
}

func (p people) AccountOf(ctx context.Context, email string) (string, error) {
	a, err := p.accounts.ByEmail(ctx, email)
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	return a.ID, err
}

// resources shows the runtimes to the authorization server.
type resources struct{}

func (resources) ByID(tx *tenancy.Tx, id string) (flow.Resource, error) {
	n, err := upstreams.NameOf(tx, id)
	return flow.Resource(n), err
}

func (resources) All(tx *tenancy.Tx) ([]flow.Resource, error) {
	names, err := upstreams.Names(tx)
	out := make([]flow.Resource, len(names))
	for i, n := range names {
		out[i] = flow.Resource(n)
	}
	return out, err
}

// Tools grades each tool by what its runtime says of it.
func (resources) Tools(tx *tenancy.Tx, id string) ([]flow.Tool, error) {
	list, err := upstreams.ToolsOf(tx, id)
	if err != nil || list == nil {
		return nil, err
	}
	var out []flow.Tool
	for name, tool := range list.ByName {
		kind := flow.Change
		switch {
		case tool.Hints.ReadOnly():
			kind = flow.Read
		case tool.Hints.Destructive():
			kind = flow.Danger
		}
		out = append(out, flow.Tool{Name: name, Kind: kind})
	}
	slices.SortFunc(out, func(a, b flow.Tool) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// calls shows people what their apps did.
type calls struct{ log *usage.Log }

func (c calls) Recent(ctx context.Context, h tenancy.Handle, subject, clientID, upstreamID string, limit int) ([]server.Call, error) {
	events, err := c.log.Recent(ctx, h, subject, clientID, upstreamID, limit)
	out := make([]server.Call, len(events))
	for i, e := range events {
		out[i] = server.Call{At: e.At, Name: cmp.Or(e.Name, e.Method), Outcome: string(e.Outcome)}
	}
	return out, err
}

// connectFacts tells the console what the authorization server saw.
type connectFacts struct{ db *tenancy.DB }

func (c connectFacts) Allowed(ctx context.Context, h tenancy.Handle, upstreamID string) (n int, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		n, err = server.Allowed(tx, upstreamID)
		return err
	})
	return n, err
}

func (c connectFacts) ClientNames(ctx context.Context, h tenancy.Handle, clientIDs []string) (names map[string]string, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		names, err = server.ClientNames(tx, clientIDs)
		return err
	})
	return names, err
}
