package clients

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
)

// checkKeys holds what a client registers against the rules: an address that may be
// called, or public keys of a kind that is taken.
func checkKeys(c *outbound.Client, keys jsontext.Value, uri string) error {
	if uri != "" {
		if _, err := c.CheckURL(uri); err != nil {
			return errors.New("jwks_uri cannot be used")
		}
		return nil
	}
	if !present(keys) {
		return errors.New("jwks or jwks_uri is needed")
	}
	set, err := jwks.Parse(keys)
	switch {
	case err != nil:
		return errors.New("jwks is no set of public keys")
	case len(set) == 0:
		return errors.New("jwks has no key that can be used: P-256, RSA from 2048 bits, or Ed25519")
	}
	return nil
}

// signedBy checks an assertion's signature with the client's keys, registered or fetched,
// and reads its claims.
func (c *Clients) signedBy(ctx context.Context, r row, assertion *jwt.JSONWebToken, claims *jwt.Claims) error {
	var err error
	if r.JWKSURI != "" {
		err = c.keys.Verify(ctx, r.JWKSURI, assertion, claims)
	} else {
		set, parseErr := jwks.Parse([]byte(r.JWKS))
		if parseErr != nil {
			return fmt.Errorf("read keys of client %s: %w", r.ID, parseErr)
		}
		err = set.Verify(assertion, claims)
	}
	if _, out := errors.AsType[*outbound.Error](err); out {
		return errAssertion("the client's keys cannot be fetched")
	}
	if err != nil && ctx.Err() == nil {
		return errAssertion("no key of the client fits its signature")
	}
	return err
}
