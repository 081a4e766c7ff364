package connect

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// Connection is an account that a person has connected.
type Connection struct {
	Profile profiles.Profile
	Grant   grants.Grant
	Scopes  []Scope
}

// Mine lists what a person has connected.
func (c *Connects) Mine(ctx context.Context, h tenancy.Handle, subject string) (out []Connection, err error) {
	err = c.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		list, err := grants.ForSubject(tx, subject)
		if err != nil {
			return err
		}
		for _, g := range list {
			p, err := profiles.Get(tx, g.ProfileID)
			if err != nil {
				return err
			}
			one := Connection{Profile: p, Grant: g}
			for _, name := range g.Scopes {
				one.Scopes = append(one.Scopes, Scope{Name: name, Text: p.Settings.ScopeText[name], Have: lives(g)})
			}
			out = append(out, one)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	return out, nil
}

// Disconnect ends a person's connection, here at once and at the provider by a job.
// Errors: errs.NotFound.
func (c *Connects) Disconnect(ctx context.Context, h tenancy.Handle, subject, profileID string) error {
	var g grants.Grant
	err := c.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if !profiles.ValidID(profileID) {
			return nil
		}
		g, err = grantOf(tx, profileID, subject)
		return err
	})
	if err == nil && g.ID == "" {
		err = errs.E(errs.NotFound, "You have no such connection.", nil)
	}
	if err == nil {
		err = c.grants.Disconnect(ctx, h.As("end_user", subject), subject, g.ID)
	}
	if err != nil {
		return fmt.Errorf("disconnect: %w", err)
	}
	return nil
}
