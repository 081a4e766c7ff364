package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

// TestConnectKey: an API key is asked for in the place of a provider, checked where it
// can be, and shown nowhere.
func TestConnectKey(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		const good, bad = "canary_good_key", "canary_bad_key"
		var broken atomic.Bool
		check := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case broken.Load():
				w.WriteHeader(http.StatusInternalServerError)
			case r.Header.Get("X-Api-Key") != "Key "+good:
				w.WriteHeader(http.StatusUnauthorized)
			}
		}))
		b.t.Cleanup(check.Close)
		p := tn.loose(profiles.Input{Name: "Weather", Kind: profiles.KindAPIKey, Settings: profiles.Settings{APIKey: profiles.KeyRule{
			Label: "Your weather key", Help: "It is under Settings, API.", Header: "X-Api-Key", Format: "Key {key}", CheckURL: check.URL,
		}}})
		tn.attach(p)
		a, br := tn.app(), tn.browser()
		card := a.asks(br)
		for _, shown := range []string{"Connect your Weather account", "Your weather key", "It is under Settings, API.", `type="password"`, `autocomplete="off"`} {
			require.Contains(b.t, card.body, shown)
		}
		enter := func(key string) page { return br.submit("/connect", card.fields("decision", "key", "key", key)) }
		for key, says := range map[string]string{"": "Type the key.", bad: "refuses this key", "two words": "This is not a key", strings.Repeat("k", 5000): "This is not a key"} {
			refused := enter(key)
			require.Equal(b.t, 422, refused.status, key)
			require.Contains(b.t, refused.body, says)
			require.NotContains(b.t, refused.body, "canary_")
		}
		broken.Store(true)
		refused := enter(good)
		require.Equal(b.t, 502, refused.status)
		require.Contains(b.t, refused.body, "key_unchecked")
		require.Empty(b.t, tn.grants(tn.owner.ID))
		broken.Store(false)
		got := br.get(enter(" " + good + "\n").location)
		require.Contains(b.t, got.location, "code=", got.body)
		list := tn.grants(tn.owner.ID)
		require.Len(b.t, list, 1)
		require.Equal(b.t, grants.StateConnected, list[0].State)
		require.NotContains(b.t, b.log.String(), "canary_")

		// The same from the person's own page; and the way to a provider is closed.
		own := br.get("/connect?profile=" + p.ID)
		require.Equal(b.t, 404, br.submit("/connect", own.fields("decision", "connect")).status)
		require.Equal(b.t, "/me/apps?done=connected", br.submit("/connect", own.fields("decision", "key", "key", good)).location)
		require.NotContains(b.t, br.get("/me/apps").body, "canary_")
	})
}

// TestConnectMatch: where the profile wants the person's own verified address, another
// account is refused, and both are named.
func TestConnectMatch(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake, func(in *profiles.Input) { in.Match = profiles.MatchEmail })
		a, br := tn.app(), tn.browser()
		card := a.asks(br)
		again := "/consent?attempt=" + card.fields().Get("attempt")
		for _, other := range []fakes.User{
			{ID: "1", Name: "Ada", Email: "ada@example.com"},
			{ID: "2", Name: "Me", Email: tn.owner.Email, Unverified: true},
		} {
			fake.SignIn(other)
			got := br.get(back(p, fake.Approve(b.t, br.away(br.get(br.get(again).location)))))
			require.Equal(b.t, 403, got.status, got.body)
			require.Regexp(b.t, "account_mismatch|email_unverified", got.body)
			require.Contains(b.t, got.body, tn.owner.Email)
			require.Contains(b.t, got.body, other.Email)
			require.Contains(b.t, got.body, again[len("/consent"):], "it leads back")
		}
		require.Empty(b.t, tn.grants(tn.owner.ID))
		require.Zero(b.t, fake.Revocations(), "another's account may have a connection of its own")
		fake.SignIn(fakes.User{ID: "2", Name: "Me", Email: strings.ToUpper(tn.owner.Email)})
		got := br.get(back(p, fake.Approve(b.t, br.away(br.get(br.get(again).location)))))
		require.Equal(b.t, 303, got.status, got.body)
		require.Len(b.t, tn.grants(tn.owner.ID), 1)
	})
}

// TestConnectRefusals: what goes wrong at the provider is a page with a meaning, and
// leads back to where the person stood.
func TestConnectRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		a, br := tn.app(), tn.browser()
		card := a.asks(br)
		try := func() page {
			return br.get(back(p, fake.Approve(b.t, br.away(br.get("/connect?attempt="+card.fields().Get("attempt"))))))
		}
		for what, c := range map[string]struct {
			play   func()
			status int
			says   string
		}{
			"denied":        {func() { fake.Deny("access_denied") }, 400, "access_denied"},
			"unknown error": {func() { fake.Deny("x_canary_error") }, 400, "provider_error"},
			"down":          {func() { fake.Fail("token", fakes.Status(503), 1) }, 502, "provider_temporary"},
			"cut":           {func() { fake.Fail("token", fakes.CutBefore(), 1) }, 502, "provider_temporary"},
			"a web page":    {func() { fake.Fail("token", fakes.HTML(200), 1) }, 502, "provider_"},
			"busy":          {func() { fake.Fail("token", fakes.Limited(30), 1) }, 503, "provider_limited"},
			"our secret":    {func() { fake.Fail("token", fakes.Refuse(401, "invalid_client", "canary_description"), 1) }, 502, "provider_misconfigured"},
		} {
			c.play()
			got := try()
			require.Equal(b.t, c.status, got.status, "%s: %s", what, got.body)
			require.Contains(b.t, got.body, c.says, what)
			require.NotContains(b.t, got.body, "canary_", what)
			require.Contains(b.t, got.body, "/consent?attempt=", what)
			require.Empty(b.t, tn.grants(tn.owner.ID), what)
			fake.Heal()
		}
		require.Equal(b.t, 303, try().status)
		require.Len(b.t, tn.grants(tn.owner.ID), 1)
	})
}

