package accounts

import (
	"net/netip"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/errs"
)

// tries slows down guessing: after some wrong passwords for one account from one
// network, many for the account or many from the network, the next try has to wait. It is per process; with several nodes a
// guesser gets that many more tries, which argon2id's price keeps few.
type tries struct {
	clock clock.Clock
	mu    sync.Mutex
	wrong map[string]*wrongTries
	// sweepAt is when counters are next looked through for old ones.
	sweepAt time.Time
}

type wrongTries struct {
	count int
	until time.Time // the window's end
}

const (
	tryWindow = 15 * time.Minute
	// maxPerPair is the tight limit: one account, tried from one network. A limit of
	// the account alone would let anybody lock its owner out.
	maxPerPair = 10
	// maxPerAccount is the wide one, for a guesser who has many networks.
	maxPerAccount = 100
	maxPerAddress = 50
	// maxSignUps bounds the accounts that one address can make, and the addresses of
	// others that it can ask about, in one window.
	maxSignUps = 30
)

func newTries(c clock.Clock) *tries { return &tries{clock: c, wrong: map[string]*wrongTries{}} }

// limits are the counters of a try, with the most that each may reach.
func limits(email, from string) map[string]int {
	out := map[string]int{"address " + network(from): maxPerAddress}
	if email != "" {
		out[accountKey(email)], out[pairKey(email, from)] = maxPerAccount, maxPerPair
	}
	return out
}

func accountKey(email string) string { return "account " + email }

func pairKey(email, from string) string { return "pair " + network(from) + " " + email }

// network is what one guesser commands: an IPv4 address, or an IPv6 /64.
func network(from string) string {
	const bits = 64
	if addr, err := netip.ParseAddr(from); err == nil && addr.Unmap().Is6() {
		if p, err := addr.WithZone("").Prefix(bits); err == nil {
			return p.String()
		}
	} else if err == nil {
		return addr.Unmap().String()
	}
	return from
}

// take counts a try before its password is checked: a burst of parallel tries must
// not get past a count that grows only afterwards.
func (t *tries) take(email, from string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count(limits(email, from), "Too many wrong tries. Wait a few minutes, then try again.")
}

// takeSignUp counts a sign-up, whatever comes of it.
func (t *tries) takeSignUp(from string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count(map[string]int{"sign-ups " + network(from): maxSignUps}, "Too many sign-ups from your address. Wait a few minutes, then try again.")
}

// count adds one to each counter, unless one of them is at its most. The caller
// holds the lock.
func (t *tries) count(counters map[string]int, refusal string) error {
	now := t.clock.Now()
	t.forget(now)
	for key, most := range counters {
		if w := t.wrong[key]; w != nil && w.count >= most && now.Before(w.until) {
			e := errs.E(errs.RateLimited, refusal, nil)
			e.RetryAfter = w.until.Sub(now)
			return e
		}
	}
	for key := range counters {
		w := t.wrong[key]
		if w == nil || !now.Before(w.until) {
			w = &wrongTries{until: now.Add(tryWindow)}
			t.wrong[key] = w
		}
		w.count++
	}
	return nil
}

// refund takes back a try that turned out to be no wrong password.
func (t *tries) refund(email, from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range limits(email, from) {
		if w := t.wrong[key]; w != nil {
			if w.count--; w.count <= 0 {
				delete(t.wrong, key)
			}
		}
	}
}

// succeeded also clears the account's counts: its owner is here.
func (t *tries) succeeded(email, from string) {
	t.refund(email, from)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.wrong, accountKey(email))
	delete(t.wrong, pairKey(email, from))
}

// forget drops the counters whose window is over, once per window. What is left is
// bounded by how many passwords can be checked in one.
func (t *tries) forget(now time.Time) {
	if now.Before(t.sweepAt) {
		return
	}
	t.sweepAt = now.Add(tryWindow)
	for key, w := range t.wrong {
		if !now.Before(w.until) {
			delete(t.wrong, key)
		}
	}
}
