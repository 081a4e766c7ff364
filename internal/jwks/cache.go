package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/emcy/gateway/internal/clock"
)

const (
	// RefetchAfter is how long an address is left alone after it was asked, whatever it
	// answered: a JWT with a made-up kid must not become a request each.
	RefetchAfter = time.Minute
	// LastGood is how long a set is used while its address does not answer.
	LastGood = 24 * time.Hour
	// A set is asked for again when it is as old as its max-age says, within bounds: a
	// key that was taken out must go.
	defaultAge = 10 * time.Minute
	longestAge = time.Hour
	maxSets    = 2_000
)

// Getter fetches a JSON document of at most maxBytes, as outbound.Client does.
type Getter interface {
	GetJSON(ctx context.Context, rawURL string, maxBytes int64, dst any) (http.Header, error)
}

// Cache keeps the sets that were fetched. It is for concurrent use.
type Cache struct {
	get   Getter
	clock clock.Clock
	mu    sync.Mutex
	sets  map[string]*entry
}

// entry is one address. Its turn is taken by whoever asks the address, so that many who
// need it make one request.
type entry struct {
	turn    chan struct{}
	set     Set
	err     error // of the last request
	asked   time.Time
	fetched time.Time // of the last good set
	until   time.Time
}

// New makes a cache.
func New(get Getter, c clock.Clock) *Cache {
	return &Cache{get: get, clock: c, sets: map[string]*entry{}}
}

// Verify checks the JWT's signature with the set at the address and reads its claims. A
// set that is old, or has no key for the JWT, is fetched again, once a minute at most. It
// must not be called in a transaction. Errors: ErrNoKey, a bad signature, and those of
// the fetch, which wrap *outbound.Error.
func (c *Cache) Verify(ctx context.Context, address string, token *jwt.JSONWebToken, claims ...any) error {
	set, err := c.set(ctx, address, func(s Set) bool { return len(token.Headers) == 1 && len(s.Fitting(token.Headers[0])) > 0 })
	if err != nil {
		return err
	}
	return set.Verify(token, claims...)
}

// set gives a set that is fresh and fit to use, or the best one there is.
func (c *Cache) set(ctx context.Context, address string, fits func(Set) bool) (Set, error) {
	e := c.entry(address)
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the key set: %w", ctx.Err())
	}
	now := c.clock.Now()
	if (now.After(e.until) || !fits(e.set)) && (e.asked.IsZero() || now.Sub(e.asked) >= RefetchAfter) {
		c.fetch(ctx, address, e, now)
	}
	if e.set == nil || now.Sub(e.fetched) > LastGood {
		return nil, fmt.Errorf("fetch the key set: %w", e.err)
	}
	return e.set, nil
}

func (c *Cache) fetch(ctx context.Context, address string, e *entry, now time.Time) {
	e.asked = now
	var raw json.RawMessage
	// Others wait for this answer, so it does not end with whoever asked first.
	header, err := c.get.GetJSON(context.WithoutCancel(ctx), address, MaxBytes, &raw)
	var set Set
	if err == nil {
		set, err = Parse(raw)
	}
	if e.err = err; err != nil {
		return
	}
	e.set, e.fetched, e.until = set, now, now.Add(age(header))
}

func (c *Cache) entry(address string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.sets[address]
	if !ok {
		if len(c.sets) >= maxSets {
			for any := range c.sets {
				delete(c.sets, any)
				break
			}
		}
		e = &entry{turn: make(chan struct{}, 1), err: errors.New("not asked yet")}
		c.sets[address] = e
	}
	return e
}

// age is how long a set counts as new (RFC 9111, section 5.2.2.1).
func age(h http.Header) time.Duration {
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		value, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(directive)), "max-age=")
		seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
		if ok && err == nil {
			return min(max(time.Duration(seconds)*time.Second, RefetchAfter), longestAge)
		}
	}
	return defaultAge
}
