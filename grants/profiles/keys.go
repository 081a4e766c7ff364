package profiles

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms of a client's own key (RFC 7518, section 3.1).
const (
	KeyES256 = "ES256"
	KeyRS256 = "RS256"
)

const rsaBits = 2048

var errKey = errors.New("the key cannot be read")

// newKey makes a key for a client that proves itself with one.
func newKey(alg string) (*jose.JSONWebKey, error) {
	key := &jose.JSONWebKey{Algorithm: alg, Use: "sig"}
	var err error
	switch alg {
	case KeyES256:
		key.Key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case KeyRS256:
		key.Key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		return nil, fmt.Errorf("make key: unknown algorithm %q", alg)
	}
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	thumb, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("name key: %w", err)
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	return key, nil
}
