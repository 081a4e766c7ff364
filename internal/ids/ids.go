package ids

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
	"time"
)

var lower = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New returns prefix_ followed by 128 random bits, lower case and URL-safe.
func New(prefix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails since Go 1.24
	return prefix + "_" + lower.EncodeToString(b[:])
}

// NewAt returns an identifier that sorts by time: 48 bits of milliseconds, then
// 80 random bits. Rows read newest first use it as a keyset cursor.
func NewAt(prefix string, at time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli())) //nolint:gosec // times before 1970 do not occur
	copy(b[:6], ms[2:])
	return prefix + "_" + lower.EncodeToString(b[:])
}

// Secret returns a bearer secret: prefix, 256 random bits and a CRC-32, so that
// a scanner can tell a real one from noise and a typo is refused without a query.
func Secret(prefix string) string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return FromKey(prefix, b)
}

// FromKey renders 256 given bits as a bearer secret. A refresh token's successor
// is derived, not random, so that a lost reply can be answered again.
func FromKey(prefix string, b [32]byte) string {
	body := base64.RawURLEncoding.EncodeToString(b[:])
	return prefix + "_" + body + checksum(prefix+"_"+body)
}

// ValidSecret reports whether s has the prefix and its checksum holds.
func ValidSecret(prefix, s string) bool {
	const bodyLen, sumLen = 43, 6
	if !strings.HasPrefix(s, prefix+"_") || len(s) != len(prefix)+1+bodyLen+sumLen {
		return false
	}
	return checksum(s[:len(s)-sumLen]) == s[len(s)-sumLen:]
}

// Hash is how a bearer secret is stored: hex SHA-256. The secret has 256 bits of
// entropy, so a slow hash would add nothing.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func checksum(s string) string {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], crc32.ChecksumIEEE([]byte(s)))
	return base64.RawURLEncoding.EncodeToString(b[:])
}
