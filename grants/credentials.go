package grants

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	shards = 64
	// maxPerShard bounds the memory: about 130,000 grants per process.
	maxPerShard = 2048
	// maxVariants bounds the audiences of one grant.
	maxVariants = 16
	// evictionTries is how many entries are looked at to find one to give up.
	evictionTries = 8
)

type credentialKey struct{ tenant, profile, subject string }

// variant is a grant's credential for one audience.
type variant struct {
	audience   string
	credential Credential
	until      time.Time
}

// credentials is the memory of a Source, in shards so that calls do not wait for each
// other.
type credentials struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu      sync.RWMutex
	entries map[credentialKey][]variant
	// epoch counts the changes that were heard: what was read before one is not kept.
	epoch uint64
}

func newCredentials() *credentials {
	c := &credentials{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].entries = map[credentialKey][]variant{}
	}
	return c
}

func (c *credentials) shard(k credentialKey) *shard {
	return &c.shards[maphash.Comparable(c.seed, k)%shards]
}

// get gives what is remembered and covers the query.
func (c *credentials) get(k credentialKey, q Query, now time.Time) (Credential, bool) {
	s := c.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	variants := s.entries[k]
	for i := range variants {
		v := &variants[i]
		if v.audience == q.Audience {
			ok := now.Before(v.until) && (v.credential.Header != "" || covers(v.credential.Scopes, q.Scopes))
			if !ok {
				return Credential{}, false
			}
			return v.credential, true
		}
	}
	return Credential{}, false
}

func (c *credentials) epoch(k credentialKey) uint64 {
	s := c.shard(k)
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.epoch
}

// put remembers a credential that was read when the epoch was that.
func (c *credentials) put(k credentialKey, q Query, credential Credential, now time.Time, epoch uint64) {
	until := now.Add(freshFor)
	if credential.ExpiresAt != nil {
		if end := credential.ExpiresAt.Add(-skewOf(credential, now)); end.Before(until) {
			until = end
		}
	}
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch != epoch || !now.Before(until) {
		return
	}
	old, known := s.entries[k]
	if !known && len(s.entries) >= maxPerShard {
		s.evict(now)
	}
	next := make([]variant, 0, len(old)+1) // what readers hold is never changed
	for _, v := range old {
		if v.audience != q.Audience && now.Before(v.until) && len(next) < maxVariants-1 {
			next = append(next, v)
		}
	}
	s.entries[k] = append(next, variant{q.Audience, credential, until})
}

// evict gives up one entry of a few: one that is over, else any.
func (s *shard) evict(now time.Time) {
	tries := 0
	for k, variants := range s.entries { // iteration over a map starts anywhere
		tries++
		if over := !now.Before(variants[len(variants)-1].until); over || tries == evictionTries {
			delete(s.entries, k)
			return
		}
	}
}

// changed drops a grant's credentials unless they are of its current token set.
func (c *credentials) changed(k credentialKey, generation int64, state string) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	row := grantRow{State: state}
	if variants := s.entries[k]; len(variants) > 0 && variants[0].credential.Generation == generation && row.usable() {
		return
	}
	s.epoch++
	delete(s.entries, k)
}

func (c *credentials) drop(k credentialKey) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	delete(s.entries, k)
}

func (c *credentials) dropTenant(tenant string) {
	c.dropIf(func(k credentialKey) bool { return k.tenant == tenant })
}

func (c *credentials) clear() { c.dropIf(func(credentialKey) bool { return true }) }

func (c *credentials) dropIf(gone func(credentialKey) bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.epoch++
		for k := range s.entries {
			if gone(k) {
				delete(s.entries, k)
			}
		}
		s.mu.Unlock()
	}
}
