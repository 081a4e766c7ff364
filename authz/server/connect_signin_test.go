package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/connect"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/tenancy"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

func sameUser(in *profiles.Input) { in.SignIn = true }

// atProvider is the page that stands before the sign-in at a profile's provider.
func (a *app) atProvider(br *browser) page {
	t := br.tn.b.t
	t.Helper()
	got := br.get(a.authorize(br).location)
	require.Equal(t, 200, got.status, got.body)
	return got
}

// through signs in at the provider and gives the consent page.
func (a *app) through(br *browser, fake *fakes.Provider, p profiles.Profile) page {
	t := br.tn.b.t
	t.Helper()
	got := br.submit("/connect", a.atProvider(br).fields("decision", "sign-in"))
	require.True(t, strings.HasPrefix(got.location, fake.Origin), got.body)
	got = br.get(back(p, fake.Approve(t, got.location)))
	require.True(t, strings.HasPrefix(got.location, "/consent?attempt="), got.body)
	got = br.get(got.location)
	require.Equal(t, 200, got.status, got.body)
	return got
}

// TestSameUserSignIn: the provider behind the runtime is the sign-in, and the grant
// comes with it.
func TestSameUserSignIn(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake, sameUser)
		a, br := tn.app(), tn.browser()

		// B1: which client asks, and where the answer goes, before anything is sent there.
		page := a.atProvider(br)
		for _, shown := range []string{"Sign in with Northwind", "It named itself", "Test App", "127.0.0.1:33418", "Runtime tickets", "Read your todos", "Continue with Northwind"} {
			require.Contains(b.t, page.body, shown)
		}
		require.NotContains(b.t, page.body, "Password")
		require.Zero(b.t, fake.Asked("authorize"))
		require.Zero(b.t, tn.count("connects", "1 = 1"))
		form := page.fields("email", tn.owner.Email, "password", password)
		require.True(b.t, strings.HasPrefix(br.submit("/sign-in", form).location, "/sign-in?attempt="), "a password is not the way here")
		require.Zero(b.t, tn.count("end_user_sessions", "1 = 1"))

		consent := a.through(br, fake, p)
		require.Contains(b.t, consent.body, "ada@example.com")
		got := br.decide(consent, "allow")
		require.Contains(b.t, got.location, "code=", "the sign-in brought the grant, so nothing is asked for")
		tokens := a.redeem(got.answer(b.t).Get("code"))
		subject, _ := tokens.claims()["sub"].(string)
		require.True(b.t, connect.IsSubject(subject), subject)
		list := tn.grants(subject)
		require.Len(b.t, list, 1)
		require.Equal(b.t, fakes.Ada.ID, list[0].AccountID)
		tokens = a.refresh(tokens.Refresh)
		require.Equal(b.t, 200, tokens.status, tokens.body)
		require.Contains(b.t, br.get("/me/apps").body, "Northwind")

		// The same person again is the same subject; somebody else is another one.
		again := tn.browser()
		got = again.decide(a.through(again, fake, p), "allow")
		require.Equal(b.t, subject, a.redeem(got.answer(b.t).Get("code")).claims()["sub"])
		fake.SignIn(fakes.User{ID: "77", Name: "Bob", Email: "bob@example.com"})
		bob := tn.browser()
		got = bob.decide(a.through(bob, fake, p), "allow")
		other, _ := a.redeem(got.answer(b.t).Get("code")).claims()["sub"].(string)
		require.NotEqual(b.t, subject, other)
		require.EqualValues(b.t, 2, tn.count("profile_users", "1 = 1"))

		// Reconnecting is for the same person only: both accounts are named, nothing is stored.
		page = br.get(back(p, fake.Approve(b.t, br.away(br.get("/connect?profile="+p.ID)))))
		require.Equal(b.t, 403, page.status, page.body)
		for _, shown := range []string{"account_mismatch", "ada@example.com", "bob@example.com", "Sign out here"} {
			require.Contains(b.t, page.body, shown)
		}
		require.Equal(b.t, fakes.Ada.ID, tn.grants(subject)[0].AccountID)

		// Their own page has this way in, too.
		own := tn.browser()
		page = own.get(own.get("/me/apps").location)
		require.Contains(b.t, page.body, "Continue with Northwind")
		page = own.get("/connect?attempt=me&profile=" + p.ID)
		require.Equal(b.t, 200, page.status, page.body)
		page = own.submit("/connect", page.fields("decision", "sign-in"))
		require.Equal(b.t, "/me/apps", own.get(back(p, fake.Approve(b.t, page.location))).location)
		require.Contains(b.t, own.get("/me/apps").body, "bob@example.com")

		// Blocked, or the profile no longer the sign-in: nothing goes on.
		tn.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&profileUserRow{}).Where("id = ?", subject).Update("blocked_at", tx.Now()).Error
		})
		require.Equal(b.t, "invalid_grant", a.refresh(tokens.Refresh).Error)
		require.Equal(b.t, "/sign-in?attempt=me", br.get("/me/apps").location)
	})
}

