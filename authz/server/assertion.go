package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/issuers"
	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/authz/server/spent"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/internal/dpop"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

var (
	errReplayed   = invalidGrant("The assertion was used before.")
	errNoSubject  = invalidGrant("The assertion names nobody who may use this workspace: neither its sub nor a verified e-mail address is known here.")
	errJAGTarget  = invalidGrant("The assertion's resource is not one MCP server at this authorization server.")
	errJAGKeys    = &oplib.Error{Code: "temporarily_unavailable", Description: "The keys of the assertion's issuer cannot be fetched now. Try again in a minute.", Status: 503}
	errJAGAskedIt = &oplib.Error{Code: "invalid_target", Description: "resource is not the one of the assertion."}
)

// Assertion exchanges an ID-JAG (RFC 7523, section 2.1;
// draft-ietf-oauth-identity-assertion-authz-grant, section 4.4). The tenant's own
// identity provider decided, so no person is asked here. What does not fit is
// invalid_grant; nothing of the assertion is logged or stored but its jti's hash.
func (s *Server) Assertion(ctx context.Context, r oplib.AssertionRequest) (tokens oplib.Tokens, err error) {
	req := requestFrom(ctx)
	claims, issuer, err := s.readAssertion(ctx, req, r)
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, err)
	}
	resource, target, err := s.assertionTarget(ctx, req, claims, r.Resources)
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, err)
	}
	account, err := s.accountOf(ctx, claims)
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, err)
	}
	proof, err := s.readProof(ctx, oplib.TokenPath, r.Proofs)
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, err)
	}
	x := exchange{request: r, claims: claims, issuer: issuer, account: account, resource: resource, target: target, proof: proof}
	var granted grant
	var refused error
	err = s.db.Write(ctx, req.handle, func(tx *tenancy.Tx) error {
		granted, refused, err = s.exchange(ctx, tx, x)
		return err
	})
	if err == nil && refused == nil {
		tokens, err = granted.tokens(req.issuer)
	}
	if err != nil {
		return oplib.Tokens{}, s.failure(ctx, fmt.Errorf("exchange assertion: %w", err))
	}
	return tokens, refused
}

// readAssertion checks everything that needs no transaction: form, issuer, signature,
// audience, client and times.
func (s *Server) readAssertion(ctx context.Context, req request, r oplib.AssertionRequest) (issuers.Assertion, issuers.Issuer, error) {
	token, claims, err := issuers.Read(r.Assertion)
	if err != nil {
		return claims, issuers.Issuer{}, invalidGrant(sentence(err))
	}
	var issuer issuers.Issuer
	var trusted bool
	err = s.db.Read(ctx, req.handle, func(tx *tenancy.Tx) (err error) {
		issuer, trusted, err = issuers.Trusted(tx, claims.Issuer)
		return err
	})
	switch {
	case err != nil:
		return claims, issuer, fmt.Errorf("find issuer: %w", err)
	case !trusted:
		return claims, issuer, invalidGrant(sentence(issuers.ErrIssuer))
	}
	// Into a value of its own: what was read unverified is not what is used.
	var verified issuers.Assertion
	err = s.keySets.Verify(ctx, issuer.JWKSURI, token, &verified)
	if _, unreachable := errors.AsType[*outbound.Error](err); unreachable {
		return claims, issuer, errJAGKeys
	}
	if err != nil {
		return claims, issuer, invalidGrant(sentence(issuers.ErrSignature))
	}
	if err := verified.Check(issuer, req.issuer, r.ClientID, s.db.Clock().Now()); err != nil {
		return claims, issuer, invalidGrant(sentence(err))
	}
	return verified, issuer, nil
}

// assertionTarget finds the runtime that the issuer allowed. Left open, it is the only
// one that the tenant has: aud and resource are one pair.
func (s *Server) assertionTarget(ctx context.Context, req request, claims issuers.Assertion, asked []string) (flow.Resource, string, error) {
	resource, target, err := s.target(ctx, req, claims.Resource)
	if refused, ok := errors.AsType[*oplib.Error](err); ok && refused.Code == "invalid_target" {
		return flow.Resource{}, "", errJAGTarget
	}
	if err != nil {
		return flow.Resource{}, "", err
	}
	if len(asked) > 1 || len(asked) == 1 && !sameResource(asked[0], target) {
		return flow.Resource{}, "", errJAGAskedIt
	}
	return resource, target, nil
}

// accountOf finds whose verified address the assertion names; "" for nobody's.
func (s *Server) accountOf(ctx context.Context, claims issuers.Assertion) (string, error) {
	email, ok := claims.VerifiedEmail()
	if !ok {
		return "", nil
	}
	id, err := s.people.AccountOf(ctx, email)
	if err != nil {
		return "", fmt.Errorf("find account by e-mail: %w", err)
	}
	return id, nil
}

