package grants_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// patience is a bound and not a pause.
const patience = 20 * time.Second

// ada is the subject of most tests.
const ada = "acc_ada"

// bundle is a service with the real queue, two tenants, and a real provider on loopback
// whose clock is the test's.
type bundle struct {
	tenancytest.Env
	service  *grants.Service
	source   *grants.Source
	speaks   *provider.Provider
	profiles *profiles.Profiles
	provider *fake.Provider
	told     *told
	queue    *jobs.Queue
	a, b     tenancy.Handle
	profile  profiles.Profile
}

// told keeps the notices that were recorded.
type told struct {
	mu      sync.Mutex
	notices []grants.Notice
}

func (r *told) Record(_ *tenancy.Tx, n grants.Notice) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices = append(r.notices, n)
	return nil
}

func (r *told) of(event string) []grants.Notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []grants.Notice
	for _, n := range r.notices {
		if n.Event == event {
			out = append(out, n)
		}
	}
	return out
}

// signer says who it is about in the clear: what it makes is read by a test's provider.
type signer struct{}

func (signer) Assertion(_ context.Context, _ tenancy.Handle, subject, audience string) (secret.Text, error) {
	return secret.New("canary_assertion." + subject + "." + audience), nil
}

func setup(t testing.TB, env tenancytest.Env, options ...fake.Option) *bundle {
	t.Helper()
	b := &bundle{Env: env, told: &told{}}
	b.provider = fake.New(t, append([]fake.Option{fake.Now(env.Clock.Now)}, options...)...)
	b.a, b.b = tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
	b.open(t, env.DB)
	b.profile = b.newProfile(t, b.a, "Todo")
	return b
}

// open makes the parts over a database, as a process does at its start.
func (b *bundle) open(t testing.TB, db *tenancy.DB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	out := outbound.New(outbound.Config{AllowPrivate: true})
	b.speaks = provider.New(out, jwks.New(out, db.Clock()), db.Clock())
	b.profiles = profiles.New(profiles.Options{
		DB: db, Provider: b.speaks, Outbound: out, Origin: func(*tenancy.Tx) (string, error) { return "https://alpha.mcp.test", nil },
	})
	queue, err := jobs.New(db, log)
	require.NoError(t, err)
	b.queue = queue
	b.service, err = grants.New(grants.Config{DB: db, Provider: b.speaks, Signer: signer{}, Queue: queue, Notify: b.told, Log: log})
	require.NoError(t, err)
	b.source = grants.NewSource(db, b.service, log)
	require.NoError(t, b.source.Start())
	t.Cleanup(func() {
		b.source.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, b.service.Stop(ctx))
	})
}

func (b *bundle) newProfile(t testing.TB, h tenancy.Handle, name string, change ...func(*profiles.Input)) profiles.Profile {
	t.Helper()
	in := profiles.Input{
		Name: name, Kind: profiles.KindOAuth, Preset: "generic", Issuer: b.provider.Issuer,
		Client: profiles.ClientInput{Kind: profiles.Preregistered, ID: b.provider.ClientID, AuthMethod: profiles.AuthBasic, Secret: secret.New(b.provider.ClientSecret)},
	}
	in.Discovery, in.Scopes = profiles.Manual, []string{"read", "write"}
	in.Endpoints = provider.Endpoints{
		Issuer: b.provider.Issuer, Authorization: b.provider.Authorization, Token: b.provider.Token, Revocation: b.provider.Revocation, UserInfo: b.provider.UserInfo,
	}
	in.Style.Identity = provider.Identity{From: "none"}
	for _, one := range change {
		one(&in)
	}
	p, err := b.profiles.Create(t.Context(), h, profiles.NewID(), in)
	require.NoErrorf(t, err, "%v", errs.FieldsOf(err))
	return p
}

func each(t *testing.T, test func(t *testing.T, b *bundle), options ...fake.Option) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(t, setup(t, env, options...)) })
}

