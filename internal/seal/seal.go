package seal

import (
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// format is the first byte of every sealed value. An unknown one is an error,
// never a fall-back to plaintext.
const format = 1

// headerLen is format (1) + key version (4).
const headerLen = 5

// ErrOpen says that a value did not open: damaged, moved, or sealed with another key.
var ErrOpen = errors.New("sealed value does not open")

// Place is where a sealed field lives.
type Place struct{ Tenant, Table, Column, Row string }

// Key is one version of a tenant's data key, ready for use.
type Key struct {
	version uint32
	aead    cipher.AEAD
	mac     [32]byte
	root    [32]byte // of the keys of envelopes
}

// NewKey prepares a data key of 32 bytes.
func NewKey(version uint32, raw []byte) (*Key, error) {
	if len(raw) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("data key has %d bytes, want %d", len(raw), chacha20poly1305.KeySize)
	}
	aead, err := chacha20poly1305.NewX(derive(raw, "seal"))
	if err != nil {
		return nil, fmt.Errorf("prepare data key: %w", err)
	}
	return &Key{version: version, aead: aead, mac: [32]byte(derive(raw, "mac")), root: [32]byte(derive(raw, "envelope"))}, nil
}

// Version is the key's version, which every value sealed with it carries.
func (k *Key) Version() uint32 { return k.version }

// Seal encrypts plaintext for a place.
func (k *Key) Seal(p Place, plaintext []byte) []byte {
	out := make([]byte, headerLen+chacha20poly1305.NonceSizeX, headerLen+chacha20poly1305.NonceSizeX+len(plaintext)+chacha20poly1305.Overhead)
	putHeader(out, k.version)
	nonce := out[headerLen:]
	_, _ = rand.Read(nonce)
	return k.aead.Seal(out, nonce, plaintext, p.aad(k.version))
}

// Open decrypts a value sealed for the place with this key.
func (k *Key) Open(p Place, sealed []byte) ([]byte, error) {
	version, err := VersionOf(sealed)
	if err != nil {
		return nil, err
	}
	if version != k.version || len(sealed) < headerLen+chacha20poly1305.NonceSizeX {
		return nil, ErrOpen
	}
	nonce := sealed[headerLen : headerLen+chacha20poly1305.NonceSizeX]
	plain, err := k.aead.Open(nil, nonce, sealed[headerLen+chacha20poly1305.NonceSizeX:], p.aad(version))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// MAC is HMAC-SHA256 under a key derived from the data key, over a label and
// parts that are length-prefixed, so that ("a","bc") and ("ab","c") differ.
func (k *Key) MAC(label string, parts ...string) [32]byte {
	h := hmac.New(sha256.New, k.mac[:])
	_, _ = h.Write(lengthPrefixed(append([]string{label}, parts...)...))
	return [32]byte(h.Sum(nil))
}

func putHeader(sealed []byte, version uint32) {
	sealed[0] = format
	binary.BigEndian.PutUint32(sealed[1:headerLen], version)
}

// VersionOf reads the key version that a sealed value names.
func VersionOf(sealed []byte) (uint32, error) {
	if len(sealed) < headerLen || sealed[0] != format {
		return 0, ErrOpen
	}
	return binary.BigEndian.Uint32(sealed[1:headerLen]), nil
}

func (p Place) aad(version uint32) []byte {
	var v [4]byte
	binary.BigEndian.PutUint32(v[:], version)
	return lengthPrefixed("emcy1", p.Tenant, p.Table, p.Column, p.Row, string(v[:]))
}

func lengthPrefixed(parts ...string) []byte {
	var out []byte
	for _, s := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s))) //nolint:gosec // parts are names and ids
		out = append(out, s...)
	}
	return out
}

func derive(raw []byte, label string) []byte {
	h := hmac.New(sha256.New, raw)
	_, _ = h.Write([]byte("emcy1/" + label))
	return h.Sum(nil)
}
