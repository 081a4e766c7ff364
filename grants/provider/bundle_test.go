package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

const callback = "https://acme.mcp.example.com/connect/callback/pf_1"

// bundle is the gateway's side and one fake provider, with one clock.
type bundle struct {
	testing.TB
	fake     *fake.Provider
	clock    *clock.Manual
	out      *outbound.Client
	provider *provider.Provider
}

func newBundle(t testing.TB, vendor string, options ...fake.Option) *bundle {
	t.Helper()
	b := &bundle{TB: t, clock: clock.NewManual(time.Now())}
	b.fake = fake.New(t, append([]fake.Option{fake.As(vendor), fake.Now(b.clock.Now)}, options...)...)
	b.reach(outbound.Config{AllowPrivate: true})
	return b
}

// newVendor serves the vendor's own addresses.
func newVendor(t testing.TB, vendor string, options ...fake.Option) *bundle {
	t.Helper()
	b := &bundle{TB: t, clock: clock.NewManual(time.Now())}
	b.fake = fake.New(t, append([]fake.Option{fake.As(vendor), fake.VendorHosts(), fake.Now(b.clock.Now)}, options...)...)
	b.reach(outbound.Config{AllowPrivate: true, ConnectTo: b.fake.ConnectTo(), RootCAs: b.fake.RootCAs()})
	return b
}

func (b *bundle) reach(cfg outbound.Config) {
	b.out = outbound.New(cfg)
	b.Cleanup(b.out.CloseIdleConnections)
	b.provider = provider.New(b.out, jwks.New(b.out, b.clock), b.clock)
}

// client is the one that the fake knows.
func (b *bundle) client() provider.Client {
	return provider.Client{ID: b.fake.ClientID, Secret: secret.New(b.fake.ClientSecret)}
}

// config is what discovery finds, with the zero style.
func (b *bundle) config() provider.Config {
	b.Helper()
	found, err := b.provider.Discover(b.Context(), b.fake.Issuer)
	require.NoError(b, err)
	return provider.Config{Endpoints: found, Client: b.client(), RedirectURI: callback}
}

// connect goes through the browser and redeems the code.
func (b *bundle) connect(c provider.Config, scopes ...string) provider.Tokens {
	b.Helper()
	address, err := b.provider.AuthorizeURL(c, scopes, "state-1", "nonce-1", verifier)
	require.NoError(b, err)
	tokens, err := b.provider.Exchange(b.Context(), c, b.fake.Approve(b, address).Get("code"), verifier)
	require.NoError(b, err)
	return tokens
}

const verifier = "verifier-0123456789-0123456789-0123456789-01"

func newKey(t testing.TB) (*jose.JSONWebKey, jose.JSONWebKeySet) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	key := &jose.JSONWebKey{Key: private, KeyID: "ours-1", Use: "sig", Algorithm: string(jose.ES256)}
	return key, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}}
}
