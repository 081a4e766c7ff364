package clients

import (
	"net/netip"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/clock"
)

// Limits of what anybody may have stored here, per tenant and address prefix, in an
// hour. One sign-in of a real client takes up to three registrations, and every new
// sign-in registers anew; many people may share an address.
const (
	RegistrationsPerHour = 120
	AttemptsPerHour      = 1200
	maxWindows           = 50_000
)

// Hourly counts acts in this process.
type Hourly struct {
	most  int
	clock clock.Clock
	mu    sync.Mutex
	seen  map[origin]*window
	swept time.Time
}

type origin struct {
	tenant string
	prefix netip.Prefix
}

type window struct {
	count int
	until time.Time
}

// NewHourly lets through so many acts per tenant and address prefix in an hour.
func NewHourly(c clock.Clock, most int) *Hourly {
	return &Hourly{most: most, clock: c, seen: map[origin]*window{}}
}

// Take counts one act and says how long to wait where it is one too many.
func (l *Hourly) Take(tenant string, ip netip.Addr) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	l.makeRoom(now)
	bits := 32
	if ip.Is6() && !ip.Is4In6() {
		bits = 64 // an IPv6 customer has a whole /64
	}
	prefix, _ := ip.Unmap().Prefix(bits) // of an address that is not known: the zero prefix
	key := origin{tenant, prefix}
	w := l.seen[key]
	if w == nil || !now.Before(w.until) {
		w = &window{until: now.Add(time.Hour)}
		l.seen[key] = w
	}
	w.count++
	if w.count > l.most {
		return w.until.Sub(now)
	}
	return 0
}

// makeRoom keeps the map bounded, at a bounded price: expired windows go at most
// once a minute, and a full map loses any one window for each new one.
func (l *Hourly) makeRoom(now time.Time) {
	if len(l.seen) < maxWindows {
		return
	}
	if now.Sub(l.swept) >= time.Minute {
		l.swept = now
		for key, w := range l.seen {
			if !now.Before(w.until) {
				delete(l.seen, key)
			}
		}
	}
	for key := range l.seen {
		if len(l.seen) < maxWindows {
			return
		}
		delete(l.seen, key)
	}
}
