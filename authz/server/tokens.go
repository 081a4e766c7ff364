package server

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"gorm.io/gorm"

	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Lifetimes.
const (
	CodeLife = 60 * time.Second
	// AccessLife is how long an access token lives. Claude Code refreshes five
	// minutes before the end, so less than ten minutes would make it refresh always.
	AccessLife  = time.Hour
	refreshIdle = 30 * 24 * time.Hour
	familyLife  = 90 * 24 * time.Hour
	// refreshGrace is how long a refresh token that was just used may be used again,
	// by a client whose reply was lost. It gets the same successor.
	refreshGrace = 10 * time.Second

	codePrefix    = "emc_ac"
	refreshPrefix = "emc_rt"
)

type familyRow struct {
	TenantID      string
	ID            string
	ClientID      string
	Subject       string
	UpstreamID    string
	Resource      string
	Scope         string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	RevokedAt     *time.Time
	RevokedReason string
}

func (familyRow) TableName() string { return "token_families" }

type codeRow struct {
	TenantID      string
	Hash          string
	FamilyID      string
	ClientID      string
	RedirectURI   string `gorm:"column:redirect_uri"`
	CodeChallenge string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	UsedAt        *time.Time
}

func (codeRow) TableName() string { return "codes" }

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

// invalidGrant is the one answer to every code or refresh token that does not
// work: which of the reasons it was is not the caller's to know.
func invalidGrant(description string) *oplib.Error {
	return &oplib.Error{Code: "invalid_grant", Description: description}
}

// IssueCode makes an authorization code and the token family that it will start.
func (s *Server) IssueCode(tx *tenancy.Tx, a flow.Approved) (string, error) {
	now := tx.Now()
	family := familyRow{
		TenantID: tx.Tenant(), ID: ids.New("fam"), ClientID: a.ClientID, Subject: a.Subject, UpstreamID: a.UpstreamID,
		Resource: a.Resource, Scope: a.Scope, CreatedAt: now, ExpiresAt: now.Add(familyLife),
	}
	if err := tx.DB().Create(&family).Error; err != nil {
		return "", fmt.Errorf("store token family: %w", err)
	}
	code := ids.Secret(codePrefix)
	row := codeRow{
		TenantID: tx.Tenant(), Hash: ids.Hash(code), FamilyID: family.ID, ClientID: a.ClientID, RedirectURI: a.RedirectURI,
		CodeChallenge: a.CodeChallenge, CreatedAt: now, ExpiresAt: now.Add(CodeLife),
	}
	if err := tx.DB().Create(&row).Error; err != nil {
		return "", fmt.Errorf("store code: %w", err)
	}
	return code, nil
}

// Code redeems a code once. Who is not the code's client learns nothing and uses
// nothing up; a second use by its own client ends what the first one gave (RFC
// 6749, section 4.1.2).
func (s *Server) Code(ctx context.Context, r oplib.CodeRequest) (tokens oplib.Tokens, err error) {
	req := requestFrom(ctx)
	var refused error
	err = s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
		tokens, refused, err = s.redeem(tx, req.issuer, r)
		return err
	})
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, fmt.Errorf("redeem code: %w", err))
	}
	return tokens, refused
}

// redeem keeps refusals apart from failures: a refusal commits (a code is burnt, a
// family revoked), a failure rolls back.
func (s *Server) redeem(tx *tenancy.Tx, issuer string, r oplib.CodeRequest) (_ oplib.Tokens, refused, err error) {
	var none oplib.Tokens
	bad := invalidGrant("The code is not valid, or was used already.")
	if !ids.ValidSecret(codePrefix, r.Code) {
		return none, bad, nil
	}
	var code codeRow
	err = tx.DB().Where("hash = ?", ids.Hash(r.Code)).First(&code).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return none, bad, nil
	}
	if err != nil {
		return none, nil, fmt.Errorf("read code: %w", err)
	}
	if code.ClientID != r.ClientID {
		return none, bad, wrongClient(tx, code.FamilyID, r.ClientID)
	}
	family, err := loadFamily(tx, code.FamilyID)
	if err != nil {
		return none, nil, err
	}
	if refused := checkResources(r.Resources, family.Resource); refused != nil {
		return none, refused, nil
	}
	now := tx.Now()
	res := tx.DB().Model(&codeRow{}).Where("hash = ? AND used_at IS NULL", code.Hash).Update("used_at", &now)
	if res.Error != nil {
		return none, nil, fmt.Errorf("use code: %w", res.Error)
	}
	switch {
	case res.RowsAffected == 0:
		return none, bad, s.revokeFamily(tx, family, "authorization code used twice")
	case now.After(code.ExpiresAt):
		return none, invalidGrant("The code has expired."), nil
	case code.RedirectURI != r.RedirectURI:
		return none, invalidGrant("redirect_uri is not the one of the authorization request."), nil
	case !verifyS256(code.CodeChallenge, r.CodeVerifier):
		return none, invalidGrant("code_verifier does not fit the code_challenge."), nil
	case family.RevokedAt != nil:
		return none, bad, nil
	}
	if ended, err := s.endIfVoid(tx, family); err != nil || ended {
		return none, bad, err
	}
	if err := tx.DB().Model(&clientRow{}).Where("id = ?", r.ClientID).Update("used_at", &now).Error; err != nil {
		return none, nil, fmt.Errorf("mark client used: %w", err)
	}
	tokens, err := s.issue(tx, issuer, family, 1)
	return tokens, nil, err
}