// connect is a whole connect at the provider.
func (b *bundle) connect(t testing.TB, h tenancy.Handle, p profiles.Profile, subject string, scopes ...string) grants.Grant {
	t.Helper()
	if scopes == nil {
		scopes = []string{"read", "write"}
	}
	var config provider.Config
	b.read(t, h, func(tx *tenancy.Tx) (err error) {
		config, err = profiles.Config(tx, p.ID, 0, "https://alpha.mcp.test")
		return err
	})
	verifier := oauth2.GenerateVerifier()
	address, err := b.speaks.AuthorizeURL(config, scopes, "state", "nonce", verifier)
	require.NoError(t, err)
	answer := b.provider.Approve(t, address)
	tokens, err := b.speaks.Exchange(t.Context(), config, answer.Get("code"), verifier)
	require.NoError(t, err)
	require.False(t, tokens.Refresh.Empty())
	return b.save(t, h, grants.Connected{
		ProfileID: p.ID, Subject: subject, Tokens: tokens, Account: provider.Account{ID: "account-" + subject, Name: "Account of " + subject},
		ClientGeneration: p.Generation, Scopes: scopes,
	})
}

func (b *bundle) save(t testing.TB, h tenancy.Handle, c grants.Connected) (g grants.Grant) {
	t.Helper()
	b.write(t, h, func(tx *tenancy.Tx) (err error) {
		g, err = b.service.Save(tx, c)
		return err
	})
	return g
}

func (b *bundle) read(t testing.TB, h tenancy.Handle, fn func(*tenancy.Tx) error) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context(), h, fn))
}

func (b *bundle) write(t testing.TB, h tenancy.Handle, fn func(*tenancy.Tx) error) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context(), h, fn))
}

func (b *bundle) get(t testing.TB, h tenancy.Handle, id string) (g grants.Grant) {
	t.Helper()
	b.read(t, h, func(tx *tenancy.Tx) (err error) {
		g, err = grants.Get(tx, id)
		return err
	})
	return g
}

func (b *bundle) query() grants.Query {
	return grants.Query{ProfileID: b.profile.ID, Subject: ada, Scopes: []string{"read"}}
}

// token resolves without the memory of a source.
func (b *bundle) token(t testing.TB) grants.Credential {
	t.Helper()
	c, err := b.service.Resolve(t.Context(), b.a, b.query())
	require.NoError(t, err)
	return c
}

// works asks the provider's API whether a token is good.
func (b *bundle) works(t testing.TB, c grants.Credential) bool {
	t.Helper()
	account, err := b.speaks.Account(t.Context(), provider.Config{
		Endpoints: provider.Endpoints{UserInfo: b.provider.UserInfo}, Style: provider.Style{Identity: provider.Identity{From: "userinfo", ID: "/sub"}},
	}, provider.Tokens{Access: c.Token}, "")
	return err == nil && account.ID != ""
}

// pass lets time go by, on the clock of the test and for what the database's own clock judges.
func (b *bundle) pass(t testing.TB, d time.Duration) {
	t.Helper()
	b.Clock.Advance(d)
	pool, _ := b.DB.Native()
	if pool == nil {
		return
	}
	back := fmt.Sprintf("interval '%d milliseconds'", d.Milliseconds())
	for _, statement := range []string{
		"update grants set lease_until = lease_until - " + back + ", retry_at = retry_at - " + back,
		"update provider_pauses set paused_until = paused_until - " + back + ", trial_until = trial_until - " + back,
	} {
		_, err := pool.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
}

// statement runs SQL of a test past all fences.
func (b *bundle) statement(t testing.TB, postgres, sqlite string) {
	t.Helper()
	pool, lite := b.DB.Native()
	if pool != nil {
		_, err := pool.Exec(t.Context(), postgres)
		require.NoError(t, err)
		return
	}
	_, err := lite.ExecContext(t.Context(), sqlite)
	require.NoError(t, err)
}

func requireKind(t testing.TB, err error, kind errs.Kind) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind, errs.KindOf(err), "%v", err)
}

func requireMissing(t testing.TB, err error) *grants.Missing {
	t.Helper()
	var missing *grants.Missing
	require.ErrorAs(t, err, &missing)
	return missing
}
