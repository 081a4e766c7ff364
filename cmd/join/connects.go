package join

import (
	"context"
	"errors"
	"time"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/grants/connect"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/tenancy"
)

// Connects lets the authorization server's pages connect people's accounts.
type Connects struct {
	Connect  *connect.Connects
	Profiles *profiles.Profiles
}

var _ server.Connects = Connects{}

// Missing is the package's own.
func (c Connects) Missing(tx *tenancy.Tx, subject, upstreamID string) (bool, error) {
	return c.Connect.Missing(tx, subject, upstreamID)
}

// SignIn is the package's own.
func (c Connects) SignIn(tx *tenancy.Tx, upstreamID string) (string, error) {
	return c.Connect.SignIn(tx, upstreamID)
}

// Known is somebody who signed in at a profile's provider.
func (c Connects) Known(tx *tenancy.Tx, id string) (flow.Person, string, error) {
	u, err := c.Connect.Known(tx, id)
	return flow.Person{ID: u.ID, Name: u.Name, Email: u.Email}, u.ProfileID, err
}

// SignIns are the profiles whose providers sign people in.
func (c Connects) SignIns(tx *tenancy.Tx) ([]server.SignInProfile, error) {
	list, err := connect.SignIns(tx)
	out := make([]server.SignInProfile, len(list))
	for i, p := range list {
		out[i] = server.SignInProfile{ID: p.ID, Name: p.Name}
	}
	return out, err
}

// Card is what a person connects, in words.
func (c Connects) Card(ctx context.Context, h tenancy.Handle, q server.CardQuery) (server.ConnectCard, error) {
	card, err := c.Connect.Card(ctx, h, connect.Query(q))
	if err != nil {
		return server.ConnectCard{}, refusal(err)
	}
	p := card.Profile
	return server.ConnectCard{
		ProfileID: p.ID, Name: p.Name, Host: card.Host, Authorization: card.Authorization, SignIn: p.SignIn, Missing: card.Missing,
		Key: p.Kind == profiles.KindAPIKey, KeyLabel: p.Settings.APIKey.Label, KeyHelp: p.Settings.APIKey.Help,
		Account: card.Grant.AccountName, State: string(card.Grant.State), Reason: card.Grant.ReasonText, Scopes: scopesOf(card.Scopes),
	}, nil
}

// Begin gives the provider's address.
func (c Connects) Begin(ctx context.Context, h tenancy.Handle, s server.ConnectStart) (string, error) {
	purpose := connect.ForConnect
	switch {
	case s.SignIn:
		purpose = connect.ForSignIn
	case s.Trial != "":
		purpose = connect.ForTrial
	}
	address, err := c.Connect.Begin(ctx, h, connect.Start{
		Purpose: purpose, ProfileID: s.ProfileID, UpstreamID: s.UpstreamID, Subject: s.Subject, Attempt: s.Attempt, LinkHash: s.LinkHash,
		Trial: s.Trial, Browser: s.Browser, Origin: s.Origin,
	})
	return address, refusal(err)
}

// Finish takes the provider's answer.
func (c Connects) Finish(ctx context.Context, h tenancy.Handle, a server.ConnectAnswer) (server.ConnectResult, error) {
	r, err := c.Connect.Finish(ctx, h, connect.Answer{ProfileID: a.ProfileID, Query: a.Query, Browser: a.Browser, Origin: a.Origin, Person: connect.Person(a.Person)})
	if err != nil {
		return server.ConnectResult{}, refusal(err)
	}
	out := server.ConnectResult{ProfileID: r.Profile.ID, Profile: r.Profile.Name, Subject: r.Subject, Attempt: r.Attempt}
	if r.Trial != nil {
		out.Trial = &server.ConnectTrial{Scopes: r.Trial.Scopes, Refused: r.Trial.Refused, Warnings: r.Trial.Warnings}
		for _, f := range r.Trial.Facts {
			out.Trial.Facts = append(out.Trial.Facts, server.TrialLine(f))
		}
		for _, claim := range r.Trial.Claims {
			out.Trial.Claims = append(out.Trial.Claims, server.TrialLine(claim))
		}
	}
	return out, nil
}

// SaveKey checks and keeps an API key.
func (c Connects) SaveKey(ctx context.Context, h tenancy.Handle, e server.KeyEntry) error {
	return refusal(c.Connect.SaveKey(ctx, h, connect.KeyEntry(e)))
}

// LinkHash is the package's own.
func (c Connects) LinkHash(token string) string { return connect.LinkHash(token) }

// OpenLink reads a link.
func (c Connects) OpenLink(ctx context.Context, h tenancy.Handle, hash string) (server.ConnectLink, error) {
	link, err := c.Connect.OpenLink(ctx, h, hash)
	return server.ConnectLink(link), refusal(err)
}

// Mine lists what a person has connected.
func (c Connects) Mine(ctx context.Context, h tenancy.Handle, subject string) ([]server.Connection, error) {
	list, err := c.Connect.Mine(ctx, h, subject)
	out := make([]server.Connection, len(list))
	for i, m := range list {
		g := m.Grant
		out[i] = server.Connection{
			ProfileID: m.Profile.ID, Profile: m.Profile.Name, Account: g.AccountName, State: string(g.State), Reason: g.ReasonText,
			Key: m.Profile.Kind == profiles.KindAPIKey, Scopes: scopesOf(m.Scopes), ConnectedAt: g.ConnectedAt, NextAt: moment(g.RefreshDueAt), UsedAt: moment(g.UsedAt),
		}
	}
	return out, err
}

// Disconnect ends a connection.
func (c Connects) Disconnect(ctx context.Context, h tenancy.Handle, subject, profileID string) error {
	return c.Connect.Disconnect(ctx, h, subject, profileID)
}

// ClientDocument is our client metadata document for a profile.
func (c Connects) ClientDocument(ctx context.Context, h tenancy.Handle, origin, profileID string) ([]byte, error) {
	return c.Profiles.Document(ctx, h, origin, profileID)
}

// ClientKeys are the public keys of that client.
func (c Connects) ClientKeys(ctx context.Context, h tenancy.Handle, profileID string) ([]byte, error) {
	return c.Profiles.JWKS(ctx, h, profileID)
}

// refusal gives a refusal in the server's own type.
func refusal(err error) error {
	r, ok := errors.AsType[*connect.Refused](err)
	if !ok {
		return err
	}
	return &server.ConnectRefused{Code: r.Code, Status: r.Status, Title: r.Title, Text: r.Text, Cure: r.Cure, Expected: r.Expected, Got: r.Got, Provider: r.Provider, Cause: errors.Unwrap(r)}
}

func scopesOf(list []connect.Scope) []server.ConnectScope {
	out := make([]server.ConnectScope, len(list))
	for i, s := range list {
		out[i] = server.ConnectScope(s)
	}
	return out
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
