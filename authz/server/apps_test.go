package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
)

// own signs a browser in to its person's own page.
func (br *browser) own(email string) page {
	t := br.tn.b.t
	t.Helper()
	p := br.get("/me/apps")
	require.Equal(t, 303, p.status)
	require.Equal(t, "/sign-in?attempt=me", p.location)
	p = br.get(p.location)
	require.Contains(t, p.body, "which apps can act for you")
	p = br.signIn(p, email, password)
	require.Equal(t, "/me/apps", p.location, p.body)
	p = br.get(p.location)
	require.Equal(t, 200, p.status)
	return p
}

func TestMyApps(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.scope("tickets:write", "Change <i>tickets</i>", false, "edit_ticket")
		a, other, br := tn.app(), tn.preregistered("Notes", webCallback), tn.browser()
		require.Contains(b.t, tn.browser().own(tn.owner.Email).body, "No app can act for you")

		first := a.redeem(a.code(br, "scope", "mcp tickets:write"))
		b.env.Clock.Advance(time.Hour)
		notes := br.decide(other.consentPage(br, "redirect_uri", webCallback), "allow")
		second := other.redeem(notes.answer(b.t).Get("code"), "redirect_uri", webCallback)
		require.Equal(b.t, 200, second.status, second.body)
		colleague := b.account("colleague")
		tn.add(colleague)
		theirs := tn.browser()
		p := theirs.get(a.authorize(theirs).location)
		require.Equal(b.t, 303, theirs.signIn(p, colleague.Email, password).status)
		third := a.redeem(theirs.decide(theirs.get("/consent?attempt="+p.fields().Get("attempt")), "allow").answer(b.t).Get("code"))
		require.Equal(b.t, 200, third.status, third.body)
		b.callsMu.Lock()
		b.calls = map[string][]server.Call{tn.owner.ID + " " + a.id: {{At: b.env.Clock.Now(), Name: "edit\u202e_ticket", Outcome: "denied"}, {At: b.env.Clock.Now(), Name: "tools/list", Outcome: "success"}}}
		b.callsMu.Unlock()

		p = br.get("/me/apps")
		for _, shown := range []string{
			"“Test App”", "Not verified: it registered itself", "Notes", "Added by an administrator", "Use Runtime tickets of acme as you", "Change &lt;i&gt;tickets&lt;/i&gt;",
			"Last 2 calls", "edit_ticket", "Denied", tn.owner.Email, b.env.Clock.Now().UTC().Format("2006-01-02 15:04 UTC"),
		} {
			require.Contains(b.t, p.body, shown)
		}
		require.NotContains(b.t, p.body, colleague.Email)
		require.Equal(b.t, 2, strings.Count(p.body, `name="client"`))

		// One: its tokens end, the others' and the colleague's stay.
		ended := br.submit("/me/apps/revoke", p.fields("client", a.id, "runtime", upstreamOf(p)))
		require.Equal(b.t, "/me/apps?done=ended", ended.location)
		p = br.get(ended.location)
		require.Contains(b.t, p.body, "Access ended")
		require.Equal(b.t, 1, strings.Count(p.body, `name="client"`))
		require.Equal(b.t, []string{first.family()}, tn.revoked())
		require.Equal(b.t, 400, a.refresh(first.Refresh).status)
		require.Equal(b.t, 200, other.refresh(second.Refresh).status)
		require.Equal(b.t, 200, a.refresh(third.Refresh).status)
		require.NotContains(b.t, a.consentPage(br).body, "Allowed before")

		// All.
		require.Equal(b.t, "/me/apps?done=ended-all", br.submit("/me/apps/revoke-all", p.fields()).location)
		require.Contains(b.t, br.get("/me/apps").body, "No app can act for you")
		require.ElementsMatch(b.t, []string{first.family(), second.family()}, tn.revoked())
	})
}

// upstreamOf is the runtime that a page's forms name.
func upstreamOf(p page) string { return p.fields().Get("runtime") }

func TestSignOutEverywhere(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		here, there := tn.browser(), tn.browser()
		p := here.own(tn.owner.Email)
		there.own(tn.owner.Email)
		colleague := b.account("colleague")
		tn.add(colleague)
		theirs := tn.browser()
		theirs.own(colleague.Email)
		elsewhere := b.tenant("other").browser()
		elsewhere.own("other-owner@example.com")

		require.Contains(b.t, here.submit("/me/sign-out-everywhere", p.fields()).body, "You are signed out")
		for _, br := range []*browser{here, there} {
			require.Equal(b.t, "/sign-in?attempt=me", br.get("/me/apps").location)
		}
		require.Equal(b.t, 200, theirs.get("/me/apps").status)
		require.Equal(b.t, 200, elsewhere.get("/me/apps").status, "another tenant")

		p = there.own(tn.owner.Email)
		here.own(tn.owner.Email)
		require.Contains(b.t, there.submit("/me/sign-out", p.fields()).body, "You are signed out")
		require.Equal(b.t, 303, there.get("/me/apps").status)
		require.Equal(b.t, 200, here.get("/me/apps").status, "only there")
	})
}

// TestB4ForgedOwnForms: nothing of a person's own page can be done from another one.
func TestB4ForgedOwnForms(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, br := tn.app(), tn.browser()
		got := a.tokens(br)
		p := br.get("/me/apps")
		good := p.fields()
		attacker := tn.browser()
		attacker.own(tn.owner.Email)
		for _, path := range []string{"/me/apps/revoke", "/me/apps/revoke-all", "/me/sign-out", "/me/sign-out-everywhere"} {
			for _, header := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
				require.Equal(b.t, 403, br.request("POST", path, good.Encode(), append(header, "Content-Type", "application/x-www-form-urlencoded")...).status, path)
			}
			for _, token := range []string{"", "x", attacker.get("/me/apps").fields().Get("csrf")} {
				require.Equal(b.t, 403, br.submit(path, p.fields("csrf", token)).status, path)
			}
			require.Equal(b.t, 403, tn.browser().submit(path, good).status, "a browser without a cookie")
			require.Equal(b.t, 405, br.get(path).status)
		}
		require.Equal(b.t, 200, a.refresh(got.Refresh).status)
		require.Empty(b.t, tn.revoked())
		require.Equal(b.t, 404, br.submit("/consent", p.fields("decision", "allow", "attempt", "att_x")).status)
		require.Equal(b.t, "/me/apps", br.submit("/consent", p.fields("decision", "allow", "attempt", "me")).location, "there is nothing to decide")
	})
}

// TestA20OwnPageOfSomebodyWhoLeft: a session is worth nothing without the membership.
func TestA20OwnPageOfSomebodyWhoLeft(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		colleague := b.account("colleague")
		tn.add(colleague)
		br := tn.browser()
		p := br.own(colleague.Email)
		tn.remove(colleague)
		require.Equal(b.t, "/sign-in?attempt=me", br.get("/me/apps").location)
		require.Equal(b.t, "/sign-in?attempt=me", br.submit("/me/apps/revoke-all", p.fields()).location)
	})
}
