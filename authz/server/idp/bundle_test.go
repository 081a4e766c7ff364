package idp_test

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/fakes/oidc"
)

const (
	secret = "client-secret-canary"
	origin = "https://acme.mcp.test"
)

// bundle is the package on a real database, with a provider that does what it is told.
type bundle struct {
	*testing.T
	env       tenancytest.Env
	h         tenancy.Handle
	fake      *oidc.Provider
	providers *idp.Providers
	browser   string

	mu      sync.Mutex
	revoked []string
}

func each(t *testing.T, test func(b *bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(newBundle(t, env)) })
}

func newBundle(t *testing.T, env tenancytest.Env) *bundle {
	t.Helper()
	b := &bundle{T: t, env: env, h: tenancytest.Tenant(t, env, "acme"), fake: oidc.New(t), browser: ids.Secret("emc_br")}
	b.providers = b.node(outbound.Config{AllowPrivate: true, Timeout: 5 * time.Second})
	return b
}

func (b *bundle) node(out outbound.Config) *idp.Providers {
	return idp.New(idp.Config{DB: b.env.DB, Outbound: out, Revoke: func(_ *tenancy.Tx, subjects []string, _ string) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.revoked = append(b.revoked, subjects...)
		return nil
	}})
}

func (b *bundle) taken() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.revoked
	b.revoked = nil
	return out
}

func (b *bundle) input(change ...func(*idp.Input)) idp.Input {
	in := idp.Input{Name: "Acme SSO", Issuer: b.fake.Issuer, ClientID: "gateway", ClientSecret: secret, Enabled: true}
	for _, c := range change {
		c(&in)
	}
	return in
}

func (b *bundle) create(change ...func(*idp.Input)) idp.Provider {
	b.Helper()
	p, err := b.providers.Create(b.Context(), b.h, idp.NewID(), b.input(change...))
	require.NoError(b, err)
	return p
}

func (b *bundle) begin(p idp.Provider) *url.URL {
	b.Helper()
	address, err := b.providers.Begin(b.Context(), b.h, b.start(p))
	require.NoError(b, err)
	u, err := url.Parse(address)
	require.NoError(b, err)
	return u
}

func (b *bundle) start(p idp.Provider) idp.Start {
	return idp.Start{ProviderID: p.ID, Attempt: "att_1", Browser: b.browser, Origin: origin}
}

func (b *bundle) answer(p idp.Provider, q url.Values) idp.Answer {
	return idp.Answer{ProviderID: p.ID, Query: q, Browser: b.browser, Origin: origin}
}

func (b *bundle) finish(a idp.Answer) (idp.Result, error) {
	return b.providers.Finish(b.Context(), b.h, a)
}

// signIn goes to the provider and back.
func (b *bundle) signIn(p idp.Provider) (idp.Result, error) {
	b.Helper()
	return b.finish(b.answer(p, b.fake.Approve(b.begin(p).String())))
}

func (b *bundle) user(id string) (u idp.User, active bool) {
	b.Helper()
	require.NoError(b, b.env.DB.Read(b.Context(), b.h, func(tx *tenancy.Tx) (err error) {
		u, active, err = idp.Active(tx, id)
		return err
	}))
	return u, active
}

func (b *bundle) users(page idp.Page) (users []idp.User, total int64) {
	b.Helper()
	page.Limit = 50
	require.NoError(b, b.env.DB.Read(b.Context(), b.h, func(tx *tenancy.Tx) (err error) {
		users, total, err = idp.Users(tx, page)
		return err
	}))
	return users, total
}

func (b *bundle) list() (out []idp.Provider) {
	b.Helper()
	require.NoError(b, b.env.DB.Read(b.Context(), b.h, func(tx *tenancy.Tx) (err error) {
		out, err = idp.List(tx)
		return err
	}))
	return out
}

// audited are the newest actions, oldest first, with what was stored of them.
func (b *bundle) audited() (actions []string, all string) {
	b.Helper()
	require.NoError(b, b.env.DB.Read(b.Context(), b.h, func(tx *tenancy.Tx) error {
		found, err := audit.Latest(tx, 100)
		for i := len(found) - 1; i >= 0; i-- {
			actions = append(actions, found[i].Action)
			all += found[i].Before + found[i].After
		}
		return err
	}))
	return actions, all
}

// requireRefused is a refusal with a code and a page's status, which shows nothing
// that the provider wrote.
func requireRefused(t testing.TB, err error, code string) {
	t.Helper()
	refused, ok := errors.AsType[*idp.Refused](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, code, refused.Code, "%v", err)
	require.NotEmpty(t, refused.Text)
	require.NotEmpty(t, refused.Cure)
	require.GreaterOrEqual(t, refused.Status, 400)
	for _, shown := range []string{refused.Text, refused.Cure} {
		require.NotContains(t, shown, "canary")
		require.NotContains(t, shown, "127.0.0.1")
	}
	require.NotContains(t, refused.Error(), "canary", "nor does the log")
}

// newBundleTenant is another tenant of the same gateway.
func newBundleTenant(b *bundle, slug string) tenancy.Handle {
	b.Helper()
	return tenancytest.Tenant(b, b.env, slug)
}

func sqlite(t *testing.T) tenancytest.Env {
	t.Helper()
	return tenancytest.SQLite(t)
}
