package seal

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// EnvelopeOverhead is by how many bytes a value is longer in its envelope.
const EnvelopeOverhead = headerLen + chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

// Envelope seals values that strangers carry for us: they leave the house, and are
// believed when they come back. Its keys are derived from the tenant's data keys for
// one purpose (HKDF, RFC 5869), so that nothing sealed for another purpose opens
// here. It seals with the active key and opens with every version that is kept, so
// that what was handed out survives a rotation. It does not change.
type Envelope struct {
	active  uint32
	ciphers map[uint32]cipher.AEAD
}

// NewEnvelope derives an envelope's keys for a purpose. The active key counts among
// those that open.
func NewEnvelope(purpose string, active *Key, kept ...*Key) (*Envelope, error) {
	e := &Envelope{active: active.version, ciphers: make(map[uint32]cipher.AEAD, 1+len(kept))}
	for _, k := range append([]*Key{active}, kept...) {
		raw, err := hkdf.Expand(sha256.New, k.root[:], "emcy1/envelope/"+purpose, chacha20poly1305.KeySize)
		if err != nil {
			return nil, fmt.Errorf("derive envelope key: %w", err)
		}
		if e.ciphers[k.version], err = chacha20poly1305.NewX(raw); err != nil {
			return nil, fmt.Errorf("prepare envelope key: %w", err)
		}
	}
	return e, nil
}

// Seal encrypts a value and binds it to the parts, which are not in it: who opens it
// has to name the same ones.
func (e *Envelope) Seal(plaintext []byte, parts ...string) []byte {
	out := make([]byte, headerLen+chacha20poly1305.NonceSizeX, EnvelopeOverhead+len(plaintext))
	putHeader(out, e.active)
	nonce := out[headerLen:]
	_, _ = rand.Read(nonce)
	return e.ciphers[e.active].Seal(out, nonce, plaintext, e.aad(out, parts))
}

// Open decrypts what was sealed with the same parts.
func (e *Envelope) Open(sealed []byte, parts ...string) ([]byte, error) {
	version, err := VersionOf(sealed)
	if err != nil || len(sealed) < EnvelopeOverhead {
		return nil, ErrOpen
	}
	aead := e.ciphers[version]
	if aead == nil {
		return nil, ErrOpen
	}
	nonce := sealed[headerLen : headerLen+chacha20poly1305.NonceSizeX]
	plain, err := aead.Open(nil, nonce, sealed[headerLen+chacha20poly1305.NonceSizeX:], e.aad(sealed, parts))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// aad is the header and the parts, each with its length in front of it.
func (e *Envelope) aad(sealed []byte, parts []string) []byte {
	return lengthPrefixed(append([]string{string(sealed[:headerLen])}, parts...)...)
}
