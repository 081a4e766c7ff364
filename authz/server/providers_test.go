package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/test/fakes/oidc"
)

// provider adds a sign-in provider to the tenant.
func (tn *tenant) provider(fake *oidc.Provider) idp.Provider {
	t := tn.b.t
	t.Helper()
	p, err := tn.b.server.Providers().Create(t.Context(), tn.handle, idp.NewID(), idp.Input{Name: "Acme SSO", Issuer: fake.Issuer, ClientID: "gateway", ClientSecret: "secret", Enabled: true})
	require.NoError(t, err)
	return p
}

// leave takes a browser from a sign-in page to the provider and gives the provider's
// answer, as a path here.
func (br *browser) leave(fake *oidc.Provider, p idp.Provider, signIn string) (callback string) {
	t := br.tn.b.t
	t.Helper()
	page := br.get(signIn)
	require.Contains(t, page.body, "Continue with Acme SSO")
	attempt := page.fields().Get("attempt")
	page = br.get("/sign-in/" + p.ID + "?attempt=" + attempt)
	require.Equal(t, 200, page.status, page.body)
	require.Contains(t, page.header.Get("Content-Security-Policy"), "http://127.0.0.1:*")
	page = br.submit("/sign-in/"+p.ID, page.fields())
	require.True(t, strings.HasPrefix(page.location, fake.Issuer+"/authorize?"), page.body)
	for _, of := range []string{stateCanary, "resource=", "offline_access", "prompt=", "att_"} {
		require.NotContains(t, page.location, of, "nothing of the client's request goes there")
	}
	return idp.CallbackPath(p.ID) + "?" + fake.Approve(page.location).Encode()
}

func TestSignInAtAProvider(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := oidc.New(b.t)
		p := tn.provider(fake)
		a, br := tn.app(), tn.browser()
		page := br.get(br.leave(fake, p, a.authorize(br, "prompt", "login").location))
		require.True(b.t, strings.HasPrefix(page.location, "/consent?attempt="), page.body)
		page = br.get(page.location)
		require.Contains(b.t, page.body, "ada@example.com")
		got := a.redeem(br.decide(page, "allow").answer(b.t).Get("code"))
		require.Equal(b.t, 200, got.status, got.body)
		subject, _ := got.claims()["sub"].(string)
		require.True(b.t, idp.IsSubject(subject), subject)
		got = a.refresh(got.Refresh)
		require.Equal(b.t, 200, got.status, got.body)
		require.Contains(b.t, br.get("/me/apps").body, "ada@example.com")

		// Blocked: sessions and tokens end in the same transaction.
		require.Empty(b.t, tn.revoked())
		require.NoError(b.t, b.server.Providers().SetBlocked(b.t.Context(), tn.handle, subject, true))
		require.Len(b.t, tn.revoked(), 1)
		require.Equal(b.t, "invalid_grant", a.refresh(got.Refresh).Error)
		require.Equal(b.t, "/sign-in?attempt=me", br.get("/me/apps").location)
		require.EqualValues(b.t, 0, tn.count("end_user_sessions", "subject = ?", subject))
		blocked := br.get(br.leave(fake, p, a.authorize(br).location))
		require.Equal(b.t, 403, blocked.status)
		require.Contains(b.t, blocked.body, "was blocked")
		require.NoError(b.t, b.server.Providers().SetBlocked(b.t.Context(), tn.handle, subject, false))

		// The person's own page.
		page = br.get(br.leave(fake, p, br.get("/me/apps").location))
		require.Equal(b.t, "/me/apps", page.location, page.body)
		require.Equal(b.t, 200, br.get("/me/apps").status)
		require.NoError(b.t, b.server.Providers().SetEnabled(b.t.Context(), tn.handle, p.ID, false, 1))
		require.Equal(b.t, "/sign-in?attempt=me", br.get("/me/apps").location)
		require.NotContains(b.t, br.get("/sign-in?attempt=me").body, "Acme SSO")
	})
}

