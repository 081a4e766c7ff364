package server

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/emcy/gateway/authz/server/oplib"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
)

const (
	// maxShared is how many refreshes share a transaction; while it runs, those of the
	// one before are signed and sent.
	maxShared = 32
	// sharedTime ends a shared transaction, because no request of those that wait may.
	sharedTime = 10 * time.Second
)

// rotations gathers refreshes of a tenant that arrive while a transaction of others
// is under way, and does them in one: the transaction costs far more than a token.
// Nobody waits for company: without a transaction under way it begins at once.
//
// Only the ordinary refresh is done here: a token that was never used, presented
// alone and by its client, of a line that lives and is bound to no key. Everything else is left to rotate,
// so that each judgement stands in one place.
type rotations struct {
	mu    sync.Mutex
	lines map[string]*queue // by tenant; those with somebody in
}

// queue is who waits for one tenant. One of them leads: it does the transaction.
type queue struct{ waiting []*rotation }

type rotation struct {
	request oplib.RefreshRequest
	hash    string
	// turn is closed when the rotation is over, or its request is to lead.
	turn    chan struct{}
	leads   bool
	granted grant
	done    bool
	err     error
}

func newRotations() *rotations { return &rotations{lines: map[string]*queue{}} }

// take does one refresh. Where done is false nothing has happened to it.
func (b *rotations) take(ctx context.Context, s *Server, h tenancy.Handle, r oplib.RefreshRequest) (_ grant, done bool, err error) {
	one := &rotation{request: r, hash: ids.Hash(r.RefreshToken), turn: make(chan struct{})}
	b.mu.Lock()
	l := b.lines[h.Tenant()]
	if l == nil {
		l = &queue{}
		b.lines[h.Tenant()] = l
		one.leads = true
	}
	l.waiting = append(l.waiting, one)
	b.mu.Unlock()
	if !one.leads {
		<-one.turn // bounded: whoever leads has a deadline, and always hands over
	}
	if one.leads {
		b.lead(ctx, s, h, l)
	}
	return one.granted, one.done, one.err
}

// lead does the refreshes that wait, its own among them, and hands the line over.
func (b *rotations) lead(ctx context.Context, s *Server, h tenancy.Handle, l *queue) {
	runtime.Gosched() // those who are ready at this moment come along; nobody is waited for
	b.mu.Lock()
	n := min(len(l.waiting), maxShared)
	batch := slices.Clone(l.waiting[:n])
	b.mu.Unlock()
	defer b.handOver(h.Tenant(), l, slices.Clone(batch))
	// The others' refreshes must not end with this one's request.
	shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTime)
	defer cancel()
	granted, err := s.rotateAtOnce(shared, h, batch)
	rest := slices.DeleteFunc(batch, func(one *rotation) bool {
		one.granted, one.done = granted[one]
		return one.done
	})
	if err == nil && len(rest) > 0 {
		err = s.db.Write(shared, h, func(tx *tenancy.Tx) (err error) {
			granted, err = s.rotateAll(tx, rest)
			return err
		})
	}
	for _, one := range rest {
		switch {
		case err == nil:
			one.granted, one.done = granted[one]
		case errs.Is(err, errs.Unavailable):
			one.err = err // each by itself would only add to it
		}
	}
}

// handOver ends the batch's waiting, and makes the first who is left the leader.
func (b *rotations) handOver(tenant string, l *queue, batch []*rotation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.waiting = l.waiting[len(batch):]
	for _, one := range batch[1:] { // the first is who leads, and waits for nobody
		close(one.turn)
	}
	if len(l.waiting) == 0 {
		delete(b.lines, tenant)
		return
	}
	next := l.waiting[0]
	next.leads = true
	close(next.turn)
}