// Refresh rotates a refresh token.
func (s *Server) Refresh(ctx context.Context, r oplib.RefreshRequest) (tokens oplib.Tokens, err error) {
	req := requestFrom(ctx)
	var refused error
	err = s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
		tokens, refused, err = s.rotate(tx, req.issuer, r)
		return err
	})
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, fmt.Errorf("refresh: %w", err))
	}
	return tokens, refused
}

func (s *Server) rotate(tx *tenancy.Tx, issuer string, r oplib.RefreshRequest) (_ oplib.Tokens, refused, err error) {
	var none oplib.Tokens
	bad := invalidGrant("The refresh token is not valid any more. Sign in again.")
	if !ids.ValidSecret(refreshPrefix, r.RefreshToken) {
		return none, bad, nil
	}
	var token refreshRow
	err = tx.DB().Where("hash = ?", ids.Hash(r.RefreshToken)).First(&token).Error
	if errors.Is(err, gorm.ErrRecordNotFound) {
		return none, bad, nil
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
		return none, bad, wrongClient(tx, family.ID, r.ClientID)
	}
	if family.RevokedAt != nil || now.After(family.ExpiresAt) || now.After(token.ExpiresAt) {
		return none, bad, nil
	}
	if refused := checkResources(r.Resources, family.Resource); refused != nil {
		return none, refused, nil
	}
	if ended, err := s.endIfVoid(tx, family); err != nil || ended {
		return none, bad, err
	}
	res := tx.DB().Model(&refreshRow{}).Where("hash = ? AND used_at IS NULL", token.Hash).Update("used_at", &now)
	if res.Error != nil {
		return none, nil, fmt.Errorf("use refresh token: %w", res.Error)
	}
	if res.RowsAffected == 1 {
		tokens, err := s.issue(tx, issuer, family, token.Generation+1)
		return tokens, nil, err
	}
	return s.replay(tx, issuer, family, token.Hash)
}

// endIfVoid revokes a family whose person is no member any more, or whose runtime
// is gone: a new runtime of the same name is another one.
func (s *Server) endIfVoid(tx *tenancy.Tx, family familyRow) (ended bool, err error) {
	member, err := tx.IsMember(family.Subject)
	if err != nil {
		return false, fmt.Errorf("check membership: %w", err)
	}
	if !member {
		return true, s.revokeFamily(tx, family, "the person left the workspace")
	}
	_, err = s.resources.ByID(tx, family.UpstreamID)
	if errs.Is(err, errs.NotFound) || errors.Is(err, gorm.ErrRecordNotFound) {
		return true, s.revokeFamily(tx, family, "the runtime was removed")
	}
	if err != nil {
		return false, fmt.Errorf("check resource: %w", err)
	}
	return false, nil
}

// wrongClient records that a client presented what was issued to another one.
func wrongClient(tx *tenancy.Tx, familyID, clientID string) error {
	return audit.Record(tx, audit.Entry{
		Action: "token.wrong_client", TargetKind: "token_family", TargetID: familyID,
		After: map[string]string{"client_id": clientID},
	})
}

// replay answers a refresh token that was used before: within the grace, and as
// long as its successor is unused, with that same successor; later, it was stolen
// from one of two, and the family ends (RFC 9700, section 4.14.2).
func (s *Server) replay(tx *tenancy.Tx, issuer string, family familyRow, hash string) (_ oplib.Tokens, refused, err error) {
	// Read again: another request used it between the first read and the update.
	var token refreshRow
	if err := tx.DB().Where("hash = ?", hash).First(&token).Error; err != nil {
		return oplib.Tokens{}, nil, fmt.Errorf("read refresh token: %w", err)
	}
	var unused int64
	if err := tx.DB().Model(&refreshRow{}).Where("family_id = ? AND generation = ? AND used_at IS NULL", family.ID, token.Generation+1).Count(&unused).Error; err != nil {
		return oplib.Tokens{}, nil, fmt.Errorf("read successor: %w", err)
	}
	if unused == 1 && token.UsedAt != nil && tx.Now().Sub(*token.UsedAt) <= refreshGrace {
		tokens, err := s.mint(tx, issuer, family, token.Generation+1)
		return tokens, nil, err
	}
	refused = invalidGrant("The refresh token was used before. For safety the sign-in was ended; sign in again.")
	return oplib.Tokens{}, refused, s.revokeFamily(tx, family, "refresh token used again")
}