// TestConnectionsOfAPerson: their page lists what they have connected and what is
// lacking, renews it and ends it, at the provider too.
func TestConnectionsOfAPerson(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		a, br := tn.app(), tn.browser()
		require.Contains(b.t, br.submit("/connect", a.asks(br).fields("decision", "skip")).location, "code=")
		page := br.get("/me/apps")
		require.Contains(b.t, page.body, "Not connected")
		require.Contains(b.t, page.body, "/connect?profile="+p.ID)

		card := br.get("/connect?profile=" + p.ID)
		require.Equal(b.t, 200, card.status, card.body)
		require.Equal(b.t, "/me/apps?done=connected", br.get(back(p, fake.Approve(b.t, br.away(card)))).location)
		page = br.get("/me/apps?done=connected")
		for _, shown := range []string{"The account is connected", "Ada Lovelace", "Renewed next", "Reconnect", "Disconnect"} {
			require.Contains(b.t, page.body, shown)
		}
		guest := tn.browser()
		guest.own(tn.member("guest").Email)
		require.Equal(b.t, 404, guest.get("/me/apps/disconnect?profile="+p.ID).status)
		require.Equal(b.t, 404, guest.submit("/me/apps/disconnect", guest.get("/me/apps").fields("profile", p.ID)).status)
		require.Equal(b.t, 404, br.get("/connect?profile="+profiles.NewID()).status)
		require.Equal(b.t, 404, br.get("/connect?profile=%00").status)

		ask := br.get("/me/apps/disconnect?profile=" + p.ID)
		require.Contains(b.t, ask.body, "Disconnect Northwind?")
		form := ask.fields()
		form.Set("csrf", "x")
		require.Equal(b.t, 403, br.submit("/me/apps/disconnect", form).status)
		require.Equal(b.t, grants.StateConnected, tn.grants(tn.owner.ID)[0].State)
		require.Equal(b.t, "/me/apps?done=disconnected", br.submit("/me/apps/disconnect", ask.fields()).location)
		require.Empty(b.t, tn.grants(tn.owner.ID))
		require.NotContains(b.t, br.get("/me/apps").body, "Ada Lovelace")
	})
}

// TestTrialOfAProfile: a ticket of the console's shows what a provider does, in a
// browser that was never here; nothing is stored, and the tokens are given back.
func TestTrialOfAProfile(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		ticket, err := b.brokers[0].Connect.NewTrial(b.t.Context(), tn.handle, p.ID)
		require.NoError(b.t, err)
		br := tn.browser()
		try := func() page {
			start := br.get("/connect/" + p.ID + "?trial=" + ticket)
			require.Equal(b.t, 200, start.status, start.body)
			require.Contains(b.t, start.body, "This is a test")
			require.Equal(b.t, 403, br.request("POST", "/connect", start.fields().Encode(), "Content-Type", formType, "Sec-Fetch-Site", "cross-site").status)
			return br.get(back(p, fake.Approve(b.t, br.submit("/connect", start.fields()).location)))
		}
		got := try()
		require.Equal(b.t, 200, got.status, got.body)
		for _, shown := range []string{"People can connect their accounts", "todos.write", "Refreshing", "works", "Rotation", "yes, at the provider", "email_verified", "true", "a•••@example.com"} {
			require.Contains(b.t, got.body, shown)
		}
		for _, hidden := range []string{"ada@", "Lovelace", fakes.Ada.ID, "canary_"} {
			require.NotContains(b.t, got.body, hidden)
		}
		require.Equal(b.t, 1, fake.Refreshes())
		require.Equal(b.t, 1, fake.Revocations())
		require.Zero(b.t, tn.count("end_user_sessions", "1 = 1"))
		require.Zero(b.t, tn.count("profile_users", "1 = 1"))

		fake.Fail("refresh", fakes.Refuse(400, "invalid_grant", "no"), 1)
		got = try()
		require.Contains(b.t, got.body, "Refreshing does not work")

		// Somebody's own connection does not end with a test.
		member := tn.browser()
		member.own(tn.owner.Email)
		require.Equal(b.t, 303, member.get(back(p, fake.Approve(b.t, member.away(member.get("/connect?profile="+p.ID))))).status)
		before := fake.Revocations()
		require.Contains(b.t, try().body, "their connection could end with it")
		require.Equal(b.t, before, fake.Revocations())

		other := tn.loose(profiles.Input{Name: "Other", Kind: profiles.KindOAuth, Preset: "generic", Settings: profiles.Settings{
			Discovery: profiles.Manual, Endpoints: provider.Endpoints{Authorization: fake.Authorization, Token: fake.Token},
		}, Client: profiles.ClientInput{Kind: profiles.Preregistered, ID: "x", AuthMethod: profiles.AuthNone}})
		require.Equal(b.t, 400, br.get("/connect/"+other.ID+"?trial="+ticket).status, "a ticket is for one profile")
		require.Equal(b.t, 400, br.get("/connect/"+p.ID+"?trial=x").status)
		require.Equal(b.t, 404, br.get("/connect/prf_none?trial="+ticket).status)
	})
}
