package edge

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"

	"github.com/go-json-experiment/json"
)

const algES256 = "ES256"

// es256Size is the size of each of the two numbers of a signature (RFC 7518, section 3.4).
const es256Size = 32

// signES256 makes a JWT. Both it and verifyES256 speak the one algorithm that tokens
// of ours are signed with; a general library spends more on its choices than on the
// curve.
func signES256(key *ecdsa.PrivateKey, kid string, claims any) (string, error) {
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		KID string `json:"kid"`
		Typ string `json:"typ"`
	}{algES256, kid, "JWT"})
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
	digest := sha256.Sum256(text)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	var signature [2 * es256Size]byte
	r.FillBytes(signature[:es256Size])
	s.FillBytes(signature[es256Size:])
	return string(encoding.AppendEncode(append(text, '.'), signature[:])), nil
}

// verifyES256 gives the payload of a compact JWS whose signature is right. What its
// header says is the caller's to judge.
func verifyES256(key *ecdsa.PublicKey, token string) ([]byte, bool) {
	last := strings.LastIndexByte(token, '.')
	if last < 0 {
		return nil, false
	}
	signed, encoded := token[:last], token[last+1:]
	_, body, two := strings.Cut(signed, ".")
	signature, ok := decodeStrict(encoded)
	if !two || !ok || len(signature) != 2*es256Size {
		return nil, false
	}
	digest := sha256.Sum256([]byte(signed))
	r, s := new(big.Int).SetBytes(signature[:es256Size]), new(big.Int).SetBytes(signature[es256Size:])
	if !ecdsa.Verify(key, digest[:], r, s) {
		return nil, false
	}
	return decodeStrict(body)
}
