package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// grantNotices hands what grants tell of to the alerts.
type grantNotices struct{ notify *notify.Notify }

func (n grantNotices) Record(tx *tenancy.Tx, x grants.Notice) error {
	return n.notify.Record(tx, notify.Notification{Event: notify.Event(x.Event), Subject: x.Subject, GroupKey: x.GroupKey, Data: x.Data, Users: x.Users})
}

// assertionLife is how long an assertion for a provider can be used.
const assertionLife = time.Minute

// assertions signs what providers take for a subject, with the tenant's own key.
type assertions struct{ db *tenancy.DB }

func (a assertions) Assertion(ctx context.Context, h tenancy.Handle, subject, audience string) (secret.Text, error) {
	var set keys.Set
	var issuer string
	err := a.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if set, err = keys.LoadAll(tx); err != nil {
			return err
		}
		t, err := workspaces.Load(tx)
		if err == nil && len(t.Origins) == 0 {
			err = fmt.Errorf("workspace %s has no origin", t.ID)
		}
		if err == nil {
			issuer = t.Origins[0]
		}
		return err
	})
	if err != nil {
		return secret.Text{}, fmt.Errorf("read signing key: %w", err)
	}
	signer, err := set.Active.JWS("JWT")
	if err != nil {
		return secret.Text{}, err
	}
	now := a.db.Clock().Now()
	claims, err := json.Marshal(map[string]any{
		"iss": issuer, "sub": subject, "aud": audience, "iat": now.Unix(), "exp": now.Add(assertionLife).Unix(), "jti": ids.New("ast"),
	})
	if err != nil {
		return secret.Text{}, fmt.Errorf("encode assertion: %w", err)
	}
	signed, err := signer.Sign(claims)
	return secret.New(signed), err
}

// newGrants makes the service that keeps downstream grants. It is stopped after
// everything that is started later.
func (g *gateway) newGrants(queue *jobs.Queue, alerts *notify.Notify, client *outbound.Client) (*grants.Service, *provider.Provider, error) {
	speaks := provider.New(client, jwks.New(client, g.db.Clock()), g.db.Clock())
	service, err := grants.New(grants.Config{
		DB: g.db, Provider: speaks, Signer: assertions{g.db}, Queue: queue, Notify: grantNotices{alerts}, Log: g.log,
	})
	if err != nil {
		return nil, nil, err
	}
	g.onStop(service.Stop)
	return service, speaks, nil
}
