package provider

import (
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
)

// Provider calls authorization servers. It holds nothing of any of them and is for
// concurrent use. None of its methods may be called while a transaction is open.
type Provider struct {
	out   *outbound.Client
	keys  *jwks.Cache
	clock clock.Clock
}

// New makes a Provider. The client's Timeout bounds each request, and keys verifies ID
// tokens.
func New(out *outbound.Client, keys *jwks.Cache, c clock.Clock) *Provider {
	return &Provider{out: out, keys: keys, clock: c}
}
