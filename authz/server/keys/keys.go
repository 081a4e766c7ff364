package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/jws"
	"github.com/emcy/gateway/tenancy"
)

// State is where a key is in its life.
type State string

// The states.
const (
	Next    State = "next"
	Active  State = "active"
	Retired State = "retired"
)

const (
	// Ahead is how long a key is published before it signs: longer than anybody
	// keeps a JWKS without asking again.
	Ahead = 24 * time.Hour
	// SignsFor is how long a key signs before it is replaced.
	SignsFor = 90 * 24 * time.Hour
	// Kept is how long a retired key stays published: no token that it signed lives
	// longer, by any node's clock.
	Kept = settings.LongestAccess + 10*time.Minute

	rsaBits = 3072
)

// Set are a tenant's keys: all that are published, and the one that signs.
type Set struct {
	Public []jose.JSONWebKey
	Active Signer
}

// Signer signs with a private key, which is an *ecdsa.PrivateKey on P-256 where Alg
// is ES256 and an *rsa.PrivateKey where it is RS256.
type Signer struct {
	KID, Alg string
	Key      crypto.Signer
}

// JWS makes JWTs of one type (RFC 7515, section 4.1.9) with the key.
func (s Signer) JWS(typ string) (jws.Signer, error) {
	out, err := jws.New(s.Key, s.KID, typ)
	if err != nil {
		return jws.Signer{}, fmt.Errorf("prepare signer: %w", err)
	}
	return out, nil
}

// Find gives the published key of a kid, for verification with its own algorithm
// and no other.
func (s Set) Find(kid string) (jose.JSONWebKey, bool) {
	for _, k := range s.Public {
		if k.KeyID == kid {
			return k, true
		}
	}
	return jose.JSONWebKey{}, false
}

// Create gives a new tenant its first signing key, which is ES256.
func Create(tx *tenancy.Tx) error {
	m, err := generate(settings.ES256)
	if err != nil {
		return err
	}
	_, err = insert(tx, m, Active)
	return err
}

// made is a new key pair in the forms in which it is stored.
type made struct {
	kid, alg, public string
	private          []byte
}

// generate makes a key pair. RSA takes seconds, so no transaction may be open.
func generate(alg string) (made, error) {
	var key crypto.Signer
	var err error
	switch alg {
	case settings.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case settings.RS256:
		key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	default:
		err = fmt.Errorf("unknown algorithm %q", alg)
	}
	if err != nil {
		return made{}, fmt.Errorf("generate signing key: %w", err)
	}
	jwk := jose.JSONWebKey{Key: key.Public(), Algorithm: alg, Use: "sig"}
	thumb, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return made{}, fmt.Errorf("name signing key: %w", err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	public, err := json.Marshal(jwk)
	if err != nil {
		return made{}, fmt.Errorf("encode signing key: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return made{}, fmt.Errorf("encode signing key: %w", err)
	}
	return made{kid: jwk.KeyID, alg: alg, public: string(public), private: private}, nil
}

func open(tx *tenancy.Tx, r row) (Signer, error) {
	der, err := tx.Open("signing_keys", "private", r.KID, r.Private)
	if err != nil {
		return Signer{}, fmt.Errorf("open signing key %s: %w", r.KID, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return Signer{}, fmt.Errorf("read signing key %s: %w", r.KID, err)
	}
	switch key := parsed.(type) {
	case *ecdsa.PrivateKey:
		if r.Alg == settings.ES256 && key.Curve == elliptic.P256() {
			return Signer{KID: r.KID, Alg: r.Alg, Key: key}, nil
		}
	case *rsa.PrivateKey:
		if r.Alg == settings.RS256 {
			return Signer{KID: r.KID, Alg: r.Alg, Key: key}, nil
		}
	}
	return Signer{}, fmt.Errorf("signing key %s is a %T and not for %s", r.KID, parsed, r.Alg)
}
