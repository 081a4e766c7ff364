package server

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/tenancy"
)

// servicePrefix sets the subjects of clients apart from people's, whom no client can
// choose to be (RFC 9700, section 4.15).
const servicePrefix = "client:"

// ClientCredentials gives a service client a token of its own (RFC 6749, section 4.4).
// It gets no refresh token: it can ask again.
func (s *Server) ClientCredentials(ctx context.Context, r oplib.ClientCredentialsRequest) (tokens oplib.Tokens, err error) {
	req := requestFrom(ctx)
	resource, target, err := s.target(ctx, req, r.Resources)
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, err)
	}
	proof, err := s.readProof(ctx, oplib.TokenPath, r.Proofs)
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, err)
	}
	var granted grant
	var refused error
	err = s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
		to, no, err := readGrantee(tx, r.ClientID, oplib.GrantClientCredentials)
		if refused = no; err != nil || refused != nil {
			return err
		}
		jkt, no, err := s.bind(ctx, tx, to.set, to.client, proof, "")
		if refused = no; err != nil || refused != nil {
			return err
		}
		scope, err := narrowed(tx, resource, authz.ParseScopes(r.Scope), nil, to.client.Scope)
		if err != nil {
			return err
		}
		granted, err = giveOnce(tx, to, familyRow{
			Subject: servicePrefix + r.ClientID, UpstreamID: resource.ID, Resource: target, Scope: scope.String(), Origin: originClientCredentials, TraceID: trace.ID(ctx),
		}, jkt)
		return err
	})
	if err == nil && refused == nil {
		tokens, err = granted.tokens(req.issuer)
	}
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, fmt.Errorf("client credentials: %w", err))
	}
	return tokens, refused
}

// narrowed cuts a request down to what is known at the runtime, within what an issuer
// allowed (nil: all) and within the client's ceiling. There is no refresh token to stay
// away with, so offline_access is not granted.
func narrowed(tx *tenancy.Tx, resource flow.Resource, asked, allowed, ceiling authz.Scopes) (authz.Scopes, error) {
	catalogue, err := scopes.Load(tx)
	if err != nil {
		return nil, err
	}
	here := catalogue.At(resource.ID)
	if len(asked) == 0 {
		asked = allowed
	}
	out := here.Keep(here.Narrow(asked, allowed), ceiling)
	var kept authz.Scopes
	for _, scope := range out {
		if scope != authz.ScopeOffline {
			kept = append(kept, scope)
		}
	}
	return kept, nil
}
