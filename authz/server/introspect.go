package server

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/tenancy"
)

// introspection is what a client may learn of a token (RFC 7662, section 2.2).
type introspection struct {
	Active       bool          `json:"active"`
	Scope        string        `json:"scope,omitempty"`
	ClientID     string        `json:"client_id,omitempty"`
	TokenType    string        `json:"token_type,omitempty"`
	Expiry       int64         `json:"exp,omitempty"` // seconds since 1970, as iat
	IssuedAt     int64         `json:"iat,omitempty"`
	Subject      string        `json:"sub,omitempty"`
	Audience     string        `json:"aud,omitempty"`
	Issuer       string        `json:"iss,omitempty"`
	ID           string        `json:"jti,omitempty"`
	Confirmation *confirmation `json:"cnf,omitempty"`
}

// Introspect tells a confidential client about a token of its own. Everybody else's,
// and what is no token, is inactive and takes the same steps.
func (s *Server) Introspect(ctx context.Context, r oplib.IntrospectionRequest) (any, error) {
	req := requestFrom(ctx)
	var out introspection
	var refused error
	err := s.db.Read(ctx, req.handle, func(tx *tenancy.Tx) (err error) {
		if _, refused, err = known(tx, r.ClientID); err != nil || refused != nil {
			return err
		}
		out, err = s.introspect(tx, req.issuer, r)
		return err
	})
	if err != nil {
		return nil, s.failure(ctx, fmt.Errorf("introspect: %w", err))
	}
	return out, refused
}

func (s *Server) introspect(tx *tenancy.Tx, issuer string, r oplib.IntrospectionRequest) (introspection, error) {
	var none introspection
	p, err := readToken(tx, issuer, r.Token)
	if err != nil {
		return none, err
	}
	var families []familyRow
	if err := tx.DB().Where("id = ?", p.family).Limit(1).Find(&families).Error; err != nil {
		return none, fmt.Errorf("read token family: %w", err)
	}
	now := tx.Now()
	if len(families) == 0 || families[0].ClientID != r.ClientID || families[0].RevokedAt != nil || p.spent || !now.Before(p.expires) || !now.Before(families[0].ExpiresAt) {
		return none, nil
	}
	family := families[0]
	alive, err := s.alive(tx, family)
	if err != nil || !alive {
		return none, err
	}
	out := introspection{
		Active: true, Scope: family.Scope, ClientID: family.ClientID, Subject: family.Subject, Audience: family.Resource, Issuer: issuer,
		Expiry: p.expires.Unix(), IssuedAt: p.issued.Unix(), ID: p.claims.ID, Confirmation: p.claims.Confirmation,
	}
	switch {
	case p.claims.ID == "":
		if family.DPoPJKT != "" {
			out.Confirmation = &confirmation{family.DPoPJKT}
		}
	case p.claims.Confirmation != nil:
		out.TokenType = tokenTypeDPoP
	default:
		out.TokenType = "Bearer"
	}
	return out, nil
}

// presented is a token that somebody shows, as far as it can be read.
type presented struct {
	family          string // "" where it is no token of ours
	spent           bool   // a refresh token that was used
	issued, expires time.Time
	claims          accessClaims // of an access token
}
