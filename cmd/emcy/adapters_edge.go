package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/connect"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jws"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// downstreams hands people's access to the edge.
type downstreams struct {
	db       *tenancy.DB
	source   *grants.Source
	connects *connect.Connects
	store    *snapshot.Store
}

func grantQuery(q edge.DownstreamQuery) grants.Query {
	return grants.Query{ProfileID: q.ProfileID, UpstreamID: q.UpstreamID, Subject: q.Subject, Scopes: q.Scopes, Audience: q.Audience}
}

func downstreamToken(c grants.Credential, err error) (edge.DownstreamToken, error) {
	if err != nil {
		return edge.DownstreamToken{}, needsConnect(err)
	}
	return edge.DownstreamToken{Value: c.Token, GrantID: c.GrantID, Generation: c.Generation}, nil
}

func (d downstreams) Token(ctx context.Context, q edge.DownstreamQuery) (edge.DownstreamToken, error) {
	return downstreamToken(d.source.Get(ctx, q.TenantID, grantQuery(q)))
}

func (d downstreams) Suspect(ctx context.Context, q edge.DownstreamQuery, refused edge.DownstreamToken) (edge.DownstreamToken, error) {
	return downstreamToken(d.source.Suspect(ctx, q.TenantID, grantQuery(q), grants.Credential{Token: refused.Value, GrantID: refused.GrantID, Generation: refused.Generation}))
}

func (d downstreams) Link(ctx context.Context, q edge.DownstreamQuery) (string, error) {
	tenant := d.store.Load().ByID(q.TenantID)
	if tenant == nil {
		return "", fmt.Errorf("make link: tenant %s is gone", q.TenantID)
	}
	h, err := d.db.ForJob(ctx, q.TenantID, "edge.link")
	if err != nil {
		return "", fmt.Errorf("make link: %w", err)
	}
	return d.connects.Link(ctx, h, connect.LinkFor{ProfileID: q.ProfileID, UpstreamID: q.UpstreamID, Subject: q.Subject, ClientID: q.Client, Scopes: q.Scopes}, tenant.Issuer)
}

// needsConnect tells what the person can mend from what is a fault.
func needsConnect(err error) error {
	ended := errs.Is(err, errs.DownstreamRejected)
	if !ended && !errs.Is(err, errs.NeedsConsent) {
		return err
	}
	out := &edge.NeedsConnect{Reason: edge.NotConnected}
	if ended {
		out.Reason = edge.Ended
	}
	missing, ok := errors.AsType[*grants.Missing](err)
	if !ok {
		return out
	}
	out.Profile = missing.Profile
	if !ended && len(missing.Need) > 0 && missing.State != grants.StateNone && missing.State != grants.StateRevoked {
		out.Reason = edge.MoreScopes
		for _, scope := range missing.Need {
			if !authz.Scopes(missing.Have).Covers([]string{scope}) {
				out.Scopes = append(out.Scopes, scope)
			}
		}
	}
	return out
}

// checkSubject is whom the assertions of probes and checks speak of: nobody.
const checkSubject = "emcy-gateway-check"

// workerAssertions signs what the edge would send to a runtime that takes no secret.
type workerAssertions struct{}

func (workerAssertions) Assertion(tx *tenancy.Tx, audience string) (good, foreign string, err error) {
	set, err := keys.LoadAll(tx)
	if err != nil {
		return "", "", err
	}
	t, err := workspaces.Load(tx)
	if err == nil && len(t.Origins) == 0 {
		err = fmt.Errorf("workspace %s has no origin", t.ID)
	}
	if err != nil {
		return "", "", err
	}
	now := tx.Now()
	claims, err := json.Marshal(map[string]any{
		"iss": t.Origins[0], "sub": checkSubject, "aud": audience, "client_id": checkSubject, "scope": authz.ScopeMCP,
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(), "jti": ids.New("as"),
	})
	if err != nil {
		return "", "", fmt.Errorf("encode assertion: %w", err)
	}
	own, err := set.Active.JWS("JWT")
	if err != nil {
		return "", "", err
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make a foreign key: %w", err)
	}
	theirs, err := jws.New(stranger, set.Active.KID, "JWT") // it claims to be ours
	if err != nil {
		return "", "", err
	}
	if good, err = own.Sign(claims); err != nil {
		return "", "", err
	}
	foreign, err = theirs.Sign(claims)
	return good, foreign, err
}