// issue stores the refresh token of a generation and mints the pair.
func (s *Server) issue(tx *tenancy.Tx, issuer string, family familyRow, generation int64) (oplib.Tokens, error) {
	tokens, err := s.mint(tx, issuer, family, generation)
	if err != nil {
		return oplib.Tokens{}, err
	}
	now := tx.Now()
	expires := now.Add(refreshIdle)
	if family.ExpiresAt.Before(expires) {
		expires = family.ExpiresAt
	}
	row := refreshRow{TenantID: tx.Tenant(), Hash: ids.Hash(tokens.RefreshToken), FamilyID: family.ID, Generation: generation, CreatedAt: now, ExpiresAt: expires}
	if err := tx.DB().Create(&row).Error; err != nil {
		return oplib.Tokens{}, fmt.Errorf("store refresh token: %w", err)
	}
	return tokens, nil
}

// mint makes the pair without storing it. The refresh token is derived from the
// family and the generation under the tenant's key, so that the grace can give the
// same one again though only its hash is stored.
func (s *Server) mint(tx *tenancy.Tx, issuer string, family familyRow, generation int64) (oplib.Tokens, error) {
	mac, err := tx.MAC("refresh-token", family.ID, fmt.Sprint(generation))
	if err != nil {
		return oplib.Tokens{}, err
	}
	access, err := s.accessToken(tx, issuer, family)
	if err != nil {
		return oplib.Tokens{}, err
	}
	return oplib.Tokens{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(AccessLife / time.Second),
		RefreshToken: ids.FromKey(refreshPrefix, mac), Scope: family.Scope,
	}, nil
}

// accessClaims are RFC 9068's, and the family, by which the edge knows a revoked one.
type accessClaims struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience string           `json:"aud"`
	ClientID string           `json:"client_id"`
	Scope    string           `json:"scope"`
	Family   string           `json:"fid"`
	ID       string           `json:"jti"`
	IssuedAt *jwt.NumericDate `json:"iat"`
	Expiry   *jwt.NumericDate `json:"exp"`
}

func (s *Server) accessToken(tx *tenancy.Tx, issuer string, family familyRow) (string, error) {
	keys, err := LoadKeys(tx)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: keys.Active, KeyID: keys.ActiveKID}},
		(&jose.SignerOptions{}).WithType("at+jwt"))
	if err != nil {
		return "", fmt.Errorf("prepare signer: %w", err)
	}
	now := tx.Now()
	token, err := jwt.Signed(signer).Claims(accessClaims{
		Issuer: issuer, Subject: family.Subject, Audience: family.Resource, ClientID: family.ClientID, Scope: family.Scope, Family: family.ID,
		ID: ids.New("at"), IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(AccessLife)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return token, nil
}

// Revoke ends the family of a token of the client's own (RFC 7009). Unknown
// tokens, and those of others, are answered alike.
func (s *Server) Revoke(ctx context.Context, clientID, token string) error {
	req := requestFrom(ctx)
	err := s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
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
	return nil
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

func loadFamily(tx *tenancy.Tx, id string) (familyRow, error) {
	var family familyRow
	if err := tx.DB().Where("id = ?", id).First(&family).Error; err != nil {
		return familyRow{}, fmt.Errorf("read token family: %w", err)
	}
	return family, nil
}

func (s *Server) revokeFamily(tx *tenancy.Tx, family familyRow, reason string) error {
	now := tx.Now()
	res := tx.DB().Model(&familyRow{}).Where("id = ? AND revoked_at IS NULL", family.ID).Updates(map[string]any{"revoked_at": &now, "revoked_reason": reason})
	if res.Error != nil {
		return fmt.Errorf("revoke token family: %w", res.Error)
	}
	if res.RowsAffected == 0 {
		return nil
	}
	tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
	return audit.Record(tx, audit.Entry{
		Action: "token.revoke", TargetKind: "token_family", TargetID: family.ID,
		After: map[string]string{"reason": reason, "client_id": family.ClientID, "subject": family.Subject},
	})
}

// RevokeUpstream ends everything that was issued for an upstream.
func (s *Server) RevokeUpstream(tx *tenancy.Tx, upstreamID, reason string) error {
	now := tx.Now()
	err := tx.DB().Model(&familyRow{}).Where("upstream_id = ? AND revoked_at IS NULL", upstreamID).
		Updates(map[string]any{"revoked_at": &now, "revoked_reason": reason}).Error
	if err != nil {
		return fmt.Errorf("revoke tokens of upstream: %w", err)
	}
	return nil
}

// Revoked lists the families that ended while their access tokens may still be
// unexpired, for the edge's snapshot.
func Revoked(tx *tenancy.Tx) ([]string, error) {
	var out []string
	err := tx.DB().Model(&familyRow{}).Where("revoked_at > ?", tx.Now().Add(-AccessLife-time.Minute)).Pluck("id", &out).Error
	if err != nil {
		return nil, fmt.Errorf("list revoked families: %w", err)
	}
	return out, nil
}

// checkResources compares the resource parameters (RFC 8707, section 2.2) with the
// one that was granted. Leaving it out is fine: some clients do on refresh.
func checkResources(requested []string, granted string) *oplib.Error {
	if len(requested) == 0 || len(requested) == 1 && sameResource(requested[0], granted) {
		return nil
	}
	return &oplib.Error{Code: "invalid_target", Description: "resource is not the one that was granted."}
}

// verifyS256 checks PKCE (RFC 7636, section 4.6).
func verifyS256(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}
