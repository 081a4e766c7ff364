package edge

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"

	"github.com/emcy/gateway/internal/jws"
)

const algRS256 = jws.RS256

// verifyRS256 is verifyES256 for RSASSA-PKCS1-v1_5 (RFC 7518, section 3.3).
func verifyRS256(key *rsa.PublicKey, token string) ([]byte, bool) {
	signed, body, signature, ok := splitJWS(token)
	if !ok {
		return nil, false
	}
	digest := sha256.Sum256([]byte(signed))
	if rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) != nil {
		return nil, false
	}
	return decodeStrict(body)
}
