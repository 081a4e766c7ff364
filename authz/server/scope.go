package server

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/tenancy"
)

// asked is what a person will be asked for: what the client asked for, as far as it is
// known at the runtime and within the client's ceiling. Excess falls away without an
// error, and the token response says what was granted (RFC 6749, section 3.3).
func (s *Server) asked(ctx context.Context, h tenancy.Handle, clientID, upstreamID, requested string) (authz.Scopes, error) {
	var out authz.Scopes
	err := s.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		client, ok, err := clients.Load(tx, clientID)
		if err != nil {
			return err
		}
		if !ok {
			return errUnknownClient
		}
		catalogue, err := scopes.Load(tx)
		if err != nil {
			return err
		}
		out = catalogue.At(upstreamID).Narrow(authz.ParseScopes(requested), client.Scope)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("narrow scope: %w", err)
	}
	return out, nil
}
