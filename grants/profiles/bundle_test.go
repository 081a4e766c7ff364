package profiles_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

const typedSecret = "canary_profile_secret"

// bundle is the package on a real database, with a real authorization server on
// loopback and two tenants.
type bundle struct {
	*testing.T
	tenancytest.Env
	fake     *fake.Provider
	profiles *profiles.Profiles
	origin   string
	a, b     tenancy.Handle
}

func each(t *testing.T, test func(b *bundle), options ...fake.Option) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(newBundle(t, env, options...)) })
}

func newBundle(t *testing.T, env tenancytest.Env, options ...fake.Option) *bundle {
	t.Helper()
	b := &bundle{T: t, Env: env, fake: fake.New(t, append(options, fake.Now(env.Clock.Now))...), origin: "https://acme.mcp.test"}
	out := outbound.New(outbound.Config{AllowPrivate: true})
	b.profiles = profiles.New(profiles.Options{
		DB: env.DB, Provider: provider.New(out, jwks.New(out, env.Clock), env.Clock), Outbound: out,
		Origin: func(*tenancy.Tx) (string, error) { return b.origin, nil },
	})
	b.a, b.b = tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
	return b
}

func (b *bundle) input(change ...func(*profiles.Input)) profiles.Input {
	in := profiles.Input{
		Name: "Todo", Kind: profiles.KindOAuth, Preset: "generic", Issuer: b.fake.Issuer,
		Settings: profiles.Settings{Discovery: profiles.ByIssuer, Scopes: []string{"read", "write", "admin"}},
		Client:   profiles.ClientInput{Kind: profiles.Preregistered, ID: "gateway", AuthMethod: profiles.AuthBasic, Secret: secret.New(typedSecret)},
	}
	for _, c := range change {
		c(&in)
	}
	return in
}

func (b *bundle) create(change ...func(*profiles.Input)) profiles.Profile {
	b.Helper()
	p, err := b.profiles.Create(b.Context(), b.a, profiles.NewID(), b.input(change...))
	require.NoError(b, err, "%v", errs.FieldsOf(err))
	return p
}

func (b *bundle) read(fn func(*tenancy.Tx) error) {
	b.Helper()
	require.NoError(b, b.DB.Read(b.Context(), b.a, fn))
}

func (b *bundle) get(id string) (p profiles.Profile) {
	b.Helper()
	b.read(func(tx *tenancy.Tx) (err error) {
		p, err = profiles.Get(tx, id)
		return err
	})
	return p
}

func (b *bundle) config(id string, generation int) (c provider.Config, err error) {
	b.Helper()
	err = b.DB.Read(b.Context(), b.a, func(tx *tenancy.Tx) (err error) {
		c, err = profiles.Config(tx, id, generation, b.origin)
		return err
	})
	return c, err
}

// audited is the tenant's audit log as text.
func (b *bundle) audited() string {
	b.Helper()
	var out []audit.Recorded
	b.read(func(tx *tenancy.Tx) (err error) {
		out, err = audit.Latest(tx, 100)
		return err
	})
	text, err := json.Marshal(out)
	require.NoError(b, err)
	return string(text)
}

type newGrantRow struct {
	TenantID, ID, ProfileID, Subject, State string
	ClientGeneration                        int
	ConnectedAt, CreatedAt, UpdatedAt       time.Time
}

func (newGrantRow) TableName() string { return "grants" }

// grant adds a grant of a client's generation, in a state.
func (b *bundle) grant(p profiles.Profile, generation int, state string) string {
	b.Helper()
	id := ids.New("grt")
	require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error {
		now := tx.Now()
		return tx.DB().Create(&newGrantRow{tx.Tenant(), id, p.ID, "acc_" + id, state, generation, now, now, now}).Error
	}))
	return id
}

func (b *bundle) setGrant(id, state string) {
	b.Helper()
	require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error {
		return tx.DB().Model(&newGrantRow{}).Where("id = ?", id).Update("state", state).Error
	}))
}

type newUpstreamRow struct {
	TenantID, ID, Slug, Name string
	URL                      string `gorm:"column:url"`
	SecretHeader, State      string
	WorkerSecret             []byte
	CreatedAt, UpdatedAt     time.Time
}

func (newUpstreamRow) TableName() string { return "upstreams" }

// upstream adds a runtime to a tenant.
func (b *bundle) upstream(h tenancy.Handle, slug string) string {
	b.Helper()
	id := ids.New("ups")
	require.NoError(b, b.DB.Write(b.Context(), h, func(tx *tenancy.Tx) error {
		return tx.DB().Create(&newUpstreamRow{tx.Tenant(), id, slug, slug, "https://runtime.test/mcp", "X-Secret", "ready", []byte{1}, tx.Now(), tx.Now()}).Error
	}))
	return id
}

func (b *bundle) field(err error, name, text string) {
	b.Helper()
	require.Error(b, err)
	require.Equal(b, errs.Invalid, errs.KindOf(err), "%v", err)
	require.Contains(b, errs.FieldsOf(err)[name], text, "%v", errs.FieldsOf(err))
}

func (b *bundle) kind(err error, want errs.Kind) {
	b.Helper()
	require.Error(b, err)
	require.Equal(b, want, errs.KindOf(err), "%v", err)
}
