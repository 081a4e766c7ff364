package upstreams_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/fakes/upstream"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
)

// bundle is the registry with the real queue and the real authorization server,
// and two tenants.
type bundle struct {
	tenancytest.Env
	registry *upstreams.Registry
	revoker  *failing
	a, b     tenancy.Handle
}

// failing is the real revoker, unless it is told to fail after its work.
type failing struct {
	upstreams.Revoker
	err error
}

func (f *failing) RevokeUpstream(tx *tenancy.Tx, id, reason string) error {
	return errors.Join(f.Revoker.RevokeUpstream(tx, id, reason), f.err)
}

func setup(t *testing.T, env tenancytest.Env) *bundle {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	queue, err := jobs.New(env.DB, log)
	require.NoError(t, err)
	as := server.New(server.Config{
		DB: env.DB, Outbound: outbound.New(outbound.Config{}), Assets: http.NotFoundHandler(), AssetsPrefix: "/assets/", Log: log,
		ClientIP: func(*http.Request) netip.Addr { return netip.IPv6Loopback() },
	})
	out := outbound.Config{AllowPrivate: true}
	b := &bundle{Env: env, revoker: &failing{Revoker: as}}
	b.registry = upstreams.New(env.DB, outbound.New(out), probe.New(probe.Config{Outbound: out, Clock: env.Clock, Version: "test"}), b.revoker, queue)
	b.a, b.b = tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
	return b
}

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(t, setup(t, env)) })
}

func input(slug, url string, headers ...string) upstreams.Input {
	in := upstreams.Input{Name: "Runtime " + slug, Slug: slug, URL: url}
	for i := 0; i < len(headers); i += 2 {
		in.HeaderNames, in.HeaderValues = append(in.HeaderNames, headers[i]), append(in.HeaderValues, headers[i+1])
	}
	return in
}

func (b *bundle) create(t *testing.T, h tenancy.Handle, in upstreams.Input) upstreams.Upstream {
	t.Helper()
	b.Clock.Advance(time.Second) // so that the audit log has an order
	u, err := b.registry.Create(t.Context(), h, in)
	require.NoError(t, err)
	return u
}

func (b *bundle) get(t *testing.T, h tenancy.Handle, slug string) upstreams.Upstream {
	t.Helper()
	u, err := b.registry.Get(t.Context(), h, slug)
	require.NoError(t, err)
	return u
}

func (b *bundle) secret(t *testing.T, h tenancy.Handle, slug string) string {
	t.Helper()
	_, s, err := b.registry.Setup(t.Context(), h, slug)
	require.NoError(t, err)
	return s.Reveal()
}

// sent is what the edge would send.
func (b *bundle) sent(t *testing.T, h tenancy.Handle) []upstreams.Configured {
	t.Helper()
	var out []upstreams.Configured
	b.read(t, h, func(tx *tenancy.Tx) (err error) {
		out, err = upstreams.Load(tx)
		return err
	})
	return out
}

func (b *bundle) read(t *testing.T, h tenancy.Handle, fn func(*tenancy.Tx) error) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context(), h, fn))
}

func (b *bundle) audit(t *testing.T, h tenancy.Handle) []audit.Recorded {
	t.Helper()
	var out []audit.Recorded
	b.read(t, h, func(tx *tenancy.Tx) (err error) {
		out, err = audit.Latest(tx, 100)
		return err
	})
	return out
}

// runtime is a real MCP server on loopback that asks for the secret.
func runtime(t *testing.T, secrets ...string) *upstream.Upstream {
	t.Helper()
	up := upstream.Start(upstream.Config{Stateless: true, Secrets: secrets})
	t.Cleanup(up.Close)
	return up
}

func requireKind(t *testing.T, err error, want errs.Kind) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, errs.KindOf(err), "%v", err)
}

const somewhere = "http://127.0.0.1:9/mcp"

// visible is the time in which a new secret can be read, of which the package keeps the constant.
const visible = 15 * time.Minute
