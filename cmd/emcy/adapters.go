package main

import (
	"context"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/web"
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

// connectFacts tells the console what the authorization server saw.
type connectFacts struct{ db *tenancy.DB }

func (c connectFacts) Progress(ctx context.Context, h tenancy.Handle, upstreamID string) (web.Progress, error) {
	var facts server.Facts
	err := c.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		facts, err = server.FactsOf(tx, upstreamID)
		return err
	})
	return web.Progress(facts), err
}

func (c connectFacts) ClientNames(ctx context.Context, h tenancy.Handle, clientIDs []string) (names map[string]string, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		names, err = server.ClientNames(tx, clientIDs)
		return err
	})
	return names, err
}
