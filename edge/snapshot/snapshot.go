package snapshot

import (
	"crypto"
	"maps"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/internal/secret"
)

// Tenant is everything the edge knows about one tenant.
type Tenant struct {
	ID   string
	Slug string
	Name string
	// Generation is the tenant's configuration that this is. It is in every usage event, and the same number means the
	// same configuration in every process.
	Generation uint64
	// Issuer is the canonical origin, without a trailing slash.
	Issuer string
	// Origins are all origins that lead here, the issuer among them.
	Origins []string
	// Keys verify access tokens, by kid: an *ecdsa.PublicKey on P-256 those of ES256, an *rsa.PublicKey those of RS256,
	// and neither any other.
	Keys map[string]crypto.PublicKey
	// DPoP tells that clients may bind their tokens to a key (RFC 9449). Bound tokens need their proofs either way.
	DPoP bool
	// DPoPRequired tells that they have to: no token is given any more that is bound to none.
	DPoPRequired bool
	// Signer signs assertions for runtimes with the active key.
	Signer Signer
	// Edges are the tenant's runtimes, by slug.
	Edges map[string]*Edge
	// Revoked holds the token families that were revoked while their access tokens may still live.
	Revoked map[string]struct{}
	// Sessions seals the ids of the runtimes' MCP sessions, which clients carry. It is the same value for as long as
	// the tenant's data keys are.
	Sessions *seal.Envelope
	// States seals what clients bring back when a person has connected an account. It lives as Sessions does.
	States *seal.Envelope
	// AllowedOrigins are the origins of pages that may call this tenant's MCP URLs, besides the tenant's own and the
	// installation's.
	AllowedOrigins []string
}

// Signer is the tenant's active signing key, of one of the two kinds that Keys has.
type Signer struct {
	KID string
	Key crypto.Signer
}

// Edge is the public side of one upstream.
type Edge struct {
	ID   string
	Slug string
	Name string
	// Resource is the MCP URL, which is the audience of its tokens.
	Resource string
	// MetadataURL is where its protected-resource metadata stands (RFC 9728).
	MetadataURL string
	// Upstream is where requests go.
	Upstream *url.URL
	// Contract is how the runtime wants the worker contract; nil is DefaultContract.
	Contract     *Contract
	WorkerSecret secret.Text
	// Downstream is the profile that is attached to the runtime; nil where none is.
	Downstream *Downstream
	// Headers are the static headers that the runtime's owner configured.
	Headers []Header
	// Scopes are what a token must hold for this edge.
	Scopes []string
	// Initial are the scopes that a first challenge asks for besides Scopes.
	Initial []string
	// Gate knows which further scope a call of a tool needs; nil where none does.
	Gate *authz.Gate
	// Tools are the runtime's tools as they were last listed, nil before they were.
	Tools *Tools
}

// Header is a static header with a secret value.
type Header struct {
	Name  string
	Value secret.Text
}

// Snapshot is one published state.
type Snapshot struct {
	// Edition counts this process's publications.
	Edition uint64
	BuiltAt time.Time
	tenants map[string]*Tenant // by id
	origins map[string]*Tenant
}

// ByOrigin finds the tenant of an origin (scheme, lower-case host, port unless it
// is the default one), or nil.
func (s *Snapshot) ByOrigin(origin string) *Tenant { return s.origins[origin] }

// ByID finds a tenant by its id, or nil.
func (s *Snapshot) ByID(id string) *Tenant { return s.tenants[id] }

// Tenants lists all tenants. The map must not be changed.
func (s *Snapshot) Tenants() map[string]*Tenant { return s.tenants }

// Store publishes snapshots. Reading takes no lock; writers take turns.
type Store struct {
	current atomic.Pointer[Snapshot]
	mu      sync.Mutex
	changed chan struct{}
}

// NewStore starts with an empty snapshot.
func NewStore() *Store {
	s := &Store{changed: make(chan struct{})}
	s.current.Store(&Snapshot{})
	return s
}

// Load gives the current snapshot.
func (s *Store) Load() *Snapshot { return s.current.Load() }

// Changed is closed when a newer snapshot than the current one is published.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Replace publishes a whole new set of tenants.
func (s *Store) Replace(at time.Time, tenants []*Tenant) {
	s.publish(at, func(map[string]*Tenant) map[string]*Tenant {
		next := make(map[string]*Tenant, len(tenants))
		for _, t := range tenants {
			next[t.ID] = t
		}
		return next
	})
}

// Put publishes one tenant anew, or takes it out where t is nil.
func (s *Store) Put(at time.Time, id string, t *Tenant) {
	s.publish(at, func(now map[string]*Tenant) map[string]*Tenant {
		next := maps.Clone(now)
		if next == nil {
			next = map[string]*Tenant{}
		}
		if t == nil {
			delete(next, id)
		} else {
			next[id] = t
		}
		return next
	})
}

func (s *Store) publish(at time.Time, change func(map[string]*Tenant) map[string]*Tenant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.current.Load()
	next := &Snapshot{Edition: now.Edition + 1, BuiltAt: at, tenants: change(now.tenants)}
	next.origins = make(map[string]*Tenant, len(next.tenants))
	for _, t := range next.tenants {
		for _, origin := range t.Origins {
			next.origins[origin] = t
		}
	}
	s.current.Store(next)
	close(s.changed)
	s.changed = make(chan struct{})
}
