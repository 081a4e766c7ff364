package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// KEK is the key-encryption key of the installation. It wraps data keys and
// nothing else.
type KEK struct {
	id  string
	key *Key
	raw []byte
}

// ID names the key without giving it away: the start of a hash of it. Wrapped
// data keys store it, so that a wrong key is told apart from damage.
func (k *KEK) ID() string { return k.id }

// NewKEK makes a KEK of 32 bytes.
func NewKEK(raw []byte) (*KEK, error) {
	key, err := NewKey(0, raw)
	if err != nil {
		return nil, errors.New("the key must be 32 bytes, base64 encoded")
	}
	var or byte
	for _, b := range raw {
		or |= b ^ raw[0]
	}
	if or == 0 {
		return nil, errors.New("the key is one byte repeated, which is an example and not a key")
	}
	sum := sha256.Sum256(append([]byte("emcy1/kek-id"), raw...))
	return &KEK{id: hex.EncodeToString(sum[:8]), key: key, raw: raw}, nil
}

// WrapNew makes a fresh data key for a tenant and returns it with its wrapped form.
func (k *KEK) WrapNew(tenant string, version uint32) (*Key, []byte, error) {
	raw := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(raw)
	key, err := NewKey(version, raw)
	if err != nil {
		return nil, nil, err
	}
	return key, k.key.Seal(wrapPlace(tenant, version), raw), nil
}

// Unwrap opens a tenant's wrapped data key.
func (k *KEK) Unwrap(tenant string, version uint32, wrapped []byte) (*Key, error) {
	raw, err := k.key.Open(wrapPlace(tenant, version), wrapped)
	if err != nil {
		return nil, err
	}
	return NewKey(version, raw)
}

// MAC authenticates values of the whole installation, such as console cookies
// and links, under a key derived from the KEK.
func (k *KEK) MAC(label string, parts ...string) [32]byte { return k.key.MAC(label, parts...) }

func wrapPlace(tenant string, version uint32) Place {
	return Place{Tenant: tenant, Table: "tenant_keys", Column: "wrapped", Row: fmt.Sprint(version)}
}

// LoadOrCreateFile reads the KEK from a file, or makes one (mode 0600) where
// there is none and create is set. A file that others may read is refused.
func LoadOrCreateFile(path string, create bool) (*KEK, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if errors.Is(err, fs.ErrNotExist) && create {
		return createFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("key file %s may be read by others (mode %04o): run chmod 600 %s", path, info.Mode().Perm(), path)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(data)))
	if err != nil {
		return nil, fmt.Errorf("key file %s: the key must be 32 bytes, base64 encoded", path)
	}
	kek, err := NewKEK(raw)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return kek, nil
}

// createFile writes a new key under a temporary name first, so that a crash
// never leaves half a key behind under the real one.
func createFile(path string) (*KEK, error) {
	raw := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(raw)
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // CreateTemp's mode is 0600
	if err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // a no-op once it is linked under its real name
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(raw) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	// Link, not rename: of two processes that start at once, one wins and the other reads its key.
	if err := os.Link(f.Name(), path); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return LoadOrCreateFile(path, false)
		}
		return nil, fmt.Errorf("create key file: %w", err)
	}
	return NewKEK(raw)
}
