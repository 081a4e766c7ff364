package server

import (
	"context"
	"fmt"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

// Revoke ends the family of a token of the client's own (RFC 7009). Unknown
// tokens, and those of others, are answered alike.
func (s *Server) Revoke(ctx context.Context, clientID, token string) error {
	req := requestFrom(ctx)
	var refused error
	err := s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) (err error) {
		if refused, err = known(tx, clientID); err != nil || refused != nil {
			return err
		}
		familyID, err := s.familyOf(tx, req.issuer, token)
		if err != nil || familyID == "" {
			return err
		}
		family, err := loadFamily(tx, familyID)
		if err != nil {
			return err
		}
		if family.ClientID != clientID || family.RevokedAt != nil {
			return nil
		}
		return s.revokeFamily(tx, family, "revoked by the client")
	})
	if err != nil {
		return s.failure(ctx, fmt.Errorf("revoke: %w", err))
	}
	return refused
}

// familyOf finds the family of a refresh or access token; "" where it is neither.
func (s *Server) familyOf(tx *tenancy.Tx, issuer, token string) (string, error) {
	if ids.ValidSecret(refreshPrefix, token) {
		var rows []refreshRow
		if err := tx.DB().Where("hash = ?", ids.Hash(token)).Limit(1).Find(&rows).Error; err != nil || len(rows) == 0 {
			return "", err
		}
		return rows[0].FamilyID, nil
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", nil //nolint:nilerr // not a token of ours, which is no error (RFC 7009, section 2.2)
	}
	keys, err := LoadKeys(tx)
	if err != nil {
		return "", err
	}
	var claims accessClaims
	if err := parsed.Claims(jose.JSONWebKeySet{Keys: keys.Public}, &claims); err != nil || claims.Issuer != issuer {
		return "", nil //nolint:nilerr // as above
	}
	var n int64
	if err := tx.DB().Model(&familyRow{}).Where("id = ?", claims.Family).Count(&n).Error; err != nil || n == 0 {
		return "", err
	}
	return claims.Family, nil
}
