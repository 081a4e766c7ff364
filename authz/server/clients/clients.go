package clients

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
)

const (
	maxUnused = 10_000 // per tenant
	unusedTTL = 7 * 24 * time.Hour
)

// Config is what the clients stand on. Every field is required.
type Config struct {
	DB *tenancy.DB
	// Outbound fetches metadata documents.
	Outbound *outbound.Client
	// Keys fetches key sets.
	Keys *jwks.Cache
	// Ended ends what was given to a client: its tokens, and what people agreed to.
	Ended func(tx *tenancy.Tx, clientID, reason string) error
	Log   *slog.Logger
}

// Clients are those of all tenants. They are safe for concurrent use.
type Clients struct {
	db       *tenancy.DB
	outbound *outbound.Client
	ended    func(tx *tenancy.Tx, clientID, reason string) error
	log      *slog.Logger
	fetches  flight[documentID, struct{}]
	keys     *jwks.Cache
	// evenly is how long a failed fetch takes at least, whatever failed.
	evenly   time.Duration
	mu       sync.Mutex
	failures map[documentID]failure
}

// New makes them.
func New(cfg Config) *Clients {
	return &Clients{
		db: cfg.DB, outbound: cfg.Outbound, ended: cfg.Ended, log: cfg.Log, keys: cfg.Keys,
		evenly: outbound.DefaultTimeout, failures: map[documentID]failure{},
	}
}

// Find gives the client of an authorization request. A *Refusal says why it is not let
// in, in words for the person; any other error is a failure of ours.
func (c *Clients) Find(ctx context.Context, h tenancy.Handle, id string) (Client, error) {
	if isDocumentID(id) {
		return c.findDocument(ctx, h, id)
	}
	var found Client
	var ok bool
	err := c.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		found, ok, err = Load(tx, id)
		return err
	})
	switch {
	case err != nil:
		return Client{}, fmt.Errorf("find client: %w", err)
	case !ok:
		return Client{}, refuse(Unknown, Client{})
	}
	return found, found.barred()
}

// barred refuses a client that waits for somebody or was blocked.
func (c Client) barred() error {
	switch c.Status {
	case Active:
		return nil
	case Held:
		return refuse(Waiting, c)
	case Blocked:
	}
	return refuse(Barred, c)
}

// Sweep deletes the clients that nobody signed in with within a week of their
// registration, and the assertions that have expired, in all tenants.
func Sweep(tx *tenancy.Tx) error {
	err := tx.DB().Where("used_at IS NULL AND kind <> ? AND status <> ? AND created_at < ?", KindPreregistered, Blocked, tx.Now().Add(-unusedTTL)).Delete(&row{}).Error
	if err != nil {
		return fmt.Errorf("sweep clients: %w", err)
	}
	if err := tx.DB().Where("kind = ? AND expires_at < ?", spentAssertion, tx.Now()).Delete(&spentRow{}).Error; err != nil {
		return fmt.Errorf("sweep client assertions: %w", err)
	}
	return nil
}

// held tells how a new client starts.
func held(s settings.Settings) Status {
	if s.Review {
		return Held
	}
	return Active
}
