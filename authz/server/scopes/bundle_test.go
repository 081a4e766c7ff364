package scopes_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/upstreams"
)

// bundle is the scopes of two tenants, of which a has the runtimes x and y.
type bundle struct {
	tenancytest.Env
	scopes   *scopes.Scopes
	registry *upstreams.Registry
	a, b     tenancy.Handle
	x, y     string
}

type noTokens struct{}

func (noTokens) RevokeUpstream(*tenancy.Tx, string, string) error { return nil }

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		queue, err := jobs.New(env.DB, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		b := &bundle{
			Env: env, scopes: scopes.New(env.DB), a: tenancytest.Tenant(t, env, "alpha"), b: tenancytest.Tenant(t, env, "beta"),
			registry: upstreams.New(env.DB, outbound.New(outbound.Config{AllowPrivate: true}), nil, noTokens{}, queue),
		}
		b.x, b.y = b.runtime(t, b.a, "x"), b.runtime(t, b.a, "y")
		test(t, b)
	})
}

func (b *bundle) runtime(t *testing.T, h tenancy.Handle, slug string) string {
	t.Helper()
	u, err := b.registry.Create(t.Context(), h, upstreams.Input{Name: "Runtime " + slug, Slug: slug, URL: "http://127.0.0.1:9/" + slug})
	require.NoError(t, err)
	return u.ID
}

// make adds a scope that opens the tools at x.
func (b *bundle) make(t *testing.T, name, includes string, tools ...string) {
	t.Helper()
	require.NoError(t, b.scopes.Create(t.Context(), b.a, scopes.Input{Name: name, Title: "Title of " + name, Includes: authz.ParseScopes(includes)}))
	require.NoError(t, b.scopes.SetTools(t.Context(), b.a, name, "", b.x, tools))
}

func (b *bundle) catalogue(t *testing.T, h tenancy.Handle) authz.Catalogue {
	t.Helper()
	c, err := b.scopes.Catalogue(t.Context(), h)
	require.NoError(t, err)
	return c
}

func (b *bundle) get(t *testing.T, name string) authz.Scope {
	t.Helper()
	s, ok := b.catalogue(t, b.a).Get(name)
	require.True(t, ok, name)
	return s
}

func names(c authz.Catalogue) (out []string) {
	for _, s := range c.All() {
		out = append(out, s.Name)
	}
	return out
}

type familyRow struct {
	TenantID, ID, ClientID, Subject, UpstreamID, Resource, Scope string
	CreatedAt, ExpiresAt                                         time.Time
	RevokedAt                                                    *time.Time
	RevokedReason                                                string
}

func (familyRow) TableName() string { return "token_families" }

// family stores a token family of a, which lives for an hour.
func (b *bundle) family(t *testing.T, client, subject, upstream, scope string, changes ...func(*familyRow)) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error {
		row := familyRow{
			TenantID: tx.Tenant(), ID: ids.New("fam"), ClientID: client, Subject: subject, UpstreamID: upstream, Resource: "https://r", Scope: scope,
			CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour),
		}
		for _, change := range changes {
			change(&row)
		}
		return tx.DB().Create(&row).Error
	}))
}
