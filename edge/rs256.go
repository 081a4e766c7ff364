package edge

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
)

const algRS256 = "RS256"

func signRS256(key crypto.Signer, text []byte) ([]byte, error) {
	digest := sha256.Sum256(text)
	return key.Sign(rand.Reader, digest[:], crypto.SHA256) // PKCS #1 v1.5 is what these options mean to an RSA key
}

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
