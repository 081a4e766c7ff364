package server

import (
	"context"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Revoke ends the family of a token of the client's own (RFC 7009). Unknown
// tokens, and those of others, are answered alike.
func (s *Server) Revoke(ctx context.Context, clientID, token string) error {
	req := requestFrom(ctx)
	var refused error
	err := s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) (err error) {
		if _, refused, err = known(tx, clientID); err != nil || refused != nil {
			return err
		}
		p, err := readToken(tx, req.issuer, token)
		if err != nil {
			return err
		}
		var families []familyRow
		if err := tx.DB().Where("id = ?", p.family).Limit(1).Find(&families).Error; err != nil {
			return fmt.Errorf("read token family: %w", err)
		}
		if len(families) == 0 || families[0].ClientID != clientID || families[0].RevokedAt != nil {
			return nil
		}
		return s.revokeFamily(tx, families[0], "revoked by the client")
	})
	if err != nil {
		return s.failure(ctx, fmt.Errorf("revoke: %w", err))
	}
	return refused
}

// readToken reads a refresh or access token of the tenant's. What is neither is no
// error (RFC 7009, section 2.2).
func readToken(tx *tenancy.Tx, issuer, token string) (presented, error) {
	if ids.ValidSecret(refreshPrefix, token) {
		var rows []refreshRow
		if err := tx.DB().Where("hash = ?", ids.Hash(token)).Limit(1).Find(&rows).Error; err != nil {
			return presented{}, fmt.Errorf("read refresh token: %w", err)
		}
		if len(rows) == 0 {
			return presented{}, nil
		}
		return presented{family: rows[0].FamilyID, spent: rows[0].UsedAt != nil, issued: rows[0].CreatedAt, expires: rows[0].ExpiresAt}, nil
	}
	set, err := keys.LoadAll(tx)
	if err != nil {
		return presented{}, err
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256, jose.RS256})
	if err != nil || parsed.Headers[0].ExtraHeaders[jose.HeaderType] != accessType {
		return presented{}, nil //nolint:nilerr // as above
	}
	key, ok := set.Find(parsed.Headers[0].KeyID)
	if !ok || key.Algorithm != parsed.Headers[0].Algorithm {
		return presented{}, nil
	}
	var claims accessClaims
	if err := parsed.Claims(key.Key, &claims); err != nil || claims.Issuer != issuer || claims.Expiry == nil || claims.IssuedAt == nil {
		return presented{}, nil //nolint:nilerr // as above
	}
	return presented{family: claims.Family, issued: claims.IssuedAt.Time(), expires: claims.Expiry.Time(), claims: claims}, nil
}
