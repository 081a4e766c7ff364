package edge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/jws"
)

// Both directions speak the two algorithms that a tenant's keys can have; a general
// library spends more on its choices than on the curve.

// verifyJWS gives the payload of a compact JWS whose signature is right. A key has
// one algorithm, whatever the header would like (RFC 8725, section 3.1).
func verifyJWS(key crypto.PublicKey, alg, token string) ([]byte, bool) {
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if alg == algES256 {
			return verifyES256(key, token)
		}
	case *rsa.PublicKey:
		if alg == algRS256 {
			return verifyRS256(key, token)
		}
	}
	return nil, false
}

// sameKey compares keys of different snapshots.
func sameKey(a, b crypto.PublicKey) bool {
	known, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && known.Equal(b)
}

// signJWT makes a JWT.
func signJWT(signer snapshot.Signer, claims any) (string, error) {
	out, err := jws.New(signer.Key, signer.KID, "JWT")
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	return out.Sign(payload)
}
