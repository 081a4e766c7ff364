package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

type codeRow struct {
	TenantID      string
	Hash          string
	FamilyID      string
	ClientID      string
	RedirectURI   string `gorm:"column:redirect_uri"`
	CodeChallenge string
	DPoPJKT       string `gorm:"column:dpop_jkt"`
	CreatedAt     time.Time
	ExpiresAt     time.Time
	UsedAt        *time.Time
}

func (codeRow) TableName() string { return "codes" }

// IssueCode makes an authorization code and the token family that it will start.
func (s *Server) IssueCode(tx *tenancy.Tx, a flow.Approved) (string, error) {
	now := tx.Now()
	family, err := newFamily(tx, a, originCode)
	if err != nil {
		return "", err
	}
	code := ids.Secret(codePrefix)
	row := codeRow{
		TenantID: tx.Tenant(), Hash: ids.Hash(code), FamilyID: family.ID, ClientID: a.ClientID, RedirectURI: a.RedirectURI,
		CodeChallenge: a.CodeChallenge, DPoPJKT: a.DPoPJKT, CreatedAt: now, ExpiresAt: now.Add(CodeLife),
	}
	if err := tx.DB().Create(&row).Error; err != nil {
		return "", fmt.Errorf("store code: %w", err)
	}
	return code, nil
}

// errCode is the answer to a code that is none, is used or is somebody else's.
var errCode = invalidGrant("The code is not valid, or was used already.")

// Code redeems a code once. Who is not the code's client learns nothing and uses
// nothing up; a second use by its own client ends what the first one gave (RFC
// 6749, section 4.1.2).
func (s *Server) Code(ctx context.Context, r oplib.CodeRequest) (tokens oplib.Tokens, err error) {
	req := requestFrom(ctx)
	if !ids.ValidSecret(codePrefix, r.Code) {
		return oplib.Tokens{}, s.refuse(ctx, r.ClientID, errCode)
	}
	proof, err := s.readProof(ctx, oplib.TokenPath, r.Proofs)
	if err != nil {
		return oplib.Tokens{}, err
	}
	var granted grant
	var refused error
	err = s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
		granted, refused, err = s.redeem(ctx, tx, r, proof)
		return err
	})
	if err == nil && refused == nil {
		tokens, err = granted.tokens(req.issuer)
	}
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, fmt.Errorf("redeem code: %w", err))
	}
	return tokens, refused
}

// redeem keeps refusals apart from failures: a refusal commits (a code is burnt, a
// family revoked), a failure rolls back.
func (s *Server) redeem(ctx context.Context, tx *tenancy.Tx, r oplib.CodeRequest, proof *dpop.Proof) (_ grant, refused, err error) {
	var none grant
	client, refused, err := known(tx, r.ClientID)
	if err != nil || refused != nil {
		return none, refused, err
	}
	var code codeRow
	err = tx.DB().Where("hash = ?", ids.Hash(r.Code)).First(&code).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return none, errCode, nil
	}
	if err != nil {
		return none, nil, fmt.Errorf("read code: %w", err)
	}
	if code.ClientID != r.ClientID {
		return none, errCode, wrongClient(tx, code.FamilyID, r.ClientID)
	}
	family, err := loadFamily(tx, code.FamilyID)
	if err != nil {
		return none, nil, err
	}
	if refused := checkResources(r.Resources, family.Resource); refused != nil {
		return none, refused, nil
	}
	set, err := settings.Load(tx)
	if err != nil {
		return none, nil, err
	}
	// Before the code is used: a client that is asked for a nonce comes again with it.
	jkt, refused, err := s.bind(ctx, tx, set, client, proof, code.DPoPJKT)
	if err != nil || refused != nil {
		return none, refused, err
	}
	now := tx.Now()
	res := tx.DB().Model(&codeRow{}).Where("hash = ? AND used_at IS NULL", code.Hash).Update("used_at", &now)
	if res.Error != nil {
		return none, nil, fmt.Errorf("use code: %w", res.Error)
	}
	switch {
	case res.RowsAffected == 0:
		return none, errCode, s.revokeFamily(tx, family, reasonCodeReused)
	case now.After(code.ExpiresAt):
		return none, invalidGrant("The code has expired."), nil
	case code.RedirectURI != r.RedirectURI:
		return none, invalidGrant("redirect_uri is not the one of the authorization request."), nil
	case !verifyS256(code.CodeChallenge, r.CodeVerifier):
		return none, invalidGrant("code_verifier does not fit the code_challenge."), nil
	case family.RevokedAt != nil:
		return none, errCode, nil
	}
	if ended, err := s.endIfVoid(tx, family); err != nil || ended {
		return none, errCode, err
	}
	if err := clients.MarkUsed(tx, r.ClientID); err != nil {
		return none, nil, err
	}
	if err := boundFamily(tx, &family, client, jkt); err != nil {
		return none, nil, fmt.Errorf("bind token family: %w", err)
	}
	granted, err := begin(tx, family)
	granted.jkt = jkt
	return granted, nil, err
}

// verifyS256 checks PKCE (RFC 7636, section 4.6).
func verifyS256(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}
