package jwks

import (
	"context"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// KeySet is the set at one address, in the shape that the OpenID library verifies ID
// tokens with. The library's own one has no cap on keys and asks again at every unknown
// key id.
type KeySet struct {
	cache   *Cache
	address string
}

// At is the set at an address. Nothing is fetched until it is used.
func (c *Cache) At(address string) KeySet { return KeySet{c, address} }

// VerifySignature implements oidc.KeySet. The algorithm has passed the library's list.
func (s KeySet) VerifySignature(ctx context.Context, jws *jose.JSONWebSignature) ([]byte, error) {
	compact, err := jws.CompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("read ID token: %w", err)
	}
	token, err := jwt.ParseSigned(compact, Algorithms)
	if err != nil {
		return nil, fmt.Errorf("read ID token: %w", err)
	}
	if err := s.cache.Verify(ctx, s.address, token); err != nil {
		return nil, err
	}
	return jws.UnsafePayloadWithoutVerification(), nil // it was verified in the line above
}
