package provider

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/emcy/gateway/internal/jwks"
)

// clockSkew is how far a provider's clock may be off.
const clockSkew = 30 * time.Second

// idClaims are what the library checks, and all claims by name.
type idClaims struct {
	oidc.TokenClaims
	AccessTokenHash string `json:"at_hash"`
	all             map[string]any
}

// GetAccessTokenHash implements oidc.IDClaims.
func (c *idClaims) GetAccessTokenHash() string { return c.AccessTokenHash }

// UnmarshalJSON implements json.Unmarshaler.
func (c *idClaims) UnmarshalJSON(raw []byte) (err error) {
	type plain idClaims
	if err := json.Unmarshal(raw, (*plain)(c)); err != nil {
		return err
	}
	c.all, err = parseClaims(raw)
	return err
}

// verifyIDToken checks issuer, audience, azp, algorithm, signature, times, nonce and
// at_hash, and gives the claims.
func (p *Provider) verifyIDToken(ctx context.Context, c Config, t Tokens, nonce string) (map[string]any, *Error) {
	if c.Endpoints.JWKS == "" || c.Endpoints.Issuer == "" {
		return nil, missing("jwks_uri")
	}
	v := rp.NewIDTokenVerifier(
		c.Endpoints.Issuer, c.Client.ID, p.keys.At(c.Endpoints.JWKS),
		rp.WithSupportedSigningAlgorithms(c.Endpoints.algorithms()...), rp.WithIssuedAtOffset(clockSkew), rp.WithNonce(func(context.Context) string { return nonce }),
	)
	if nonce == "" {
		v.Nonce = nil
	}
	claims, err := rp.VerifyTokens[*idClaims](ctx, t.Access.Reveal(), t.IDToken.Reveal(), v)
	if err != nil {
		return nil, notVerified(err)
	}
	return claims.all, nil
}

// algorithms are those of the provider's that are accepted: none is symmetric, and
// "none" is none of them (RFC 8725, section 3.1). A provider that lists none signs with
// RS256 (OpenID Connect Discovery, section 3).
func (e Endpoints) algorithms() []string {
	if len(e.SigningAlgs) == 0 {
		return []string{string(jose.RS256)}
	}
	return slices.DeleteFunc(slices.Clone(e.SigningAlgs), func(alg string) bool { return !slices.Contains(jwks.Algorithms, jose.SignatureAlgorithm(alg)) })
}

// notVerified explains what the library found. The library's own words may hold claims,
// so none of them goes on.
func notVerified(err error) *Error {
	for _, known := range []struct {
		err        error
		code, what string
	}{
		{oidc.ErrIssuerInvalid, "wrong_issuer", "it comes from another issuer"},
		{oidc.ErrAudience, "wrong_audience", "it is for another application"},
		{oidc.ErrAzpMissing, "wrong_audience", "it is for another application"},
		{oidc.ErrAzpInvalid, "wrong_audience", "it is for another application"},
		{oidc.ErrSubjectMissing, "no_subject", "it names nobody"},
		{oidc.ErrSignatureUnsupportedAlg, "wrong_algorithm", "it is signed with an algorithm that is not accepted"},
		{jwks.ErrNoKey, "wrong_signature", "its signature does not hold"},
		{oidc.ErrSignatureInvalid, "wrong_signature", "its signature does not hold"},
		{oidc.ErrExpired, "expired", "it is over; the provider's clock may be wrong"},
		{oidc.ErrIatMissing, "expired", "it does not say when it was made"},
		{oidc.ErrIatInFuture, "expired", "it is from the future; the provider's clock may be wrong"},
		{oidc.ErrNonceInvalid, "wrong_nonce", "it belongs to another sign-in"},
		{oidc.ErrAtHash, "wrong_token", "it does not belong to the access token"},
	} {
		if errors.Is(err, known.err) {
			return &Error{Kind: Invalid, Code: known.code, Sent: true, words: "The provider's ID token is not accepted: " + known.what + ".", Cure: cureSettings, cause: known.err}
		}
	}
	return &Error{Kind: Invalid, Code: "bad_id_token", Sent: true, words: "The provider's ID token cannot be read.", Cure: cureSettings}
}
