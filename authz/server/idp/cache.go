package idp

import (
	"context"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/clock"
)

const (
	freshFor = 10 * time.Minute
	keepFor  = 24 * time.Hour
	// retryAfter bounds how often a document that is there is asked for again.
	retryAfter = time.Minute
	// retrySoon is the same where nothing is there yet.
	retrySoon = 5 * time.Second
	maxCached = 1000
)

// documents keeps providers' metadata by issuer. One is fetched once at a time, asked
// for again when it is ten minutes old, and used up to a day when its source does not
// answer.
type documents struct {
	clock   clock.Clock
	mu      sync.Mutex
	entries map[string]*entry
}

type entry struct {
	mu         sync.Mutex
	value      document
	got, tried time.Time
	err        error
}

func newDocuments(c clock.Clock) *documents {
	return &documents{clock: c, entries: map[string]*entry{}}
}

func (c *documents) get(ctx context.Context, issuer string, fetch func(context.Context) (document, error)) (document, error) {
	e := c.entry(issuer)
	e.mu.Lock()
	defer e.mu.Unlock()
	now := c.clock.Now()
	have := !e.got.IsZero() && now.Sub(e.got) < keepFor
	if have && now.Sub(e.got) < freshFor {
		return e.value, nil
	}
	pause := retrySoon
	if have {
		pause = retryAfter
	}
	if e.tried.IsZero() || now.Sub(e.tried) >= pause {
		e.tried = now
		// Who closes the browser must not fail the sign-ins of those who wait.
		value, err := fetch(context.WithoutCancel(ctx))
		if err == nil {
			e.value, e.got, have = value, now, true
		}
		e.err = err
	}
	if have {
		return e.value, nil
	}
	return document{}, e.err
}

func (c *documents) entry(issuer string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.entries[issuer]
	if e == nil {
		for old := range c.entries {
			if len(c.entries) < maxCached {
				break
			}
			delete(c.entries, old)
		}
		e = &entry{}
		c.entries[issuer] = e
	}
	return e
}
