package keys_test

import (
	"context"
	"crypto"
	"encoding/base64"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
)

type bundle struct {
	t   *testing.T
	env tenancytest.Env
	h   tenancy.Handle
}

func each(t *testing.T, test func(b bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(bundle{t, env, tenant(t, env, "acme")}) })
}

func tenant(t *testing.T, env tenancytest.Env, slug string) tenancy.Handle {
	t.Helper()
	account := tenancytest.Account(t, env, slug+"@example.com")
	ws, err := workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, keys.Create).Create(t.Context(), account, slug, slug)
	require.NoError(t, err)
	h, _, err := env.DB.ForMember(t.Context(), account, ws.Slug)
	require.NoError(t, err)
	return h
}

func (b bundle) load() (set keys.Set) {
	b.t.Helper()
	require.NoError(b.t, b.env.DB.Read(b.t.Context(), b.h, func(tx *tenancy.Tx) (err error) {
		set, err = keys.LoadAll(tx)
		return err
	}))
	return set
}

// states are the keys as the console lists them, "state alg".
func (b bundle) states() (out []string) {
	b.t.Helper()
	require.NoError(b.t, b.env.DB.Read(b.t.Context(), b.h, func(tx *tenancy.Tx) error {
		all, err := keys.List(tx)
		for _, k := range all {
			out = append(out, string(k.State)+" "+k.Alg)
		}
		return err
	}))
	return out
}

func (b bundle) choose(alg string) {
	b.t.Helper()
	require.NoError(b.t, b.env.DB.Write(b.t.Context(), b.h, func(tx *tenancy.Tx) error {
		s, err := settings.Load(tx)
		if err != nil {
			return err
		}
		s.SigningAlg = alg
		return settings.Save(tx, s)
	}))
}

func (b bundle) turn() {
	b.t.Helper()
	require.NoError(b.t, keys.TurnAll(b.t.Context(), b.env.DB))
}

// verify signs with the active key and asks the published ones.
func (b bundle) verify(published keys.Set, alg jose.SignatureAlgorithm) {
	b.t.Helper()
	signer, err := b.load().Active.JWS("at+jwt")
	require.NoError(b.t, err)
	token, err := signer.Sign([]byte(`{"sub":"a"}`))
	require.NoError(b.t, err)
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{alg})
	require.NoError(b.t, err)
	var claims map[string]any
	require.NoError(b.t, parsed.Claims(jose.JSONWebKeySet{Keys: published.Public}, &claims))
}

// TestRotation: what signs was published at least a day before, and what signed
// stays published for as long as a token may live.
func TestRotation(t *testing.T) {
	t.Parallel()
	each(t, func(b bundle) {
		first := b.load()
		require.Equal(b.t, []string{"active ES256"}, b.states())
		require.NoError(b.t, keys.Rotate(b.t.Context(), b.env.DB, b.h))
		require.True(b.t, errs.Is(keys.Rotate(b.t.Context(), b.env.DB, b.h), errs.Conflict), "one waits already")
		published := b.load()
		require.Equal(b.t, first.Active.KID, published.Active.KID)
		require.Len(b.t, published.Public, 2)

		b.env.Clock.Advance(keys.Ahead - time.Second)
		b.turn()
		require.Equal(b.t, []string{"next ES256", "active ES256"}, b.states())
		b.env.Clock.Advance(time.Second)
		b.turn()
		require.Equal(b.t, []string{"active ES256", "retired ES256"}, b.states())
		require.NotEqual(b.t, first.Active.KID, b.load().Active.KID)
		b.verify(published, jose.ES256)

		b.env.Clock.Advance(keys.Kept - time.Second)
		b.turn()
		require.Len(b.t, b.load().Public, 2, "a token that it signed may live")
		b.env.Clock.Advance(time.Second)
		b.turn()
		require.Equal(b.t, []string{"active ES256"}, b.states())
		_, there := b.load().Find(first.Active.KID)
		require.False(b.t, there)
	})
}

// TestRotationByAge: nobody has to ask for it.
func TestRotationByAge(t *testing.T) {
	t.Parallel()
	each(t, func(b bundle) {
		b.env.Clock.Advance(keys.SignsFor - keys.Ahead - time.Second)
		b.turn()
		require.Equal(b.t, []string{"active ES256"}, b.states())
		b.env.Clock.Advance(time.Second)
		b.turn()
		b.turn()
		require.Equal(b.t, []string{"next ES256", "active ES256"}, b.states())
		b.env.Clock.Advance(keys.Ahead)
		b.turn()
		b.turn()
		require.Equal(b.t, []string{"active ES256", "retired ES256"}, b.states(), "and the new one is not old")
	})
}

func TestAlgorithmFollowsTheSettings(t *testing.T) {
	t.Parallel()
	each(t, func(b bundle) {
		b.choose(settings.RS256)
		b.turn()
		require.Equal(b.t, []string{"next RS256", "active ES256"}, b.states())
		b.choose(settings.ES256)
		b.turn()
		require.Equal(b.t, []string{"active ES256"}, b.states(), "what never signed goes at once")
		b.choose(settings.RS256)
		require.NoError(b.t, keys.Rotate(b.t.Context(), b.env.DB, b.h))
		b.env.Clock.Advance(keys.Ahead)
		b.turn()
		require.Equal(b.t, []string{"active RS256", "retired ES256"}, b.states())
		b.verify(b.load(), jose.RS256)
		for _, k := range b.load().Public {
			thumb, err := k.Thumbprint(crypto.SHA256)
			require.NoError(b.t, err)
			require.Equal(b.t, base64.RawURLEncoding.EncodeToString(thumb), k.KeyID, "RFC 7638")
			require.True(b.t, k.IsPublic())
		}
	})
}

func TestEmergency(t *testing.T) {
	t.Parallel()
	each(t, func(b bundle) {
		require.NoError(b.t, keys.Rotate(b.t.Context(), b.env.DB, b.h))
		before := b.load()
		require.NoError(b.t, keys.Emergency(b.t.Context(), b.env.DB, b.h))
		after := b.load()
		require.Equal(b.t, []string{"active ES256"}, b.states(), "whoever had the active one may have the next one too")
		for _, k := range before.Public {
			_, there := after.Find(k.KeyID)
			require.False(b.t, there)
		}
		b.verify(after, jose.ES256)
	})
}

// TestManyRotateAtOnce: there is always exactly one that signs, and at most one next.
func TestManyRotateAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(b bundle) {
		done := make(chan error)
		acts := []func(context.Context, *tenancy.DB, tenancy.Handle) error{keys.Rotate, keys.Turn, keys.Emergency}
		for i := range 24 {
			go func() { done <- acts[i%3](b.t.Context(), b.env.DB, b.h) }()
		}
		for range 24 {
			if err := <-done; err != nil {
				require.True(b.t, errs.Is(err, errs.Conflict), err)
			}
		}
		states := b.states()
		require.LessOrEqual(b.t, len(states), 2)
		require.Equal(b.t, "active ES256", states[len(states)-1])
	})
}

// TestTenantsKeepToThemselves: one's change is nobody else's.
func TestTenantsKeepToThemselves(t *testing.T) {
	t.Parallel()
	each(t, func(b bundle) {
		other := bundle{b.t, b.env, tenant(b.t, b.env, "beta")}
		before := other.load()
		require.NoError(b.t, keys.Emergency(b.t.Context(), b.env.DB, b.h))
		require.Equal(b.t, before.Active.KID, other.load().Active.KID)
		_, there := other.load().Find(b.load().Active.KID)
		require.False(b.t, there)
	})
}
