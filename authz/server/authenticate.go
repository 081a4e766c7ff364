package server

import (
	"context"
	"slices"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/oplib"
)

// Client authenticates the client of a request. One that renews its tokens by its id
// alone is taken at its word, for a query less: Refresh asks the database what it may.
func (s *Server) Client(ctx context.Context, cr oplib.Credentials) (oplib.Client, error) {
	if cr.Path == oplib.TokenPath && cr.Grant == oplib.GrantRefresh && cr.Secret == "" && cr.Assertion == "" {
		return oplib.Client{ID: cr.ClientID, AuthMethod: clients.AuthNone, GrantTypes: []string{oplib.GrantRefresh}}, nil
	}
	return s.prove(ctx, cr)
}

// unproven checks a client that was taken at its word.
func (s *Server) unproven(ctx context.Context, clientID, grant string) error {
	c, err := s.prove(ctx, oplib.Credentials{ClientID: clientID, Path: oplib.TokenPath, Grant: grant})
	if err == nil && !slices.Contains(c.GrantTypes, grant) {
		err = &oplib.Error{Code: "unauthorized_client", Description: "This client is not registered for this grant type."}
	}
	return err
}

func (s *Server) prove(ctx context.Context, cr oplib.Credentials) (oplib.Client, error) {
	req := requestFrom(ctx)
	found, err := s.clients.Authenticate(ctx, req.handle, clients.Credentials{
		ClientID: cr.ClientID, Secret: cr.Secret, Assertion: cr.Assertion, AssertionType: cr.AssertionType, Basic: cr.Basic,
		Issuer: req.issuer, Endpoint: req.issuer + cr.Path,
		New: cr.Path == parPath || cr.Path == oplib.DeviceAuthorizationPath, // what a client calls first of all
	})
	if err != nil {
		return oplib.Client{}, s.failure(ctx, err)
	}
	method := found.AuthMethod
	if cr.Secret == "" && cr.Assertion == "" {
		method = clients.AuthNone
	}
	return oplib.Client{ID: found.ID, AuthMethod: method, GrantTypes: found.GrantTypes}, nil
}
