package server

import (
	"context"
	"sync"
	"time"

	"github.com/emcy/gateway/tenancy"
)

const (
	// originAge is how old the gate's answer may be. The snapshot that found the origin
	// before us may be older.
	originAge  = time.Second
	maxOrigins = 50_000
)

// origins remembers for a moment which tenant the gate said an origin belongs to:
// it is asked with every request, and the answer hardly ever changes.
type origins struct {
	db    *tenancy.DB
	mu    sync.RWMutex
	known map[string]knownOrigin
}

type knownOrigin struct {
	handle tenancy.Handle
	since  time.Time
}

func newOrigins(db *tenancy.DB) *origins {
	return &origins{db: db, known: map[string]knownOrigin{}}
}

func (o *origins) of(ctx context.Context, origin string) (tenancy.Handle, error) {
	now := o.db.Clock().Now()
	o.mu.RLock()
	k, ok := o.known[origin]
	o.mu.RUnlock()
	if age := now.Sub(k.since); ok && age >= 0 && age < originAge {
		return k.handle, nil
	}
	handle, err := o.db.ForOrigin(ctx, origin)
	if err != nil {
		return tenancy.Handle{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.known) >= maxOrigins {
		clear(o.known)
	}
	o.known[origin] = knownOrigin{handle, now}
	return handle, nil
}
