package server_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

// TestConnectInTheFirstConsent: consent first, then the account, then the code.
func TestConnectInTheFirstConsent(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		a, br := tn.app(), tn.browser()
		card := a.asks(br)
		for _, shown := range []string{"Connect your Northwind account", "Read your todos", "todos.read", fake.Origin[len("http://"):], "Runtime tickets", "Test App", tn.owner.Email, "Not now", "Cancel"} {
			require.Contains(b.t, card.body, shown)
		}
		require.NotContains(b.t, card.body, "todos.write")
		require.Contains(b.t, card.header.Get("Content-Security-Policy"), "http://127.0.0.1:*")
		require.EqualValues(b.t, 0, tn.count("codes", "1 = 1"), "the code lives a minute, so it is not made yet")
		require.EqualValues(b.t, 0, tn.count("connects", "1 = 1"), "nothing is made before the person says yes")
		require.Zero(b.t, fake.Asked("authorize")+fake.Asked("token"))

		address := br.away(card)
		sent, err := url.Parse(address)
		require.NoError(b.t, err)
		q := sent.Query()
		require.Equal(b.t, "S256", q.Get("code_challenge_method"))
		require.Equal(b.t, tn.issuer+profiles.CallbackPath(p.ID), q.Get("redirect_uri"))
		require.Contains(b.t, strings.Fields(q.Get("scope")), "todos.read")
		for _, of := range []string{stateCanary, "att_", tn.owner.Email, tn.owner.ID} {
			require.NotContains(b.t, address, of, "nothing of the client's request or the person goes there")
		}
		got := br.get(back(p, fake.Approve(b.t, address)))
		require.True(b.t, strings.HasPrefix(got.location, "/connect?attempt="), got.body)
		got = br.get(got.location)
		require.True(b.t, strings.HasPrefix(got.location, callback+"?code="), got.location+got.body)
		require.Equal(b.t, 200, a.redeem(got.answer(b.t).Get("code")).status)
		list := tn.grants(tn.owner.ID)
		require.Len(b.t, list, 1)
		require.Equal(b.t, grants.StateConnected, list[0].State)
		require.Contains(b.t, list[0].Scopes, "todos.read")
		require.Equal(b.t, fakes.Ada.ID, list[0].AccountID)

		// The same page again gives the same answer, and another attempt asks for no account.
		require.Equal(b.t, got.location, br.get("/connect?attempt="+card.fields().Get("attempt")).location)
		require.Contains(b.t, br.decide(a.consentPage(br), "allow").location, "code=")
		require.Equal(b.t, 1, fake.Asked("authorize"))
	})
}

func TestConnectNotNowAndCancel(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		tn.profile(fake)
		a, br := tn.app(), tn.browser()
		card := a.asks(br)
		got := br.submit("/connect", card.fields("decision", "skip"))
		require.Contains(b.t, got.location, "code=")
		require.Equal(b.t, got.location, br.submit("/connect", card.fields("decision", "cancel")).location, "the first answer stands")
		require.Equal(b.t, 200, a.redeem(got.answer(b.t).Get("code")).status)

		card = a.asks(br)
		require.Equal(b.t, card.fields().Get("attempt"), queryOf(b.t, br.decide(card, "allow").location).Get("attempt"), "a second click leads here, too")
		got = br.submit("/connect", card.fields("decision", "cancel"))
		require.Equal(b.t, "access_denied", got.answer(b.t).Get("error"))
		require.Zero(b.t, tn.count("consents", "revoked_at IS NULL"), "the yes was taken back")
		require.Zero(b.t, fake.Asked("authorize"))

		// What is no answer shows the card again; a foreign form nothing at all.
		card = a.asks(br)
		require.Equal(b.t, "/connect?attempt="+card.fields().Get("attempt"), br.submit("/connect", card.fields("decision", "x")).location)
		form := card.fields("decision", "connect")
		require.Equal(b.t, 403, br.request("POST", "/connect", form.Encode(), "Content-Type", formType, "Sec-Fetch-Site", "cross-site").status)
		form.Set("csrf", "x")
		require.Equal(b.t, 403, br.submit("/connect", form).status)
		require.Zero(b.t, tn.count("connects", "1 = 1"))
	})
}

func queryOf(t testing.TB, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u.Query()
}

// TestB1AnotherClientAsksFirst: an account that one client's consent connected gives
// another client nothing. It gets a consent page, and the provider hears nothing.
func TestB1AnotherClientAsksFirst(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		br := tn.browser()
		card := tn.app().asks(br)
		require.Equal(b.t, 303, br.get(back(p, fake.Approve(b.t, br.away(card)))).status)
		before := len(fake.Ledger())
		second := tn.app()
		page := second.consentPage(br)
		require.Contains(b.t, page.body, "Allow access to")
		require.Contains(b.t, page.body, "It named itself")
		require.Len(b.t, fake.Ledger(), before, "the provider sees nothing")
		require.Equal(b.t, "access_denied", br.decide(page, "deny").answer(b.t).Get("error"))
		require.Len(b.t, fake.Ledger(), before)
	})
}