// TestA14Callback: the callback belongs to one browser and one tenant, once. Everything
// else is 400, and the code is never redeemed.
func TestA14Callback(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := oidc.New(b.t)
		p := tn.provider(fake)
		a, br := tn.app(), tn.browser()
		callback := br.leave(fake, p, a.authorize(br).location)
		b.env.Clock.Advance(time.Second)
		state, err := url.Parse(callback)
		require.NoError(b.t, err)

		theirs := tn.browser()
		a.authorize(theirs) // has a name here, too
		other := b.tenant("bravo")
		for what, got := range map[string]func() page{
			"no cookie":       func() page { return tn.browser().get(callback) },
			"another browser": func() page { return theirs.get(callback) },
			"another tenant":  func() page { return br.cross(other).get(callback) },
			"no query":        func() page { return br.get(idp.CallbackPath(p.ID)) },
			"bad query":       func() page { return br.get(idp.CallbackPath(p.ID) + "?%zz") },
			"odd path":        func() page { return br.get("/callback/%00?" + state.RawQuery) },
			"state twice":     func() page { return br.get(idp.CallbackPath(p.ID) + "?" + state.RawQuery + "&state=x") },
		} {
			refused := got()
			require.Equal(b.t, http.StatusBadRequest, refused.status, what)
			require.Regexp(b.t, "not_started_here|sign_in_over", refused.body, what)
			require.Equal(b.t, 0, fake.Asked("/token"), what)
			require.NotContains(b.t, refused.header.Get("Set-Cookie"), "session", what)
		}
		require.Equal(b.t, 303, br.get(callback).status)
		require.Equal(b.t, 400, br.get(callback).status, "a replay")
		require.Equal(b.t, 1, fake.Asked("/token"))

		// A13: another provider's callback.
		b.env.Clock.Advance(time.Second)
		second := tn.provider(fake)
		callback = br.leave(fake, p, a.authorize(br, "prompt", "login").location)
		require.Equal(b.t, 400, br.get(strings.Replace(callback, p.ID, second.ID, 1)).status)
		require.Equal(b.t, 1, fake.Asked("/token"))
	})
}

// TestB10SessionOfAProvider: signing in gives the browser another session, and the one
// that it had is over.
func TestB10SessionOfAProvider(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := oidc.New(b.t)
		p := tn.provider(fake)
		br := tn.browser()
		br.own(tn.owner.Email)
		here, err := url.Parse(tn.issuer)
		require.NoError(b.t, err)
		session := func() string {
			for _, c := range br.client.Jar.Cookies(here) {
				if strings.HasSuffix(c.Name, "session") {
					return c.Value
				}
			}
			return ""
		}
		before := session()
		b.env.Clock.Advance(time.Second)
		a := tn.app()
		callback := br.leave(fake, p, a.authorize(br, "prompt", "login").location)
		require.Equal(b.t, 303, br.get(callback).status)
		require.NotEqual(b.t, before, session())
		require.EqualValues(b.t, 0, tn.count("end_user_sessions", "id_hash = ?", ids.Hash(before)))
		require.EqualValues(b.t, 1, tn.count("end_user_sessions", "id_hash = ?", ids.Hash(session())))
	})
}

func TestProviderRefusals(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := oidc.New(b.t)
		p := tn.provider(fake)
		a, br := tn.app(), tn.browser()
		fake.Redirect = func(q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("error_description", "<b>canary</b>")
		}
		got := br.get(br.leave(fake, p, a.authorize(br).location))
		require.Equal(b.t, 400, got.status)
		require.Contains(b.t, got.body, "access_denied")
		require.NotContains(b.t, got.body, "canary")
		require.NotContains(b.t, b.log.String(), "canary")

		signIn := br.get(a.authorize(br).location)
		attempt := signIn.fields().Get("attempt")
		require.Equal(b.t, 404, br.get("/sign-in/"+idp.NewID()+"?attempt="+attempt).status)
		require.Equal(b.t, 404, br.get("/sign-in/"+p.ID).status)
		form := br.get("/sign-in/" + p.ID + "?attempt=" + attempt).fields()
		form.Set("csrf", "x")
		require.Equal(b.t, 403, br.submit("/sign-in/"+p.ID, form).status)
		require.Equal(b.t, 403, br.request("POST", "/sign-in/"+p.ID, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site").status)
	})
}

// TestTrialOfAProvider: a ticket of the console's, in a browser that was never here.
func TestTrialOfAProvider(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		fake := oidc.New(b.t)
		p := tn.provider(fake)
		require.NoError(b.t, b.server.Providers().SetEnabled(b.t.Context(), tn.handle, p.ID, false, 1))
		ticket, err := b.server.Providers().NewTrial(b.t.Context(), tn.handle, p.ID)
		require.NoError(b.t, err)
		br := tn.browser()
		got := br.get("/sign-in/" + p.ID + "?trial=" + ticket)
		require.Contains(b.t, got.body, "This is a test")
		form := got.fields()
		require.Equal(b.t, 403, br.request("POST", "/sign-in/"+p.ID, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "cross-site").status)
		got = br.submit("/sign-in/"+p.ID, form)
		got = br.get(idp.CallbackPath(p.ID) + "?" + fake.Approve(got.location).Encode())
		require.Equal(b.t, 200, got.status, got.body)
		for _, shown := range []string{"would be let in", "a•••@example.com", "email_verified", "true"} {
			require.Contains(b.t, got.body, shown)
		}
		for _, hidden := range []string{"ada@", "Lovelace", "person-1"} {
			require.NotContains(b.t, got.body, hidden)
		}
		require.EqualValues(b.t, 0, tn.count("end_user_sessions", "1 = 1"))
		require.EqualValues(b.t, 0, tn.count("end_users", "1 = 1"))
		require.Equal(b.t, 400, br.get("/sign-in/"+p.ID+"?trial=x").status)
	})
}
