package provider

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// AssertionLife is how long an assertion of our client works.
const AssertionLife = time.Minute

// assertion proves our client by its key (RFC 7523, section 3): short, for one audience
// and used once.
func (p *Provider) assertion(c Config) (string, error) {
	key := c.Client.Key
	if key == nil || !key.Valid() {
		return "", errors.New("the client has no private key")
	}
	alg, err := algorithm(key)
	if err != nil {
		return "", err
	}
	options := (&jose.SignerOptions{}).WithType("JWT")
	if len(key.Certificates) > 0 {
		sum := sha256.Sum256(key.Certificates[0].Raw)
		options = options.WithHeader("x5t#S256", base64.RawURLEncoding.EncodeToString(sum[:]))
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key.Key, KeyID: key.KeyID}}, options)
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	audience := c.Endpoints.Token
	if c.Style.AssertionAudience == "issuer" {
		audience = c.Endpoints.Issuer
	}
	now := p.clock.Now()
	raw, err := jwt.Signed(signer).Claims(map[string]any{
		"iss": c.Client.ID, "sub": c.Client.ID, "aud": audience, "jti": rand.Text(), "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(AssertionLife).Unix(),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign assertion: %w", err)
	}
	return raw, nil
}

// algorithm is what a key signs with. RSA keys sign with PS256 where that is what they
// are for, else with RS256, which every provider knows.
func algorithm(key *jose.JSONWebKey) (jose.SignatureAlgorithm, error) {
	switch key.Key.(type) {
	case *ecdsa.PrivateKey:
		return jose.ES256, nil
	case ed25519.PrivateKey:
		return jose.EdDSA, nil
	case *rsa.PrivateKey:
		if key.Algorithm == string(jose.PS256) {
			return jose.PS256, nil
		}
		return jose.RS256, nil
	}
	return "", errors.New("the client's key is of a kind that cannot sign")
}
