package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

type refreshRow struct {
	TenantID   string
	Hash       string
	FamilyID   string
	Generation int64
	CreatedAt  time.Time
	ExpiresAt  time.Time
	UsedAt     *time.Time
}

func (refreshRow) TableName() string { return "refresh_tokens" }

// errRefresh is the answer to a refresh token that is none, is over or is somebody
// else's.
var errRefresh = invalidGrant("The refresh token is not valid any more. Sign in again.")

// Refresh rotates a refresh token. The ordinary ones of a moment share a
// transaction; whatever is not ordinary has one of its own.
func (s *Server) Refresh(ctx context.Context, r oplib.RefreshRequest) (tokens oplib.Tokens, err error) {
	req := requestFrom(ctx)
	if !ids.ValidSecret(refreshPrefix, r.RefreshToken) {
		return oplib.Tokens{}, s.refuseRefresh(ctx, r)
	}
	proof, err := s.readProof(ctx, oplib.TokenPath, r.Proofs)
	if err != nil {
		return oplib.Tokens{}, err
	}
	var granted grant
	var refused error
	var done bool
	if proof == nil {
		granted, done, err = s.rotations.take(ctx, s, req.handle, r)
	}
	if err == nil && !done && r.Unproven {
		if err := s.unproven(ctx, r.ClientID, oplib.GrantRefresh); err != nil {
			return oplib.Tokens{}, err
		}
	}
	if err == nil && !done {
		err = s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
			granted, refused, err = s.rotate(ctx, tx, r, proof)
			return err
		})
	}
	if err == nil && refused == nil {
		tokens, err = granted.tokens(req.issuer)
	}
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, fmt.Errorf("refresh: %w", err))
	}
	return tokens, refused
}

// refuseRefresh answers what is no secret of ours: the client is told first where it
// is refused itself.
func (s *Server) refuseRefresh(ctx context.Context, r oplib.RefreshRequest) error {
	if r.Unproven {
		if err := s.unproven(ctx, r.ClientID, oplib.GrantRefresh); err != nil {
			return err
		}
	}
	return errRefresh
}

// rotate judges one refresh token: every case there is.
func (s *Server) rotate(ctx context.Context, tx *tenancy.Tx, r oplib.RefreshRequest, proof *dpop.Proof) (_ grant, refused, err error) {
	var none grant
	client, refused, err := known(tx, r.ClientID)
	if err != nil || refused != nil {
		return none, refused, err
	}
	var token refreshRow
	err = tx.DB().Where("hash = ?", ids.Hash(r.RefreshToken)).First(&token).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return none, errRefresh, nil
	}
	if err != nil {
		return none, nil, fmt.Errorf("read refresh token: %w", err)
	}
	family, err := loadFamily(tx, token.FamilyID)
	if err != nil {
		return none, nil, err
	}
	now := tx.Now()
	if family.ClientID != r.ClientID {
		return none, errRefresh, wrongClient(tx, family.ID, r.ClientID)
	}
	if family.RevokedAt != nil || now.After(family.ExpiresAt) || now.After(token.ExpiresAt) {
		return none, errRefresh, nil
	}
	if refused := checkResources(r.Resources, family.Resource); refused != nil {
		return none, refused, nil
	}
	if ended, err := s.endIfVoid(tx, family); err != nil || ended {
		return none, errRefresh, err
	}
	set, err := settings.Load(tx)
	if err != nil {
		return none, nil, err
	}
	jkt, refused, err := s.bind(ctx, tx, set, client, proof, family.DPoPJKT)
	if err != nil || refused != nil {
		return none, refused, err
	}
	if err := boundFamily(tx, &family, client, jkt); err != nil {
		return none, nil, fmt.Errorf("bind token family: %w", err)
	}
	res := tx.DB().Model(&refreshRow{}).Where("hash = ? AND used_at IS NULL", token.Hash).Update("used_at", &now)
	if res.Error != nil {
		return none, nil, fmt.Errorf("use refresh token: %w", res.Error)
	}
	if res.RowsAffected == 1 {
		granted, err := succeed(tx, family, token.Hash, token.Generation+1)
		granted.jkt = jkt
		return granted, nil, err
	}
	granted, refused, err := s.replay(tx, family, token.Hash)
	granted.jkt = jkt
	return granted, refused, err
}

// replay answers a refresh token that was used before: within the grace, and as
// long as its successor is unused, with that same successor; later, it was stolen
// from one of two, and the family ends (RFC 9700, section 4.14.2).
func (s *Server) replay(tx *tenancy.Tx, family familyRow, hash string) (_ grant, refused, err error) {
	// Read again: another request used it between the first read and the update.
	var token refreshRow
	if err := tx.DB().Where("hash = ?", hash).First(&token).Error; err != nil {
		return grant{}, nil, fmt.Errorf("read refresh token: %w", err)
	}
	mac, err := tx.MAC(labelSuccessor, hash)
	if err != nil {
		return grant{}, nil, err
	}
	granted, err := prepare(tx, family, mac)
	if err != nil {
		return grant{}, nil, err
	}
	var unused int64
	if err := tx.DB().Model(&refreshRow{}).Where("hash = ? AND used_at IS NULL", ids.Hash(granted.refresh)).Count(&unused).Error; err != nil {
		return grant{}, nil, fmt.Errorf("read successor: %w", err)
	}
	if unused == 1 && token.UsedAt != nil && tx.Now().Sub(*token.UsedAt) <= refreshGrace {
		return granted, nil, nil
	}
	refused = invalidGrant("The refresh token was used before. For safety the sign-in was ended; sign in again.")
	return grant{}, refused, s.revokeFamily(tx, family, reasonRefreshReused)
}
