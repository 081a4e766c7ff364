package grants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

const (
	// freshFor is the longest that a credential is used without asking the database.
	freshFor = time.Minute
	// readsAtOnce bounds the readings of the database by calls that found nothing in
	// memory, and readPatience how long one waits for its turn and its answer.
	readsAtOnce  = 32
	readPatience = 2 * time.Second
)

// Source is the credentials of this process in memory, in front of Resolve. A change
// of a grant on any node reaches it by a notice. Start it before it is used.
type Source struct {
	db      *tenancy.DB
	service *Service
	log     *slog.Logger
	cache   *credentials
	flights singleflight.Group
	reads   *semaphore.Weighted
	handles sync.Map // of tenant id to tenancy.Handle

	mu   sync.Mutex
	stop context.CancelFunc
	done chan struct{}
	// upTo is, by tenant, the latest change that was heard of.
	upTo map[string]time.Time
}

// NewSource makes a source.
func NewSource(db *tenancy.DB, service *Service, log *slog.Logger) *Source {
	return &Source{db: db, service: service, log: log, cache: newCredentials(), reads: semaphore.NewWeighted(readsAtOnce), upTo: map[string]time.Time{}}
}

// Start begins to listen for changes.
func (s *Source) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return errors.New("start source: it is started already")
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop, s.done = cancel, make(chan struct{})
	changed := s.db.Notices().Subscribe(func(t tenancy.Topic) bool { _, ok := t.Grants(); return ok })
	go func() {
		defer close(s.done)
		defer changed.Close()
		for {
			select {
			case <-ctx.Done():
				return
			case <-changed.Wake():
				s.hear(ctx, changed.Take())
			}
		}
	}()
	return nil
}

// Stop ends the listening. It is safe to call twice, and before Start.
func (s *Source) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop == nil {
		return
	}
	s.stop()
	<-s.done
}

// Get gives the credential for a call: from memory where it can, else from Resolve,
// one flight for all calls that want the same. Errors: as Resolve's.
func (s *Source) Get(ctx context.Context, tenantID string, q Query) (Credential, error) {
	key := credentialKey{tenantID, q.ProfileID, q.Subject}
	if c, ok := s.cache.get(key, q, s.service.now()); ok {
		return c, nil
	}
	flight := strings.Join([]string{tenantID, q.ProfileID, q.Subject, q.Audience, strings.Join(q.Scopes, " ")}, "\x00")
	done := s.flights.DoChan(flight, func() (any, error) {
		return s.miss(context.WithoutCancel(ctx), key, q)
	})
	return await(ctx, done)
}

func await(ctx context.Context, done <-chan singleflight.Result) (Credential, error) {
	select {
	case <-ctx.Done():
		return Credential{}, fmt.Errorf("resolve grant: %w", ctx.Err())
	case result := <-done:
		c, _ := result.Val.(Credential) // it is none where there is an error
		return c, result.Err
	}
}

// miss asks the database, and keeps what it says unless a change was heard meanwhile.
func (s *Source) miss(ctx context.Context, key credentialKey, q Query) (Credential, error) {
	h, err := s.handle(ctx, key.tenant)
	if err != nil {
		return Credential{}, err
	}
	epoch := s.cache.epoch(key)
	c, err := s.service.resolve(ctx, h, q, s.bounded)
	if err != nil {
		return Credential{}, err
	}
	s.cache.put(key, q, c, s.service.now(), epoch)
	return c, nil
}

// bounded lets a reading through when it is its turn. A refresh does not hold a turn:
// a provider that is slow holds up its own calls only.
func (s *Source) bounded(ctx context.Context, read func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	if err := s.reads.Acquire(ctx, 1); err != nil {
		return errs.E(errs.Unavailable, "The gateway is busy. Try again in a moment.", err)
	}
	defer s.reads.Release(1)
	return read(ctx)
}

func (s *Source) handle(ctx context.Context, tenantID string) (tenancy.Handle, error) {
	if h, ok := s.handles.Load(tenantID); ok {
		return h.(tenancy.Handle), nil //nolint:errcheck,forcetypeassert // nothing else is stored there
	}
	h, err := s.db.ForJob(ctx, tenantID, "grants.resolve")
	if err != nil {
		return tenancy.Handle{}, fmt.Errorf("resolve grant: %w", err)
	}
	s.handles.Store(tenantID, h)
	return h, nil
}

// Suspect is told when a runtime refused a credential of Get. It gives the one to try
// the call with once more. Errors: as Service.Suspect's.
func (s *Source) Suspect(ctx context.Context, tenantID string, q Query, refused Credential) (Credential, error) {
	key := credentialKey{tenantID, q.ProfileID, q.Subject}
	s.cache.drop(key)
	if refused.GrantID == "" || q.Audience != "" {
		// The token of an exchange is made anew; a grant stands behind it or not.
		s.service.exchanged.forget(tenantID, q.ProfileID, q.Subject)
		c, err := s.Get(ctx, tenantID, q)
		if err == nil && c.Token.Reveal() == refused.Token.Reveal() {
			err = errs.E(errs.DownstreamRejected, wordsRefused, nil)
		}
		return c, err
	}
	done := s.flights.DoChan("suspect\x00"+tenantID+"\x00"+refused.GrantID, func() (any, error) {
		return s.service.Suspect(context.WithoutCancel(ctx), tenantID, refused.GrantID, refused.Generation)
	})
	c, err := await(ctx, done)
	if err != nil {
		return Credential{}, err
	}
	if !slices.Equal(c.Scopes, refused.Scopes) && !covers(c.Scopes, q.Scopes) {
		return s.Get(ctx, tenantID, q) // it says what is missing
	}
	return c, nil
}
