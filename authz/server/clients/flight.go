package clients

import (
	"context"
	"sync"
)

// flight runs one call per key at a time. Who asks meanwhile gets its result, and who
// gives up does not stop it for the others.
type flight[K comparable, V any] struct {
	mu    sync.Mutex
	calls map[K]*call[V]
}

type call[V any] struct {
	done  chan struct{}
	value V
	err   error
}

func (f *flight[K, V]) do(ctx context.Context, key K, fn func(context.Context) (V, error)) (V, error) {
	f.mu.Lock()
	c, running := f.calls[key]
	if !running {
		c = &call[V]{done: make(chan struct{})}
		if f.calls == nil {
			f.calls = map[K]*call[V]{}
		}
		f.calls[key] = c
		go func() {
			c.value, c.err = fn(context.WithoutCancel(ctx))
			f.mu.Lock()
			delete(f.calls, key)
			f.mu.Unlock()
			close(c.done)
		}()
	}
	f.mu.Unlock()
	select {
	case <-c.done:
		return c.value, c.err
	case <-ctx.Done():
		var none V
		return none, ctx.Err()
	}
}
