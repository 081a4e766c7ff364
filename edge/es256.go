package edge

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"math/big"
	"strings"

	"github.com/emcy/gateway/internal/jws"
)

const algES256 = jws.ES256

// es256Size is the size of each of the two numbers of a signature (RFC 7518, section 3.4).
const es256Size = jws.ES256Size

// verifyES256 gives the payload of a compact JWS whose signature is right. What its
// header says is the caller's to judge.
func verifyES256(key *ecdsa.PublicKey, token string) ([]byte, bool) {
	signed, body, signature, ok := splitJWS(token)
	if !ok || len(signature) != 2*es256Size {
		return nil, false
	}
	digest := sha256.Sum256([]byte(signed))
	r, s := new(big.Int).SetBytes(signature[:es256Size]), new(big.Int).SetBytes(signature[es256Size:])
	if !ecdsa.Verify(key, digest[:], r, s) {
		return nil, false
	}
	return decodeStrict(body)
}

// splitJWS gives what was signed, the payload in it, and the signature.
func splitJWS(token string) (signed, body string, signature []byte, ok bool) {
	last := strings.LastIndexByte(token, '.')
	if last < 0 {
		return "", "", nil, false
	}
	signed = token[:last]
	_, body, two := strings.Cut(signed, ".")
	signature, ok = decodeStrict(token[last+1:])
	return signed, body, signature, ok && two
}
