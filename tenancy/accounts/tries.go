package accounts

import (
	"sync"
	"time"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/errs"
)

// tries slows down guessing: after some wrong passwords for one account, or from
// one address, the next try has to wait. It is per process; with several nodes a
// guesser gets that many more tries, which argon2id's price keeps few.
type tries struct {
	clock clock.Clock
	mu    sync.Mutex
	wrong map[string]*wrongTries
}

type wrongTries struct {
	count int
	until time.Time // the window's end
}

const (
	tryWindow     = 15 * time.Minute
	maxPerAccount = 10
	maxPerAddress = 50
	maxRemembered = 100_000
)

func newTries(c clock.Clock) *tries { return &tries{clock: c, wrong: map[string]*wrongTries{}} }

func (t *tries) allow(email, from string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	for key, most := range map[string]int{"account " + email: maxPerAccount, "address " + from: maxPerAddress} {
		if w := t.wrong[key]; w != nil && w.count >= most && now.Before(w.until) {
			e := errs.E(errs.RateLimited, "Too many wrong tries. Wait a few minutes, then try again.", nil)
			e.RetryAfter = w.until.Sub(now)
			return e
		}
	}
	return nil
}

func (t *tries) failed(email, from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.clock.Now()
	if len(t.wrong) > maxRemembered {
		for key, w := range t.wrong {
			if !now.Before(w.until) {
				delete(t.wrong, key)
			}
		}
	}
	for _, key := range []string{"account " + email, "address " + from} {
		w := t.wrong[key]
		if w == nil || !now.Before(w.until) {
			w = &wrongTries{until: now.Add(tryWindow)}
			t.wrong[key] = w
		}
		w.count++
	}
}

func (t *tries) succeeded(email string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.wrong, "account "+email)
}
