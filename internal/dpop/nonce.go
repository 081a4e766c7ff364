package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"time"
)

const (
	// NonceStep is how long one nonce is given out, and the next step is how long it
	// is still taken: a nonce is good for at least one step and at most two.
	NonceStep = 5 * time.Minute
	nonceLen  = 32
)

// Nonces makes nonces from a secret and the time, so that every node that has the
// secret knows them all.
type Nonces struct{ key [32]byte }

// NewNonces takes a secret that nobody outside can know.
func NewNonces(key [32]byte) Nonces { return Nonces{key} }

// At is the nonce of a moment.
func (n Nonces) At(now time.Time) string { return n.of(step(now)) }

// Valid tells whether the nonce was given out not long ago. The step ahead counts
// too: another node's clock may be a little further.
func (n Nonces) Valid(nonce string, now time.Time) bool {
	if len(nonce) != nonceLen {
		return false
	}
	at, ok := 0, step(now)
	for _, s := range []int64{ok, ok - 1, ok + 1} {
		at |= subtle.ConstantTimeCompare([]byte(nonce), []byte(n.of(s)))
	}
	return at == 1
}

func step(now time.Time) int64 { return now.Unix() / int64(NonceStep/time.Second) }

func (n Nonces) of(s int64) string {
	var at [8]byte
	binary.BigEndian.PutUint64(at[:], uint64(s)) //nolint:gosec // only its bytes matter
	mac := hmac.New(sha256.New, n.key[:])
	mac.Write(at[:])
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:nonceLen*3/4])
}
