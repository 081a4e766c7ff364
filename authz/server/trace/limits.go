package trace

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/emcy/gateway/tenancy"
)

// Retention is how long a trace is kept after its last step.
const Retention = 7 * 24 * time.Hour

// What anybody may have stored, with nothing but requests.
const (
	perNetwork       = 2 // steps a second, of one network at one tenant
	networkAtOnce    = 60
	perTenant        = 20
	tenantAtOnce     = 300
	perFamilies      = 50 // steps a second of a tenant's signed-in clients
	familiesAtOnce   = 500
	maxLimiters      = 20_000
	maxTraces        = 5000 // of a tenant
	maxDiscoveries   = 1000 // of them that never got beyond discovery, which costs an outsider nothing
	roomAtOnce       = 50   // rows that go when there is no room
	sweepBatch       = 1000
	limiterForgotten = 2 * time.Minute // after that a limiter is full again
)

// gate admits steps by tenant and network.
type gate struct {
	mu       sync.Mutex
	limiters map[string]*limiter
}

type limiter struct {
	rate *rate.Limiter
	seen time.Time
}

func newGate() *gate { return &gate{limiters: map[string]*limiter{}} }

func (g *gate) admit(tenant, network string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	// The network first: one that sends too much takes nothing from the others.
	return g.of(tenant+"\n"+network, perNetwork, networkAtOnce, now).AllowN(now, 1) && g.of(tenant, perTenant, tenantAtOnce, now).AllowN(now, 1)
}

// family admits a step of somebody who holds a token.
func (g *gate) family(tenant string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.of(tenant+"\nfamilies", perFamilies, familiesAtOnce, now).AllowN(now, 1)
}

func (g *gate) of(key string, each rate.Limit, atOnce int, now time.Time) *rate.Limiter {
	l := g.limiters[key]
	if l == nil {
		if len(g.limiters) >= maxLimiters {
			g.makeRoom(now)
		}
		l = &limiter{rate: rate.NewLimiter(each, atOnce)}
		g.limiters[key] = l
	}
	l.seen = now
	return l.rate
}

// makeRoom forgets limiters that are full again, and where that is not enough, any.
func (g *gate) makeRoom(now time.Time) {
	for key, l := range g.limiters {
		if now.Sub(l.seen) > limiterForgotten {
			delete(g.limiters, key)
		}
	}
	for key := range g.limiters {
		if len(g.limiters) < maxLimiters*9/10 {
			return
		}
		delete(g.limiters, key)
	}
}

// makeRoom deletes a tenant's oldest traces where there are too many: first those
// that anybody can make.
func makeRoom(tx *tenancy.Tx) error {
	for _, bound := range []struct {
		where string
		args  []any
		most  int64
	}{
		{"state = ?", []any{string(Discovering)}, maxDiscoveries},
		{"updated_at > ?", []any{time.Time{}}, maxTraces},
	} {
		var n int64
		if err := tx.DB().Model(&traceRow{}).Where(bound.where, bound.args...).Count(&n).Error; err != nil {
			return fmt.Errorf("count traces: %w", err)
		}
		if n < bound.most {
			continue
		}
		var old []string
		err := tx.DB().Model(&traceRow{}).Where(bound.where, bound.args...).Order("updated_at, id").Limit(int(n-bound.most)+roomAtOnce).Pluck("id", &old).Error
		if err != nil {
			return fmt.Errorf("find old traces: %w", err)
		}
		if err := tx.DB().Where("id IN ?", old).Delete(&traceRow{}).Error; err != nil {
			return fmt.Errorf("delete old traces: %w", err)
		}
	}
	return nil
}

// Sweep deletes traces that nothing happened in for seven days, in all tenants.
func (r *Recorder) Sweep(ctx context.Context) error {
	end := r.db.Clock().Now().Add(-Retention)
	for {
		var old []traceRow
		err := r.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
			if err := tx.DB().Select("tenant_id", "id").Where("updated_at < ?", end).Order("updated_at").Limit(sweepBatch).Find(&old).Error; err != nil || len(old) == 0 {
				return err
			}
			gone := make([]string, len(old))
			for i, row := range old {
				gone[i] = row.ID
			}
			return tx.DB().Where("id IN ? AND updated_at < ?", gone, end).Delete(&traceRow{}).Error
		})
		if err != nil {
			return fmt.Errorf("sweep traces: %w", err)
		}
		if len(old) < sweepBatch {
			return nil
		}
	}
}
