package idp_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/fakes/oidc"
)

func TestProviders(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		require.Equal(b, []idp.Provider{p}, b.list())
		require.True(b, p.HasSecret)
		require.Empty(b, tenancytest.Find(b, b.env, secret), "sealed")
		require.NotEmpty(b, tenancytest.Find(b, b.env, b.fake.Issuer), "what the look-up finds where it is plain")

		in := b.input(func(in *idp.Input) {
			in.Name, in.Issuer, in.ClientSecret, in.AllowedDomains = "New", "https://other.example", "", []string{"example.com"}
		})
		require.NoError(b, b.providers.Update(b.Context(), b.h, p.ID, in, 1))
		now := b.list()[0]
		require.Equal(b, "New", now.Name)
		require.Equal(b, b.fake.Issuer, now.Issuer, "an issuer stays")
		require.True(b, now.HasSecret, "an empty field keeps the secret")
		require.EqualValues(b, 2, now.Version)
		require.True(b, errs.Is(b.providers.Update(b.Context(), b.h, p.ID, in, 1), errs.Stale))
		require.True(b, errs.Is(b.providers.SetEnabled(b.Context(), b.h, p.ID, false, 1), errs.Stale))
		_, err := b.signIn(p)
		require.NoError(b, err, "with the secret of the beginning")
		header, _ := b.fake.Token()
		require.NotEmpty(b, header.Get("Authorization"))

		in.DropSecret = true
		require.NoError(b, b.providers.Update(b.Context(), b.h, p.ID, in, 2))
		require.False(b, b.list()[0].HasSecret)

		other := newBundleTenant(b, "bravo")
		for _, err := range []error{
			b.providers.Update(b.Context(), other, p.ID, in, 3), b.providers.Remove(b.Context(), other, p.ID), b.providers.SetEnabled(b.Context(), other, p.ID, false, 3),
		} {
			require.True(b, errs.Is(err, errs.NotFound), "%v", err)
		}
		_, err = b.providers.Begin(b.Context(), other, b.start(p))
		require.True(b, errs.Is(err, errs.NotFound))
		_, all := b.audited()
		require.NotContains(b, all, "canary")
		require.Contains(b, all, `"has_secret":true`)
	})
}

func TestInput(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		for field, edit := range map[string]func(*idp.Input){
			"name":            func(in *idp.Input) { in.Name = " " },
			"client_id":       func(in *idp.Input) { in.ClientID = "" },
			"client_secret":   func(in *idp.Input) { in.ClientSecret = "a\nb" },
			"scopes":          func(in *idp.Input) { in.Scopes = strings.Repeat("x", 300) },
			"email_claim":     func(in *idp.Input) { in.EmailClaim = "a\x00" },
			"allowed_domains": func(in *idp.Input) { in.AllowedDomains = []string{"https://example.com"} },
			"allowed_groups":  func(in *idp.Input) { in.AllowedGroups = []string{strings.Repeat("g", 300)} },
			"issuer":          func(in *idp.Input) { in.Issuer = b.fake.Issuer + "/nothing" },
		} {
			_, err := b.providers.Create(b.Context(), b.h, idp.NewID(), b.input(edit))
			require.NotEmpty(b, errs.FieldsOf(err)[field], field)
		}
		_, err := b.providers.Create(b.Context(), b.h, "idp_x", b.input())
		require.True(b, errs.Is(err, errs.NotFound))
		p := b.create()
		_, err = b.providers.Create(b.Context(), b.h, p.ID, b.input())
		require.True(b, errs.Is(err, errs.Conflict))
		for range 9 {
			b.create()
		}
		_, err = b.providers.Create(b.Context(), b.h, idp.NewID(), b.input())
		require.True(b, errs.Is(err, errs.Conflict))
	})
}

