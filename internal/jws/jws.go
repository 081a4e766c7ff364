package jws

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// The algorithms (RFC 7518, section 3.1).
const (
	ES256 = "ES256"
	RS256 = "RS256"
)

// ES256Size is the size in bytes of each of the two numbers of an ES256 signature (RFC
// 7518, section 3.4).
const ES256Size = 32

// Signer makes JWTs of one type with one key. Many may use it at once.
type Signer struct {
	key crypto.Signer
	// header is encoded, with the dot behind it.
	header string
}

// New takes an ECDSA key on P-256 or an RSA key. typ is the header's (RFC 7515, section 4.1.9).
func New(key crypto.Signer, kid, typ string) (Signer, error) {
	var alg string
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		if size := key.Curve.Params().BitSize; size != 8*ES256Size {
			return Signer{}, fmt.Errorf("key on a curve of %d bits", size)
		}
		alg = ES256
	case *rsa.PrivateKey:
		alg = RS256
	default:
		return Signer{}, fmt.Errorf("key of type %T", key)
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		KID string `json:"kid"`
		Typ string `json:"typ"`
	}{alg, kid, typ})
	if err != nil {
		return Signer{}, fmt.Errorf("encode header: %w", err)
	}
	return Signer{key, base64.RawURLEncoding.EncodeToString(header) + "."}, nil
}

// Sign gives the compact form (RFC 7515, section 3.1) of claims that are encoded as JSON.
func (s Signer) Sign(claims []byte) (string, error) {
	encoding := base64.RawURLEncoding
	text := make([]byte, 0, len(s.header)+encoding.EncodedLen(len(claims))+encoding.EncodedLen(2*ES256Size)+1)
	text = encoding.AppendEncode(append(text, s.header...), claims)
	digest := sha256.Sum256(text)
	signature, err := s.sign(digest[:])
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return string(encoding.AppendEncode(append(text, '.'), signature)), nil
}

func (s Signer) sign(digest []byte) ([]byte, error) {
	private, ok := s.key.(*ecdsa.PrivateKey)
	if !ok {
		return s.key.Sign(rand.Reader, digest, crypto.SHA256) // PKCS #1 v1.5 is what these options mean to an RSA key
	}
	x, y, err := ecdsa.Sign(rand.Reader, private, digest)
	if err != nil {
		return nil, err
	}
	signature := make([]byte, 2*ES256Size)
	x.FillBytes(signature[:ES256Size])
	y.FillBytes(signature[ES256Size:])
	return signature, nil
}
