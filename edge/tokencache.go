package edge

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	tokenShards = 64
	// evictionTries is how many entries are looked at to find one to give up.
	evictionTries = 8
)

// tokenCache remembers verified tokens by their whole text. What it gives was true
// when the signature was checked; the caller checks what may have changed.
type tokenCache struct {
	seed   maphash.Seed
	shards [tokenShards]tokenShard
	limit  int // per shard
}

type tokenShard struct {
	mu      sync.RWMutex
	entries map[string]*access
}

func newTokenCache(size int) *tokenCache {
	c := &tokenCache{seed: maphash.MakeSeed(), limit: max(1, size/tokenShards)}
	for i := range c.shards {
		c.shards[i].entries = map[string]*access{}
	}
	return c
}

func (c *tokenCache) shard(token string) *tokenShard {
	return &c.shards[maphash.String(c.seed, token)%tokenShards]
}

func (c *tokenCache) get(token string) *access {
	s := c.shard(token)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries[token]
}

func (c *tokenCache) put(token string, a *access, now time.Time) {
	s := c.shard(token)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.entries[token]; !known && len(s.entries) >= c.limit {
		s.evict(now)
	}
	s.entries[token] = a
}

// evict gives up what is expired among a few entries, and at least the one of them
// that expires first. Iteration over a map starts anywhere.
func (s *tokenShard) evict(now time.Time) {
	var victim string
	var earliest time.Time
	tries := 0
	for token, a := range s.entries {
		if !now.Before(a.expires) {
			delete(s.entries, token)
			victim = ""
			earliest = now // something is gone already
		} else if earliest.IsZero() || a.expires.Before(earliest) {
			victim, earliest = token, a.expires
		}
		if tries++; tries == evictionTries {
			break
		}
	}
	if victim != "" {
		delete(s.entries, victim)
	}
}

func (c *tokenCache) len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.RLock()
		n += len(s.entries)
		s.mu.RUnlock()
	}
	return n
}