// exchange is a checked assertion, and what it asks for.
type exchange struct {
	request  oplib.AssertionRequest
	claims   issuers.Assertion
	issuer   issuers.Issuer
	account  string // whose verified address it names
	resource flow.Resource
	target   string
	proof    *dpop.Proof
}

// exchange gives the token. Only what the client can mend without a new assertion is
// refused before this one counts as used.
func (s *Server) exchange(ctx context.Context, tx *tenancy.Tx, x exchange) (_ grant, refused, err error) {
	var none grant
	to, refused, err := readGrantee(tx, x.request.ClientID, oplib.GrantJWTBearer)
	if err != nil || refused != nil {
		return none, refused, err
	}
	jkt, refused, err := s.bind(ctx, tx, to.set, to.client, x.proof, "")
	if err != nil || refused != nil {
		return none, refused, err
	}
	first, err := spent.Use(tx, spent.IDJAG, x.claims.Issuer, x.claims.ID, x.claims.SpentUntil())
	if err != nil {
		return none, nil, err
	}
	if !first {
		return none, errReplayed, audit.Record(tx, audit.Entry{
			Action: "assertion.replay", TargetKind: "trusted_issuer", TargetID: x.issuer.ID, After: map[string]string{"client_id": to.client.ID},
		})
	}
	subject, err := s.subjectOf(tx, x.claims, x.account)
	if err != nil {
		return none, nil, err
	}
	if subject == "" {
		return none, errNoSubject, nil
	}
	scope, err := narrowed(tx, x.resource, authz.ParseScopes(x.request.Scope), authz.ParseScopes(x.claims.Scope), to.client.Scope)
	if err != nil {
		return none, nil, err
	}
	granted, err := giveOnce(tx, to, familyRow{
		Subject: subject, UpstreamID: x.resource.ID, Resource: x.target, Scope: scope.String(), Origin: originJWTBearer, ConsentID: x.issuer.ID, TraceID: trace.ID(ctx),
	}, jkt)
	if err != nil {
		return none, nil, err
	}
	return granted, nil, audit.Record(tx, audit.Entry{
		Action: "assertion.exchange", TargetKind: "token_family", TargetID: granted.family.ID,
		After: map[string]string{"issuer": x.issuer.ID, "client_id": to.client.ID, "subject": subject, "scope": scope.String()},
	})
}

// GivenBy counts what lives of an issuer's assertions: sign-ins, by people and clients.
func GivenBy(tx *tenancy.Tx, issuerID string) (int, error) {
	var n int64
	err := tx.DB().Model(&familyRow{}).Where("origin = ? AND consent_id = ? AND revoked_at IS NULL AND expires_at > ?", originJWTBearer, issuerID, tx.Now()).Count(&n).Error
	if err != nil {
		return 0, fmt.Errorf("count tokens of an issuer: %w", err)
	}
	return int(n), nil
}

// RemoveIssuer ends the trust in an issuer, and what its assertions gave. Error:
// errs.NotFound.
func (s *Server) RemoveIssuer(tx *tenancy.Tx, id string) error {
	if err := issuers.Remove(tx, id); err != nil {
		return err
	}
	now := tx.Now()
	err := tx.DB().Model(&familyRow{}).Where("origin = ? AND consent_id = ? AND revoked_at IS NULL", originJWTBearer, id).
		Updates(map[string]any{"revoked_at": &now, "revoked_reason": "the issuer is no longer trusted"}).Error
	if err != nil {
		return fmt.Errorf("revoke tokens of an issuer: %w", err)
	}
	tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
	return nil
}

// subjectOf maps the person: an end user by the issuer's own subject first, because an
// address can change hands; then a member by a verified address.
func (s *Server) subjectOf(tx *tenancy.Tx, claims issuers.Assertion, account string) (string, error) {
	user, err := issuers.EndUser(tx, claims.Issuer, claims.Subject)
	if err != nil {
		return "", err
	}
	for _, id := range []string{user, account} {
		if id == "" {
			continue
		}
		entitled, err := s.flow.Entitled(tx, id)
		if err != nil {
			return "", fmt.Errorf("check subject: %w", err)
		}
		if entitled {
			return id, nil
		}
		if id == user {
			return "", nil // who was blocked as an end user does not come back by an address
		}
	}
	return "", nil
}

// sentence makes a description of an error of this project's own.
func sentence(err error) string {
	text := err.Error()
	return string(text[0]-'a'+'A') + text[1:] + "."
}
