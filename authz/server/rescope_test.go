package server_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/authz/server/settings"
)

// TestDeletedScopeIsNotRenewed: the next token goes without it and says so, and a scope
// that is made again under the same name has to be allowed anew.
func TestDeletedScopeIsNotRenewed(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.settings(func(s *settings.Settings) { s.RememberConsent = true })
		tn.scope("tickets", "Read tickets", false, "list_tickets")
		tn.scope("tickets:write", "Change tickets", false, "edit_ticket")
		const all = "mcp tickets tickets:write offline_access"
		a, br := tn.preregistered("Notes", "https://app.example/cb"), tn.browser()
		ask := []string{"scope", all, "redirect_uri", "https://app.example/cb"}
		p := a.consentPage(br, ask...)
		got := a.redeem(br.submit("/consent", p.fields("decision", "allow")).answer(b.t).Get("code"), "redirect_uri", "https://app.example/cb")
		require.Equal(b.t, all, got.Scope, got.body)

		require.NoError(b.t, scopes.New(b.env.DB).Delete(b.t.Context(), tn.handle, "tickets"))
		got = a.refresh(got.Refresh)
		require.Equal(b.t, "mcp tickets:write offline_access", got.Scope, "another scope that begins alike stays")
		require.Equal(b.t, got.Scope, got.claims()["scope"])

		tn.scope("tickets", "Read tickets", false, "list_tickets")
		got = a.refresh(got.Refresh)
		require.Equal(b.t, "mcp tickets:write offline_access", got.Scope)
		p = a.consentPage(br, ask...)
		require.Contains(b.t, p.body, ">New<", "and nothing is remembered")
	})
}
