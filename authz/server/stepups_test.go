package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/settings"
)

// lacks has a call of the tokens refused for want of a scope, as the edge does, and waits
// until that is stored.
func (tn *tenant) lacks(tk tokens, scope string) {
	t := tn.b.t
	t.Helper()
	tn.b.server.Needed(tn.issuer, tk.family(), []string{"mcp", scope})
	require.Eventually(t, func() bool {
		return tn.count("token_families", "id = ? AND ' ' || needed_scope || ' ' LIKE ?", tk.family(), "% "+scope+" %") == 1
	}, 20*time.Second, 5*time.Millisecond)
}

// TestStepUpForClientsThatAskForLess: what a call lacked is offered at the next sign-in,
// although the client asks for its old scope only; to nobody else, and not for ever.
func TestStepUpForClientsThatAskForLess(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.scope("tickets:write", "Change tickets", false, "edit_ticket")
		tn.scope("tickets:drop", "Drop tickets", false, "drop_tickets")
		a, br := tn.app(), tn.browser()
		old := []string{"scope", "mcp offline_access"}
		got := a.redeem(br.decide(a.consentPage(br, old...), "allow").answer(b.t).Get("code"))
		require.Equal(b.t, "mcp offline_access", got.Scope)
		require.NotContains(b.t, a.consentPage(br, old...).body, "Change tickets")

		tn.lacks(got, "tickets:write")
		tn.lacks(got, "tickets:drop")
		tn.lacks(got, "gone")
		p := a.consentPage(br, old...)
		require.Contains(b.t, p.body, "Change tickets")
		require.Contains(b.t, p.body, "Drop tickets")
		require.NotContains(b.t, tn.app().consentPage(br, old...).body, "Change tickets", "another app lacked nothing")
		require.Equal(b.t, "mcp tickets:write tickets:drop offline_access", a.redeem(br.submit("/consent", p.fields("decision", "allow")).answer(b.t).Get("code")).Scope)

		other := tn.app()
		got = other.redeem(br.decide(other.consentPage(br, old...), "allow").answer(b.t).Get("code"))
		tn.lacks(got, "tickets:write")
		b.env.Clock.Advance(11 * time.Minute)
		require.NotContains(b.t, other.consentPage(br, old...).body, "Change tickets", "it is long ago")
		b.server.Needed("https://nowhere.mcp.test", "fam_x", []string{"mcp"})
		b.server.Needed(tn.issuer, "fam_x", []string{"mcp"})
		tn.lacks(got, "tickets:write") // and nothing of that keeps others from being stored
	})
}

// TestStepUpIsNotForgottenByWhatIsRemembered: a remembered yes answers only for what it
// covers, and then for all of it.
func TestStepUpIsNotForgottenByWhatIsRemembered(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.settings(func(s *settings.Settings) { s.RememberConsent = true })
		tn.scope("tickets:write", "Change tickets", false, "edit_ticket")
		const callback = "https://app.example/cb"
		a, br := tn.preregistered("Notes", callback), tn.browser()
		old := []string{"scope", "mcp", "redirect_uri", callback}
		allow := func(p page) tokens {
			return a.redeem(br.submit("/consent", p.fields("decision", "allow")).answer(b.t).Get("code"), "redirect_uri", callback)
		}
		got := allow(a.consentPage(br, old...))
		require.True(b.t, strings.HasPrefix(a.again(br, old...), callback), "remembered")
		tn.lacks(got, "tickets:write")
		require.NotContains(b.t, a.again(br, old...), callback)
		got = allow(a.consentPage(br, old...))
		require.Equal(b.t, "mcp tickets:write", got.Scope)
	})
}
