package accounts

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/emcy/gateway/internal/errs"
)

// Cost is argon2id's parameters (RFC 9106). They are stored with every hash.
type Cost struct {
	MemoryKiB uint32
	Passes    uint32
}

// DefaultCost is 64 MiB and three passes, above OWASP's floor of 19 MiB and two.
var DefaultCost = Cost{MemoryKiB: 64 << 10, Passes: 3}

const (
	minPassword = 8
	maxPassword = 128
	saltLen     = 16
	hashLen     = 32
	// hashWait is how long a sign-in waits for its turn before it is told to come back.
	hashWait = 5 * time.Second
)

// hasher runs argon2id behind a semaphore: it is made to be expensive, and many
// sign-ins at once must not take the machine from the edge.
type hasher struct {
	cost  Cost
	turns chan struct{}
	wait  time.Duration
	// derive is argon2id; a test counts its calls here.
	derive func(cost Cost, password, salt []byte) []byte
	dummy  string
}

func newHasher(cost Cost) *hasher {
	h := &hasher{cost: cost, turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)-1)), wait: hashWait, derive: argon2id}
	h.dummy = h.sum(cost, "no account has this password", make([]byte, saltLen))
	return h
}

func argon2id(cost Cost, password, salt []byte) []byte {
	return argon2.IDKey(password, salt, cost.Passes, cost.MemoryKiB, 1, hashLen)
}

func (h *hasher) turn(ctx context.Context) (done func(), err error) {
	timer := time.NewTimer(h.wait)
	defer timer.Stop()
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		e := errs.E(errs.RateLimited, "Many people are signing in right now. Try again in a few seconds.", nil)
		e.RetryAfter = h.wait
		return nil, e
	}
}

func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt)
	return h.sum(h.cost, password, salt), nil
}

// check compares a password with a stored hash. An empty stored hash stands for
// an account that does not exist: the work is done all the same.
func (h *hasher) check(ctx context.Context, stored, password string) (bool, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	exists := stored != ""
	if !exists {
		stored = h.dummy
	}
	cost, salt, err := parseHash(stored)
	if err != nil {
		return false, err
	}
	same := subtle.ConstantTimeCompare([]byte(h.sum(cost, password, salt)), []byte(stored)) == 1
	return same && exists, nil
}

// outdated reports whether a stored hash was made with other parameters than a new
// one would be.
func (h *hasher) outdated(stored string) bool {
	cost, _, err := parseHash(stored)
	return err == nil && cost != h.cost
}

func (h *hasher) sum(cost Cost, password string, salt []byte) string {
	key := h.derive(cost, []byte(normalise(password)), salt)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=1$%s$%s", cost.MemoryKiB, cost.Passes, b64(salt), b64(key))
}

func parseHash(stored string) (Cost, []byte, error) {
	parts := strings.Split(stored, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" {
		return Cost{}, nil, errors.New("stored password hash has an unknown form")
	}
	var cost Cost
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=1", &cost.MemoryKiB, &cost.Passes); err != nil || cost.Passes == 0 {
		return Cost{}, nil, errors.New("stored password hash has unknown parameters")
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return Cost{}, nil, errors.New("stored password hash has no salt")
	}
	return cost, salt, nil
}

// normalise makes one password out of the ways in which keyboards compose it.
func normalise(password string) string { return norm.NFC.String(password) }

// checkPassword says what is wrong with a new password, or "".
func checkPassword(password, email string) string {
	password = normalise(password)
	n := utf8.RuneCountInString(password)
	switch {
	case n < minPassword:
		return fmt.Sprintf("Use at least %d characters; a few words in a row are good.", minPassword)
	case n > maxPassword:
		return fmt.Sprintf("Use at most %d characters.", maxPassword)
	case strings.EqualFold(password, email):
		return "Do not use your e-mail address as the password."
	case strings.Count(password, string([]rune(password)[:1])) == n:
		return "One character repeated is too easy to guess."
	}
	return ""
}
