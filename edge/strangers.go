package edge

import (
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/emcy/gateway/internal/logx"
)

// How many requests without an accepted token get into one tenant's log.
const (
	strangersPerSecond = 10
	strangersAtOnce    = 50
	// strangersQuiet is the least time between two lines about those left out.
	strangersQuiet = time.Minute
)

// strangers bounds the events of requests without an accepted token: anybody can
// send those, and must not be able to fill a tenant's log. It holds one entry for
// each tenant that was ever asked for, and no more: a tenant is found before.
type strangers struct {
	log *slog.Logger

	mu      sync.Mutex
	tenants map[string]*stranger
}

type stranger struct {
	limiter *rate.Limiter
	left    int       // out of the log, since it was last said
	said    time.Time // zero where it never was
}

func newStrangers(log *slog.Logger) *strangers {
	return &strangers{log: log, tenants: map[string]*stranger{}}
}

// admit reports whether one more event goes into the tenant's log.
func (s *strangers) admit(tenant string, now time.Time) bool {
	ok, left := s.count(tenant, now)
	if left > 0 {
		s.log.Warn("requests without an accepted token are too many: some are left out of the usage log", logx.Tenant, tenant, "left_out", left)
	}
	return ok
}

// count also gives how many were left out, when it is time to say so.
func (s *strangers) count(tenant string, now time.Time) (ok bool, left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.tenants[tenant]
	if one == nil {
		one = &stranger{limiter: rate.NewLimiter(strangersPerSecond, strangersAtOnce)}
		s.tenants[tenant] = one
	}
	if ok = one.limiter.AllowN(now, 1); !ok {
		one.left++
	}
	if one.left == 0 || now.Sub(one.said) < strangersQuiet {
		return ok, 0
	}
	left, one.left, one.said = one.left, 0, now
	return ok, left
}
