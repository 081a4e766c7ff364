package jwks

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	// MaxBytes is the largest key set that is read.
	MaxBytes   = 256 << 10
	maxKeys    = 100
	minRSABits = 2048 // RFC 7518, section 3.3
	maxRSABits = 8192 // verifying grows with the square
)

// Algorithms are those that a JWT of another party may be signed with.
var Algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.RS256, jose.PS256, jose.EdDSA}

// ErrNoKey is a JWT whose header names no key of the set.
var ErrNoKey = errors.New("no key of the set fits the JWT")

// Set is a key set (RFC 7517, section 5).
type Set []jose.JSONWebKey

// Parse reads a key set of at most MaxBytes bytes and 100 keys. What is no public
// signature key of an allowed algorithm is left out (RFC 7517, section 5); a set that
// holds a private or symmetric key is refused, because its owner has lost it.
func Parse(raw []byte) (Set, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(raw) > MaxBytes {
		return nil, errors.New("the key set is too large")
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	if doc.Keys == nil {
		return nil, errors.New("the key set has no member keys")
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has more than %d keys", maxKeys)
	}
	set := Set{}
	for _, one := range doc.Keys {
		var key jose.JSONWebKey
		if err := json.Unmarshal(one, &key); err != nil {
			continue // a kind of key that is not known here
		}
		if _, symmetric := key.Key.([]byte); symmetric || !key.IsPublic() {
			return nil, errors.New("the key set holds a private or symmetric key")
		}
		if key.Use == "" || key.Use == "sig" {
			if len(algorithms(key)) > 0 {
				set = append(set, key)
			}
		}
	}
	return set, nil
}

// algorithms are those that a key can be used with.
func algorithms(key jose.JSONWebKey) []jose.SignatureAlgorithm {
	var fit []jose.SignatureAlgorithm
	switch k := key.Key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			fit = []jose.SignatureAlgorithm{jose.ES256}
		}
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= minRSABits && bits <= maxRSABits {
			fit = []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
		}
	case ed25519.PublicKey:
		fit = []jose.SignatureAlgorithm{jose.EdDSA}
	}
	if key.Algorithm == "" {
		return fit
	}
	return slices.DeleteFunc(fit, func(a jose.SignatureAlgorithm) bool { return string(a) != key.Algorithm })
}

// Fitting are the keys that a JWT's header may mean: of its algorithm, and of its kid
// where it has one and the key does.
func (s Set) Fitting(header jose.Header) Set {
	var out Set
	for _, key := range s {
		if header.KeyID != "" && key.KeyID != "" && key.KeyID != header.KeyID {
			continue
		}
		if slices.Contains(algorithms(key), jose.SignatureAlgorithm(header.Algorithm)) {
			out = append(out, key)
		}
	}
	return out
}

// Verify checks the JWT's one signature and reads its claims. A JWT that no key fits is
// ErrNoKey.
func (s Set) Verify(token *jwt.JSONWebToken, claims ...any) error {
	if len(token.Headers) != 1 {
		return errors.New("the JWT must have one signature")
	}
	fitting := s.Fitting(token.Headers[0])
	if len(fitting) == 0 {
		return ErrNoKey
	}
	var err error
	for _, key := range fitting {
		if err = token.Claims(key.Key, claims...); err == nil {
			return nil
		}
	}
	return fmt.Errorf("verify JWT: %w", err)
}
