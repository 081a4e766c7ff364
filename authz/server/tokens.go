package server

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jws"
	"github.com/emcy/gateway/tenancy"
)

// Lifetimes that no tenant chooses.
const (
	CodeLife = 60 * time.Second
	// outlived is when no access token of a family that was ended can be alive, by any
	// node's clock, whatever its tenant's settings were then.
	outlived = settings.LongestAccess + 5*time.Minute
	// refreshGrace is how long a refresh token that was just used may be used again,
	// by a client whose reply was lost. It gets the same successor.
	refreshGrace = 10 * time.Second

	codePrefix    = "emc_ac"
	refreshPrefix = "emc_rt"

	accessType = "at+jwt" // RFC 9068, section 2.1
)

// invalidGrant is the one answer to every code or refresh token that does not
// work: which of the reasons it was is not the caller's to know.
func invalidGrant(description string) *oplib.Error {
	return &oplib.Error{Code: "invalid_grant", Description: description}
}

// grant is what a transaction decided to give. The access token is signed when the
// transaction is over: others wait for it meanwhile.
type grant struct {
	family familyRow
	signer jws.Signer
	// refresh is empty where nothing renews the family.
	refresh string
	at      time.Time
	// life is the access token's; zero is as long as the family's.
	life time.Duration
	// jkt is the key that the access token is bound to, empty for a Bearer token.
	jkt string
}

// known refuses a client that is not registered here, or is not let in.
func known(tx *tenancy.Tx, clientID string) (c clients.Client, refused, err error) {
	c, ok, err := clients.Load(tx, clientID)
	if err == nil && (!ok || c.Status != clients.Active) {
		refused = errUnknownClient
	}
	return c, refused, err
}

// refuse answers what is no secret of ours, without a write: the client is
// told first where it is unknown itself.
func (s *Server) refuse(ctx context.Context, clientID string, answer error) error {
	var refused error
	err := s.db.Read(ctx, requestFrom(ctx).handle, func(tx *tenancy.Tx) (err error) {
		_, refused, err = known(tx, clientID)
		return err
	})
	if err != nil {
		return s.failure(ctx, fmt.Errorf("find client: %w", err))
	}
	if refused != nil {
		return refused
	}
	return answer
}

// begin stores the first refresh token of a family.
func begin(tx *tenancy.Tx, family familyRow) (grant, error) {
	mac, err := tx.MAC(labelFirst, family.ID)
	if err != nil {
		return grant{}, err
	}
	return issue(tx, family, 1, mac)
}

// succeed stores the token that follows the one with that hash.
func succeed(tx *tenancy.Tx, family familyRow, hash string, generation int64) (grant, error) {
	mac, err := tx.MAC(labelSuccessor, hash)
	if err != nil {
		return grant{}, err
	}
	return issue(tx, family, generation, mac)
}

func issue(tx *tenancy.Tx, family familyRow, generation int64, mac [32]byte) (grant, error) {
	granted, err := prepare(tx, family, mac)
	if err != nil {
		return grant{}, err
	}
	row := granted.row(tx, generation)
	if err := tx.DB().Create(&row).Error; err != nil {
		return grant{}, fmt.Errorf("store refresh token: %w", err)
	}
	return granted, nil
}

// Labels of the MACs under the tenant's key that refresh tokens are. A token is made
// from the one before it, so that the grace can give the same one again though only its
// hash is stored, and so that it is known before anything was read.
const (
	labelFirst     = "refresh-token"
	labelSuccessor = "refresh-successor"
)

// prepare gives the terms of the transaction's tenant to a token.
func prepare(tx *tenancy.Tx, family familyRow, mac [32]byte) (grant, error) {
	signer, err := activeSigner(tx)
	if err != nil {
		return grant{}, err
	}
	set, err := settings.Load(tx)
	if err != nil {
		return grant{}, err
	}
	return grant{family: family, signer: signer, refresh: ids.FromKey(refreshPrefix, mac), at: tx.Now(), life: set.Access}, nil
}

// activeSigner signs with the tenant's active key. It outlives the transaction, and
// many may use it at once.
func activeSigner(tx *tenancy.Tx) (jws.Signer, error) {
	set, err := keys.LoadAll(tx)
	if err != nil {
		return jws.Signer{}, err
	}
	return set.Active.JWS(accessType)
}

func (g grant) row(tx *tenancy.Tx, generation int64) refreshRow {
	expires := g.at.Add(time.Duration(g.family.IdleSeconds) * time.Second)
	if g.family.ExpiresAt.Before(expires) {
		expires = g.family.ExpiresAt
	}
	return refreshRow{TenantID: tx.Tenant(), Hash: ids.Hash(g.refresh), FamilyID: g.family.ID, Generation: generation, CreatedAt: g.at, ExpiresAt: expires}
}

// expires is when the access token ends: never after its family.
func (g grant) expires() time.Time {
	if end := g.at.Add(g.life); g.life > 0 && end.Before(g.family.ExpiresAt) {
		return end
	}
	return g.family.ExpiresAt
}

// tokens signs the access token.
func (g grant) tokens(issuer string) (oplib.Tokens, error) {
	access, err := g.accessToken(issuer)
	if err != nil {
		return oplib.Tokens{}, err
	}
	kind := "Bearer"
	if g.jkt != "" {
		kind = tokenTypeDPoP
	}
	return oplib.Tokens{
		AccessToken: access, TokenType: kind, ExpiresIn: int64(g.expires().Sub(g.at) / time.Second), RefreshToken: g.refresh, Scope: g.family.Scope,
	}, nil
}

// accessClaims are RFC 9068's, and the family, by which the edge knows a revoked one.
type accessClaims struct {
	Issuer       string           `json:"iss"`
	Subject      string           `json:"sub"`
	Audience     string           `json:"aud"`
	ClientID     string           `json:"client_id"`
	Scope        string           `json:"scope"`
	Family       string           `json:"fid"`
	ID           string           `json:"jti"`
	IssuedAt     *jwt.NumericDate `json:"iat"`
	Expiry       *jwt.NumericDate `json:"exp"`
	Confirmation *confirmation    `json:"cnf,omitempty"`
}

// confirmation names the key that a token is bound to (RFC 9449, section 6.1).
type confirmation struct {
	Thumbprint string `json:"jkt"`
}

func (g grant) accessToken(issuer string) (string, error) {
	claims := accessClaims{
		Issuer: issuer, Subject: g.family.Subject, Audience: g.family.Resource, ClientID: g.family.ClientID, Scope: g.family.Scope, Family: g.family.ID,
		ID: ids.New("at"), IssuedAt: jwt.NewNumericDate(g.at), Expiry: jwt.NewNumericDate(g.expires()),
	}
	if g.jkt != "" {
		claims.Confirmation = &confirmation{g.jkt}
	}
	encoded, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode access token: %w", err)
	}
	token, err := g.signer.Sign(encoded)
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return token, nil
}

// checkResources compares the resource parameters (RFC 8707, section 2.2) with the
// one that was granted. Leaving it out is fine: some clients do on refresh.
func checkResources(requested []string, granted string) *oplib.Error {
	if len(requested) == 0 || len(requested) == 1 && sameResource(requested[0], granted) {
		return nil
	}
	return &oplib.Error{Code: "invalid_target", Description: "resource is not the one that was granted."}
}
