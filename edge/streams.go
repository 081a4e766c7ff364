package edge

import (
	"context"
	"sync"
	"time"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/usage/event"
)

// streamEnd is why the gateway itself ends a stream.
type streamEnd struct {
	outcome event.Outcome
	reason  string
}

func (e *streamEnd) Error() string { return "stream ended: " + e.reason }

var (
	endRemoved  = &streamEnd{event.Denied, reasonRuntimeRemoved}
	endStopping = &streamEnd{event.Cancelled, reasonGatewayStopping}
	endExpired  = &streamEnd{event.Denied, reasonExpiredToken}
)

// streamGrace is how long a stream may go on after its token has expired: what a tool
// is about to answer need not be lost to the second. A request needs a token that has
// not expired, so nothing begins in that time, and nothing but expiry waits for it.
const streamGrace = 30 * time.Second

// streams are the open streams. A stream outlives the check of its token, so each
// new snapshot is held against all of them, and each ends soon after its token.
type streams struct {
	snapshots *snapshot.Store
	clock     clock.Clock
	ctx       context.Context //nolint:containedctx // it is the watching goroutine's own
	cancel    context.CancelFunc
	watching  sync.WaitGroup

	mu      sync.Mutex
	started bool
	open    map[*stream]struct{}
}

type stream struct {
	tenant, slug, edge string
	access             *access
	end                func(error)
	expiry             *time.Timer
	seen               *snapshot.Tenant // the tenant's state that it was last held against
}

func newStreams(snapshots *snapshot.Store, c clock.Clock) *streams {
	ctx, cancel := context.WithCancel(context.Background())
	return &streams{snapshots: snapshots, clock: c, ctx: ctx, cancel: cancel, open: map[*stream]struct{}{}}
}

func (s *streams) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started || s.ctx.Err() != nil {
		return
	}
	s.started = true
	s.watching.Go(s.watch)
}

func (s *streams) stop() {
	s.cancel()
	s.watching.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.open {
		o.end(endStopping)
	}
}

func (s *streams) watch() {
	for {
		changed := s.snapshots.Changed() // before the look, so that no change falls between
		s.sweep(s.snapshots.Load())
		select {
		case <-s.ctx.Done():
			return
		case <-changed:
		}
	}
}

func (s *streams) sweep(snap *snapshot.Snapshot) {
	now := s.clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for o := range s.open {
		o.check(snap, now)
	}
}

// add begins to watch a stream. It may end it at once: the snapshot may have
// changed since the token was checked.
func (s *streams) add(c call, a *access, end func(error)) *stream {
	now := s.clock.Now()
	o := &stream{tenant: c.tenant.ID, slug: c.edge.Slug, edge: c.edge.ID, access: a, end: end, seen: c.tenant}
	o.expiry = time.AfterFunc(a.expires.Add(streamGrace).Sub(now), func() { end(endExpired) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[o] = struct{}{}
	if s.ctx.Err() != nil {
		end(endStopping)
		return o
	}
	o.check(s.snapshots.Load(), now)
	return o
}

func (s *streams) remove(o *stream) {
	o.expiry.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, o)
}

// check ends the stream where a snapshot, or the time, no longer allows it.
func (o *stream) check(snap *snapshot.Snapshot, now time.Time) {
	tenant := snap.ByID(o.tenant)
	if tenant == o.seen && tenant != nil {
		return
	}
	o.seen = tenant
	if tenant == nil {
		o.end(endRemoved)
		return
	}
	target := tenant.Edges[o.slug]
	if target == nil || target.ID != o.edge {
		o.end(endRemoved)
		return
	}
	if fault := o.access.check(tenant, target, now.Add(-streamGrace)); fault != nil {
		o.end(&streamEnd{event.Denied, fault.reason})
	}
}