// TestSameUserIsOfItsRuntimes: a provider that anybody may have an account at signs
// nobody in to a runtime that does not want it, and members do not come in past it.
func TestSameUserIsOfItsRuntimes(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake, sameUser)
		tn.upstream("payroll")
		a, br := tn.app(), tn.browser()
		got := br.decide(a.through(br, fake, p), "allow")
		tokens := a.redeem(got.answer(b.t).Get("code"))
		require.Equal(b.t, 200, tokens.status)

		page := br.get(a.authorize(br, "resource", tn.mcp("payroll")).location)
		require.Contains(b.t, page.body, "Password", "the runtime's own way to sign in")
		attempt := page.fields().Get("attempt")
		require.True(b.t, strings.HasPrefix(br.get("/consent?attempt="+attempt).location, "/sign-in?attempt="))
		require.True(b.t, strings.HasPrefix(br.submit("/consent", page.fields("decision", "allow")).location, "/sign-in?attempt="))

		member := tn.browser()
		member.own(tn.owner.Email)
		page = a.atProvider(member)
		require.Contains(b.t, page.body, "Continue with Northwind")
		require.True(b.t, strings.HasPrefix(member.submit("/consent", page.fields("decision", "allow")).location, "/sign-in?attempt="))

		// Detached: the tokens that it gave end there at once, also for who never refreshes.
		require.Empty(b.t, tn.revoked())
		require.NoError(b.t, b.brokers[0].Profiles.Detach(b.t.Context(), tn.handle, tn.runtime(), 1))
		require.Len(b.t, tn.revoked(), 1, "at the edge, too")
		b.env.Clock.Advance(time.Second)
		require.Equal(b.t, "invalid_grant", a.refresh(tokens.Refresh).Error)
	})
}

// TestSameUserEndsWithTheProfilesSignIn: a profile whose provider no longer signs people
// in takes everything along that they were issued, sessions included.
func TestSameUserEndsWithTheProfilesSignIn(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake, sameUser)
		a, br := tn.app(), tn.browser()
		got := br.decide(a.through(br, fake, p), "allow")
		tokens := a.redeem(got.answer(b.t).Get("code"))
		require.Equal(b.t, 200, tokens.status)
		var stored profiles.Profile
		tn.write(func(tx *tenancy.Tx) (err error) {
			stored, err = profiles.Get(tx, p.ID)
			return err
		})
		in := profiles.Input{Name: stored.Name, Kind: stored.Kind, Preset: stored.Preset, Issuer: stored.Issuer, Settings: stored.Settings, SignIn: true}
		_, err := b.brokers[0].Profiles.Update(b.t.Context(), tn.handle, p.ID, in, stored.Version)
		require.NoError(b.t, err)
		require.Empty(b.t, tn.revoked(), "it goes on signing people in")
		in.SignIn = false
		_, err = b.brokers[0].Profiles.Update(b.t.Context(), tn.handle, p.ID, in, stored.Version+1)
		require.NoError(b.t, err)
		require.Len(b.t, tn.revoked(), 1)
		require.Equal(b.t, "invalid_grant", a.refresh(tokens.Refresh).Error)
		require.Equal(b.t, "/sign-in?attempt=me", br.get("/me/apps").location)
	})
}
