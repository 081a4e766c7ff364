package connect_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/connect"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

const origin = "https://acme.mcp.test"

type (
	nobodyTold   struct{}
	noAssertions struct{}
)

func (nobodyTold) Record(*tenancy.Tx, grants.Notice) error { return nil }
func (noAssertions) Assertion(context.Context, tenancy.Handle, string, string) (secret.Text, error) {
	return secret.Text{}, errors.New("no assertion is made here")
}

// testBundle is a tenant with a profile of a fake provider.
type testBundle struct {
	env      tenancytest.Env
	handle   tenancy.Handle
	owner    accounts.Account
	connects *connect.Connects
	profiles *profiles.Profiles
	fake     *fakes.Provider
	profile  profiles.Profile
}

func setup(t *testing.T, env tenancytest.Env) *testBundle {
	t.Helper()
	b := &testBundle{env: env, fake: fakes.New(t, fakes.Now(env.Clock.Now))}
	var err error
	b.owner, err = accounts.New(env.DB, accounts.Cost{MemoryKiB: 64, Passes: 1}).SignUp(t.Context(), "Ada", "ada@example.com", "a few words in a row", "192.0.2.1")
	require.NoError(t, err)
	ws, err := workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, keys.Create).Create(t.Context(), b.owner.ID, "Acme", "acme")
	require.NoError(t, err)
	b.handle, err = env.DB.ForOrigin(t.Context(), ws.Origin)
	require.NoError(t, err)
	out := outbound.New(outbound.Config{AllowPrivate: true})
	speaks := provider.New(out, jwks.New(out, env.DB.Clock()), env.DB.Clock())
	queue, err := jobs.New(env.DB, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	service, err := grants.New(grants.Config{DB: env.DB, Provider: speaks, Signer: noAssertions{}, Queue: queue, Notify: nobodyTold{}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, service.Stop(context.WithoutCancel(t.Context()))) })
	b.connects, err = connect.New(connect.Config{DB: env.DB, Provider: speaks, Grants: service, Outbound: out})
	require.NoError(t, err)
	b.profiles = profiles.New(profiles.Options{DB: env.DB, Provider: speaks, Outbound: out, Origin: func(*tenancy.Tx) (string, error) { return origin, nil }})
	b.profile = b.another(t)
	return b
}

func (b *testBundle) another(t *testing.T) profiles.Profile {
	t.Helper()
	p, err := b.profiles.Create(t.Context(), b.handle, profiles.NewID(), profiles.Input{
		Name: "Northwind", Kind: profiles.KindOAuth, Preset: "generic", Issuer: b.fake.Issuer,
		Settings: profiles.Settings{Discovery: profiles.ByIssuer, Scopes: []string{"openid", "todos.read"}},
		Client:   profiles.ClientInput{Kind: profiles.Preregistered, ID: b.fake.ClientID, AuthMethod: profiles.AuthBasic, Secret: secret.New(b.fake.ClientSecret)},
	})
	require.NoError(t, err)
	return p
}

// answer is what the provider answers to a way that a browser set out on.
func (b *testBundle) answer(t *testing.T, browser string) connect.Answer {
	t.Helper()
	address, err := b.connects.Begin(t.Context(), b.handle, connect.Start{Purpose: connect.ForConnect, ProfileID: b.profile.ID, Subject: b.owner.ID, Attempt: "me", Browser: browser, Origin: origin})
	require.NoError(t, err)
	return connect.Answer{ProfileID: b.profile.ID, Query: b.fake.Approve(t, address), Browser: browser, Origin: origin, Person: connect.Person{ID: b.owner.ID, Email: b.owner.Email}}
}

// TestA14StateOfConnect: a state is of one browser, profile, person and time, and of
// one use, whatever the cookie of the way out said. Nothing else redeems the code.
func TestA14StateOfConnect(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		other := b.another(t)
		refused := func(what, code string, a connect.Answer) {
			t.Helper()
			_, err := b.connects.Finish(t.Context(), b.handle, a)
			r, ok := errors.AsType[*connect.Refused](err)
			require.True(t, ok, "%s: %v", what, err)
			require.Equal(t, code, r.Code, what)
			require.Zero(t, b.fake.Asked("token"), what)
		}
		good := b.answer(t, "browser")
		for what, edit := range map[string]func(a *connect.Answer){
			"another browser": func(a *connect.Answer) { a.Browser = "other" },
			"no browser":      func(a *connect.Answer) { a.Browser = "" },
			"another profile": func(a *connect.Answer) { a.ProfileID = other.ID },
			"no state":        func(a *connect.Answer) { a.Query = url.Values{"code": a.Query["code"]} },
			"state twice": func(a *connect.Answer) {
				a.Query = url.Values{"code": a.Query["code"], "iss": a.Query["iss"], "state": {a.Query.Get("state"), "x"}}
			},
		} {
			a := good
			edit(&a)
			refused(what, "connect_over", a)
		}
		someone := b.answer(t, "browser")
		someone.Person = connect.Person{ID: "acc_other"}
		refused("another person", "other_account", someone)
		someone.Person = good.Person
		refused("and its state is used up", "connect_over", someone)
		late := b.answer(t, "browser")
		b.env.Clock.Advance(connect.Life + time.Second)
		refused("too late", "connect_over", late)

		good = b.answer(t, "browser")
		result, err := b.connects.Finish(t.Context(), b.handle, good)
		require.NoError(t, err)
		require.Equal(t, "me", result.Attempt)
		require.Equal(t, 1, b.fake.Asked("token"))
		_, err = b.connects.Finish(t.Context(), b.handle, good)
		require.Error(t, err, "a replay")
		require.Equal(t, 1, b.fake.Asked("token"))
	})
}
