package edge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/emcy/gateway/edge/snapshot"
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
	alg, sign := algES256, signES256
	if _, ok := signer.Key.(*rsa.PrivateKey); ok {
		alg, sign = algRS256, signRS256
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		KID string `json:"kid"`
		Typ string `json:"typ"`
	}{alg, signer.KID, "JWT"})
	if err != nil {
		return "", fmt.Errorf("encode header: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	encoding := base64.RawURLEncoding
	text := make([]byte, 0, encoding.EncodedLen(len(header))+encoding.EncodedLen(len(payload))+encoding.EncodedLen(2*es256Size)+2)
	text = append(encoding.AppendEncode(text, header), '.')
	text = encoding.AppendEncode(text, payload)
	signature, err := sign(signer.Key, text)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return string(encoding.AppendEncode(append(text, '.'), signature)), nil
}
