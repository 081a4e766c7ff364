package connect

import (
	"errors"
	"time"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
)

// Life is how long a person has at the provider, and a link from its making.
const Life = 10 * time.Minute

// Config is what connecting needs. Every field is required.
type Config struct {
	DB       *tenancy.DB
	Provider *provider.Provider
	Grants   *grants.Service
	// Outbound asks whether an API key is good.
	Outbound *outbound.Client
}

// Connects connects people's accounts.
type Connects struct {
	db       *tenancy.DB
	provider *provider.Provider
	grants   *grants.Service
	out      *outbound.Client
}

// New makes a Connects.
func New(cfg Config) (*Connects, error) {
	if cfg.DB == nil || cfg.Provider == nil || cfg.Grants == nil || cfg.Outbound == nil {
		return nil, errors.New("new connects: a part is missing")
	}
	return &Connects{db: cfg.DB, provider: cfg.Provider, grants: cfg.Grants, out: cfg.Outbound}, nil
}
