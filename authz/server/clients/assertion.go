package clients

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/tenancy"
)

const (
	assertionType    = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	maxAssertion     = 16 << 10 // bytes
	maxAssertionLife = 10 * time.Minute
	assertionSkew    = 30 * time.Second
	maxJTI           = 256
)

// assertionTypes are the typ values of a client assertion; none is usual.
var assertionTypes = []string{"", "jwt", "client-authentication+jwt"}

func errAssertion(why string) *oplib.Error {
	return unproven("The client assertion is not accepted: %s.", why)
}

// subjectOf reads whose an assertion says it is, which is not proven yet.
func subjectOf(assertion string) string {
	parsed, err := parseAssertion(assertion)
	if err != nil {
		return ""
	}
	var claims jwt.Claims
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		return ""
	}
	return claims.Subject
}

func parseAssertion(assertion string) (*jwt.JSONWebToken, error) {
	if len(assertion) > maxAssertion {
		return nil, errAssertion("it is too large")
	}
	parsed, err := jwt.ParseSigned(assertion, jwks.Algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, errAssertion("it is no JWT signed by ES256, PS256, RS256 or EdDSA")
	}
	typ, _ := parsed.Headers[0].ExtraHeaders[jose.HeaderType].(string)
	if !slices.Contains(assertionTypes, strings.TrimPrefix(strings.ToLower(typ), "application/")) {
		return nil, errAssertion("its typ is for something else")
	}
	return parsed, nil
}

// assert verifies an assertion and uses it up (RFC 7523, section 3).
func (c *Clients) assert(ctx context.Context, h tenancy.Handle, r row, cr Credentials) error {
	if cr.AssertionType != assertionType {
		return &oplib.Error{Code: "invalid_request", Description: "client_assertion_type must be " + assertionType + "."}
	}
	parsed, err := parseAssertion(cr.Assertion)
	if err != nil {
		return err
	}
	var claims jwt.Claims
	if err := c.signedBy(ctx, r, parsed, &claims); err != nil {
		return err
	}
	now := c.db.Clock().Now()
	if err := checkClaims(claims, r.ID, cr, now); err != nil {
		return err
	}
	return c.spend(ctx, h, r.ID, claims)
}

func checkClaims(claims jwt.Claims, clientID string, cr Credentials, now time.Time) error {
	foreign := func(audience string) bool { return audience != cr.Issuer && audience != cr.Endpoint }
	switch {
	case claims.Issuer != clientID || claims.Subject != clientID:
		return errAssertion("iss and sub must be the client_id")
	case len(claims.Audience) == 0 || slices.ContainsFunc(claims.Audience, foreign):
		return errAssertion("aud must be " + cr.Issuer)
	case claims.Expiry == nil || !claims.Expiry.Time().After(now.Add(-assertionSkew)):
		return errAssertion("it has expired, or has no exp")
	case claims.Expiry.Time().After(now.Add(maxAssertionLife + assertionSkew)):
		return errAssertion("exp is more than ten minutes ahead")
	case claims.NotBefore != nil && claims.NotBefore.Time().After(now.Add(assertionSkew)), claims.IssuedAt != nil && claims.IssuedAt.Time().After(now.Add(assertionSkew)):
		return errAssertion("it is not valid yet")
	case claims.ID == "" || len(claims.ID) > maxJTI || !Storable(claims.ID):
		return errAssertion("it has no usable jti")
	}
	return nil
}

type spentRow struct {
	TenantID  string
	Kind      string
	Hash      string
	ExpiresAt time.Time
}

// spentAssertion is the kind of the rows that are this package's.
const spentAssertion = "client_assertion"

func (spentRow) TableName() string { return "spent_tokens" }

// spend lets an assertion prove something once, on whatever node.
func (c *Clients) spend(ctx context.Context, h tenancy.Handle, clientID string, claims jwt.Claims) error {
	return c.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		res := tx.DB().Clauses(clause.OnConflict{DoNothing: true}).Create(&spentRow{
			TenantID: tx.Tenant(), Kind: spentAssertion, Hash: ids.Hash(clientID + "\x00" + claims.ID), ExpiresAt: claims.Expiry.Time().Add(2 * assertionSkew),
		})
		if res.Error != nil {
			return fmt.Errorf("spend client assertion: %w", res.Error)
		}
		if res.RowsAffected == 0 {
			return errAssertion("it was used already")
		}
		return nil
	})
}
