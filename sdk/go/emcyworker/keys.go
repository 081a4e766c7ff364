package emcyworker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	keysFresh   = 5 * time.Minute  // a key set is taken as it is
	keysStale   = time.Hour        // it still serves where it cannot be fetched
	keysAgain   = 10 * time.Second // between two fetches because of a key that is not in it
	keysBackOff = time.Second      // before a fetch that failed is tried again
	keysTimeout = 5 * time.Second
	keysLimit   = 256 << 10
)

// errKeys says that an issuer's keys are not known and cannot be fetched.
var errKeys = errors.New("the keys cannot be fetched")

// jwk is a public key (RFC 7517, RFC 7518 section 6).
type jwk struct {
	KID string `json:"kid"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
	N   string `json:"n"`
	E   string `json:"e"`
}

// keySets are the key sets of the workspaces, fetched when they are needed and kept for
// a while.
type keySets struct {
	now   func() time.Time
	fetch func(ctx context.Context, issuer string) ([]byte, error)

	mu      sync.Mutex
	entries map[string]*keyEntry
}

type keyEntry struct {
	mu              sync.Mutex // held while a fetch runs, which serves all who wait
	keys            []jwk
	fetched, failed time.Time
}

// get gives the issuer's key of that id, nil where it has none.
func (s *keySets) get(ctx context.Context, issuer, kid string) (*jwk, error) {
	s.mu.Lock()
	e := s.entries[issuer]
	if e == nil {
		e = &keyEntry{}
		s.entries[issuer] = e
	}
	s.mu.Unlock()

	e.mu.Lock()
	defer e.mu.Unlock()
	now := s.now()
	key := e.find(kid)
	fresh := keysAgain
	if key != nil {
		fresh = keysFresh
	}
	if within(now, e.fetched, fresh) {
		return key, nil
	}
	if !within(now, e.failed, keysBackOff) {
		s.refresh(ctx, issuer, e)
	}
	if e.fetched.IsZero() || (!e.failed.IsZero() && !within(now, e.fetched, keysStale)) {
		return nil, errKeys
	}
	return e.find(kid), nil
}

func (s *keySets) refresh(ctx context.Context, issuer string, e *keyEntry) {
	// Others wait for it too: it does not end with the request that began it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	var set struct {
		Keys []jwk `json:"keys"`
	}
	raw, err := s.fetch(ctx, issuer)
	if err == nil {
		err = json.Unmarshal(raw, &set)
	}
	if err != nil || set.Keys == nil {
		e.failed = s.now()
		return
	}
	e.keys, e.fetched, e.failed = set.Keys, s.now(), time.Time{}
}

func (e *keyEntry) find(kid string) *jwk {
	for i := range e.keys {
		if e.keys[i].KID == kid {
			return &e.keys[i]
		}
	}
	return nil
}

func within(now, since time.Time, d time.Duration) bool {
	age := now.Sub(since)
	return !since.IsZero() && age >= 0 && age < d
}

// fetcher asks {issuer}/jwks and follows no redirect.
func fetcher(client *http.Client) func(ctx context.Context, issuer string) ([]byte, error) {
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return func(ctx context.Context, issuer string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(issuer, "/")+"/jwks", http.NoBody)
		if err != nil {
			return nil, err
		}
		res, err := direct.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = res.Body.Close() }() // it was read
		if res.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the key set answered %s", res.Status)
		}
		raw, err := io.ReadAll(io.LimitReader(res.Body, keysLimit+1))
		if err == nil && len(raw) > keysLimit {
			err = errors.New("the key set is too large")
		}
		return raw, err
	}
}