// TestTakenAway: every way to lose the right signs the person out everywhere, in the
// transaction of the change.
func TestTakenAway(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		result, err := b.signIn(p)
		require.NoError(b, err)
		id, q := result.User.ID, b.fake.Approve(b.begin(p).String())

		require.NoError(b, b.providers.SetBlocked(b.Context(), b.h, id, true))
		require.NoError(b, b.providers.SetBlocked(b.Context(), b.h, id, true))
		require.Equal(b, []string{id}, b.taken())
		_, active := b.user(id)
		require.False(b, active)
		_, err = b.finish(b.answer(p, q))
		requireRefused(b, err, "blocked")
		require.NoError(b, b.providers.SetBlocked(b.Context(), b.h, id, false))
		_, active = b.user(id)
		require.True(b, active)
		require.Empty(b, b.taken())
		require.True(b, errs.Is(b.providers.SetBlocked(b.Context(), newBundleTenant(b, "bravo"), id, true), errs.NotFound))

		in := b.input(func(in *idp.Input) { in.AllowedDomains = []string{"example.com"} })
		require.NoError(b, b.providers.Update(b.Context(), b.h, p.ID, in, 1))
		require.Empty(b, b.taken(), "still let in")
		in.AllowedDomains = []string{"other.example"}
		require.NoError(b, b.providers.Update(b.Context(), b.h, p.ID, in, 2))
		require.Equal(b, []string{id}, b.taken())
		_, active = b.user(id)
		require.False(b, active)
		in.AllowedDomains = nil
		require.NoError(b, b.providers.Update(b.Context(), b.h, p.ID, in, 3))

		late := b.fake.Approve(b.begin(p).String())
		require.NoError(b, b.providers.SetEnabled(b.Context(), b.h, p.ID, false, 4))
		require.Equal(b, []string{id}, b.taken())
		_, active = b.user(id)
		require.False(b, active)
		_, err = b.finish(b.answer(p, late))
		require.True(b, errs.Is(err, errs.NotFound), "%v", err)
		_, err = b.providers.Begin(b.Context(), b.h, b.start(p))
		require.True(b, errs.Is(err, errs.NotFound))
		require.NoError(b, b.providers.SetEnabled(b.Context(), b.h, p.ID, true, 5))

		require.NoError(b, b.providers.Remove(b.Context(), b.h, p.ID))
		require.Equal(b, []string{id}, b.taken())
		_, active = b.user(id)
		require.False(b, active)
		require.Empty(b, b.list())
	})
}

// TestTrial: a ticket of the console's tries a provider out that is off, signs nobody
// in, and shows no value whole.
func TestTrial(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create(func(in *idp.Input) { in.Enabled, in.AllowedGroups = false, []string{"staff"} })
		b.fake.Claims = func(c map[string]any) { c["groups"], c["phone_number"] = []string{"guests", "visitors"}, "+1 555 0100" }
		ticket, err := b.providers.NewTrial(b.Context(), b.h, p.ID)
		require.NoError(b, err)
		start := b.start(p)
		start.Attempt, start.Trial = "", ticket
		address, err := b.providers.Begin(b.Context(), b.h, start)
		require.NoError(b, err)
		result, err := b.finish(b.answer(p, b.fake.Approve(address)))
		require.NoError(b, err)
		require.Empty(b, result.User.ID)
		require.Equal(b, "a•••@example.com", result.Trial.Email)
		require.Equal(b, "A•••", result.Trial.Name)
		require.Equal(b, "p•••", result.Trial.Subject)
		require.Equal(b, 2, result.Trial.Groups)
		require.Equal(b, 0, result.Trial.Matched)
		require.Equal(b, "the groups", result.Trial.Refusal)
		require.Contains(b, result.Trial.Claims, idp.Claim{Name: "phone_number", Kind: "text"})
		require.Contains(b, result.Trial.Claims, idp.Claim{Name: "groups", Kind: "list of 2"})
		_, total := b.users(idp.Page{})
		require.EqualValues(b, 0, total)

		other := b.create()
		start.ProviderID = other.ID
		_, err = b.providers.Begin(b.Context(), b.h, start)
		requireRefused(b, err, "trial_over")
		start.ProviderID, start.Trial = p.ID, ticket[:40]+"-_"+ticket[42:]
		_, err = b.providers.Begin(b.Context(), b.h, start)
		requireRefused(b, err, "trial_over")
		start.Trial = ticket
		b.env.Clock.Advance(11 * time.Minute)
		_, err = b.providers.Begin(b.Context(), b.h, start)
		requireRefused(b, err, "trial_over")
	})
}

// TestIndependentProvider signs in at a certified provider that others wrote.
func TestIndependentProvider(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		id := idp.NewID()
		issuer := oidc.Start(b, oidc.Setup{
			ClientID: "gateway", ClientSecret: secret, RedirectURIs: []string{origin + idp.CallbackPath(id)},
			Claims: map[string]any{"sub": "grace", "email": "grace@example.com", "email_verified": true, "name": "Grace Hopper", "groups": []string{"navy"}},
		})
		p, err := b.providers.Create(b.Context(), b.h, id, b.input(func(in *idp.Input) {
			in.Issuer, in.AllowedDomains, in.AllowedGroups = issuer, []string{"example.com"}, []string{"navy"}
		}))
		require.NoError(b, err)
		answer := oidc.Browse(b, b.begin(p).String(), origin)
		require.Equal(b, issuer, answer.Get("iss"))
		result, err := b.finish(b.answer(p, answer))
		require.NoError(b, err)
		require.Equal(b, "grace", result.User.ExternalID)
		require.Equal(b, "grace@example.com", result.User.Email)
		require.Equal(b, "Grace Hopper", result.User.Name)
		require.Equal(b, []string{"navy"}, result.User.Groups)
		_, err = b.finish(b.answer(p, answer))
		requireRefused(b, err, "sign_in_over")
	})
}