// TestA14ConnectCallback: the callback belongs to one browser and one tenant, once.
// Everything else is 400, and the code is never redeemed.
func TestA14ConnectCallback(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		a, br := tn.app(), tn.browser()
		address := br.away(a.asks(br))
		callback := back(p, fake.Approve(b.t, address))
		state := queryOf(b.t, address).Get("state")
		require.GreaterOrEqual(b.t, len(state), 43, "256 bits")

		theirs := tn.browser()
		a.authorize(theirs) // has a name here, too
		other := b.tenant("bravo")
		query := callback[strings.Index(callback, "?")+1:]
		for what, got := range map[string]func() page{
			"no cookie":       func() page { return tn.browser().get(callback) },
			"another browser": func() page { return theirs.get(callback) },
			"another tenant":  func() page { return br.carried(other).get(callback) },
			"no query":        func() page { return br.get(profiles.CallbackPath(p.ID)) },
			"bad query":       func() page { return br.get(profiles.CallbackPath(p.ID) + "?%zz") },
			"odd path":        func() page { return br.get("/connect/callback/%00?" + query + "x") },
			"state twice":     func() page { return br.get(callback + "&state=x") },
			"another state":   func() page { return br.get(strings.Replace(callback, state, "A"+state[1:], 1)) },
		} {
			refused := got()
			require.Equal(b.t, 400, refused.status, "%s: %s", what, refused.body)
			require.Regexp(b.t, "not_started_here|connect_over", refused.body, what)
			require.Zero(b.t, fake.Asked("token"), what)
		}
		require.Equal(b.t, 303, br.get(callback).status, "nothing of it used the answer up")
		require.Equal(b.t, 400, br.get(callback).status, "a replay")
		require.Equal(b.t, 1, fake.Asked("token"))

		late := back(p, fake.Approve(b.t, br.away(br.get("/connect?profile="+p.ID))))
		b.env.Clock.Advance(11 * time.Minute)
		require.Equal(b.t, 400, br.get(late).status, "too late")
		require.Equal(b.t, 1, fake.Asked("token"))
	})
}

// TestA14StateIsOfOneBrowser: even the cookie of the way out, in another browser's
// hands, does not redeem the code there.
func TestA14StateIsOfOneBrowser(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		p := tn.profile(fake)
		a, br := tn.app(), tn.browser()
		callback := back(p, fake.Approve(b.t, br.away(a.asks(br))))
		// Somebody else signs in in the same browser before the answer comes.
		guest := tn.member("guest")
		page := br.submit("/me/sign-out", br.get("/me/apps").fields())
		require.Equal(b.t, 200, page.status)
		br.own(guest.Email)
		refused := br.get(callback)
		require.Equal(b.t, 403, refused.status, refused.body)
		require.Contains(b.t, refused.body, "other_account")
		require.Zero(b.t, fake.Asked("token"))
		require.Empty(b.t, tn.grants(guest.ID))
		require.Empty(b.t, tn.grants(tn.owner.ID))
	})
}

// TestA13ConnectMixUp: an answer counts only from the issuer that was asked, compared
// byte by byte, on errors too, and at its own callback. Nothing else reaches any token
// endpoint (RFC 9207, section 2.4).
func TestA13ConnectMixUp(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		honest, evil := fakes.New(b.t, fakes.Now(b.env.Clock.Now)), fakes.New(b.t, fakes.Now(b.env.Clock.Now))
		first := tn.profile(honest)
		second := tn.profile(evil, func(in *profiles.Input) { in.Name = "Evil" })
		br := tn.browser()
		br.own(tn.owner.Email)
		begin := func(p profiles.Profile) string { return br.away(br.get("/connect?profile=" + p.ID)) }
		refused := func(what, address string) {
			b.t.Helper()
			got := br.get(address)
			require.Contains(b.t, []int{400, 502}, got.status, "%s: %s", what, got.body)
			require.Regexp(b.t, "wrong_issuer|connect_over", got.body, what)
			require.Zero(b.t, honest.Asked("token"), what)
			require.Zero(b.t, evil.Asked("token"), what)
		}
		code := honest.Approve(b.t, begin(first)).Get("code")
		answer := evil.Approve(b.t, begin(second))
		answer.Set("code", code)
		answer.Set("iss", honest.Issuer)
		refused("an honest code from the evil one", back(second, answer))
		refused("at the other's callback", back(first, evil.Approve(b.t, begin(second))))
		for what, edit := range map[string]func(url.Values){
			"no iss, though it is promised": func(q url.Values) { q.Del("iss") },
			"empty iss":                     func(q url.Values) { q.Set("iss", "") },
			"a slash more":                  func(q url.Values) { q.Set("iss", honest.Issuer+"/") },
			"upper case":                    func(q url.Values) { q.Set("iss", strings.ToUpper(honest.Issuer)) },
			"another one's":                 func(q url.Values) { q.Set("iss", evil.Issuer) },
			"an error of another's": func(q url.Values) {
				q.Del("code")
				q.Set("error", "access_denied")
				q.Set("iss", evil.Issuer)
			},
			"an error without iss": func(q url.Values) {
				q.Del("code")
				q.Set("error", "access_denied")
				q.Del("iss")
			},
		} {
			q := honest.Approve(b.t, begin(first))
			edit(q)
			refused(what, back(first, q))
		}
		require.Empty(b.t, tn.grants(tn.owner.ID))
		require.Equal(b.t, "/me/apps?done=connected", br.get(back(first, honest.Approve(b.t, begin(first)))).location)
		require.Equal(b.t, 1, honest.Asked("token"))
		require.Zero(b.t, evil.Asked("token"))
	})
}
