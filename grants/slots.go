package grants

import (
	"context"
	"sync"

	"github.com/emcy/gateway/internal/errs"
)

// atOnce is how many calls one process makes to one profile's provider at a time: a
// provider that is slow must not hold up the others.
const atOnce = 32

// slots bounds the calls to each provider.
type slots struct {
	mu    sync.Mutex
	byKey map[string]*slot
}

type slot struct {
	free  chan struct{}
	users int
}

// take waits for a free slot. Errors: errs.Unavailable when ctx ends first.
func (s *slots) take(ctx context.Context, key string) (release func(), err error) {
	s.mu.Lock()
	if s.byKey == nil {
		s.byKey = map[string]*slot{}
	}
	one := s.byKey[key]
	if one == nil {
		one = &slot{free: make(chan struct{}, atOnce)}
		s.byKey[key] = one
	}
	one.users++
	s.mu.Unlock()
	leave := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if one.users--; one.users == 0 {
			delete(s.byKey, key)
		}
	}
	select {
	case one.free <- struct{}{}:
		return func() { <-one.free; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, errs.E(errs.Unavailable, "The provider is slow, and too many connections wait for it. Try again in a moment.", ctx.Err())
	}
}
