package grants

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

// The events that people are told of.
const (
	EventNeedsReconnect = "grant.needs_reconnect"
	EventExpiring       = "grant.expiring"
	EventRefreshFailing = "grant.refresh_failing"
	EventMisconfigured  = "profile.misconfigured"
	EventRevoked        = "grants.revoked"
)

// Notice is something that people are told of. It never holds a secret.
type Notice struct {
	Event string
	// Subject is whose grant it is about; "" where it is about more than one.
	Subject string
	// GroupKey joins notices that make one message.
	GroupKey string
	Data     map[string]string
	// Users are the subjects to be told themselves.
	Users []string
}

// Notifier takes notices in the transaction of the change that they tell of. An error
// fails the change.
type Notifier interface {
	Record(tx *tenancy.Tx, n Notice) error
}

// Queue takes jobs in the transaction of the change that wants them. A job that is
// waiting already is not asked for twice.
type Queue interface {
	EnqueueRefresh(tx *tenancy.Tx, args RefreshArgs) error
	EnqueueRefreshNow(tx *tenancy.Tx, args RefreshNowArgs) error
	EnqueueRevoke(tx *tenancy.Tx, args RevokeArgs) error
}

// Signer makes the assertion that a provider takes for a subject (RFC 8693): a JWT of
// the tenant's own key, of at most a minute. It may read the database.
type Signer interface {
	Assertion(ctx context.Context, h tenancy.Handle, subject, audience string) (secret.Text, error)
}

// Config is what the service needs. Every field is required.
type Config struct {
	DB       *tenancy.DB
	Provider *provider.Provider
	Signer   Signer
	Queue    Queue
	Notify   Notifier
	Log      *slog.Logger
}

// Service keeps the grants. Stop it after everything that calls it.
type Service struct {
	db       *tenancy.DB
	provider *provider.Provider
	signer   Signer
	queue    Queue
	notify   Notifier
	log      *slog.Logger

	// flights are the refreshes of this process, one per grant.
	flights singleflight.Group
	// kept are token sets that came from a provider and could not be written yet.
	kept kept
	// exchanged are tokens of other audiences, which are never stored.
	exchanged exchanged
	slots     slots

	ctx     context.Context //nolint:containedctx // the life of the service: what is kept goes on being written until Stop
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New makes the service.
func New(cfg Config) (*Service, error) {
	if cfg.DB == nil || cfg.Provider == nil || cfg.Signer == nil || cfg.Queue == nil || cfg.Notify == nil || cfg.Log == nil {
		return nil, errors.New("new grants: a part is missing")
	}
	s := &Service{db: cfg.DB, provider: cfg.Provider, signer: cfg.Signer, queue: cfg.Queue, notify: cfg.Notify, log: cfg.Log}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s, nil
}

// Stop waits for what providers answered and is not written yet, until ctx ends. It
// is safe to call twice.
func (s *Service) Stop(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.running.Wait()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.log.ErrorContext(ctx, "tokens that a provider gave out are lost: they could not be written before the end", "grants", s.kept.len())
	}
	s.cancel()
	return nil
}

func (s *Service) now() time.Time { return s.db.Clock().Now() }
