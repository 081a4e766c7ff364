package server_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestA9Resource(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		other := b.tenant("other")
		other.upstream("tickets")
		a := tn.app()
		br := tn.browser()
		canonical := tn.mcp("tickets")

		// A workspace with one runtime needs no resource.
		require.Equal(b.t, canonical, a.redeem(a.code(br, "resource", ""), "resource", "").claims()["aud"], "empty is left out")
		got := a.redeem(a.code(br, "resource", "-"), "resource", "-")
		require.Equal(b.t, canonical, got.claims()["aud"])

		tn.upstream("wiki")
		require.Equal(b.t, "invalid_target", refused(b.t, tn, a.authorize(br, "resource", "-")).Get("error"), "with two it would be a guess")
		for _, spelling := range []string{canonical, canonical + "/", "HTTPS://ACME.MCP.TEST/tickets/mcp"} {
			code := a.code(br, "resource", spelling)
			got := a.redeem(code, "resource", spelling)
			require.Equal(b.t, canonical, got.claims()["aud"], spelling)
			require.Equal(b.t, 200, a.refresh(got.Refresh, "resource", spelling).status)
		}
		wrong := []string{
			"https://other/", tn.issuer, tn.issuer + "/", tn.mcp("gone"), other.mcp("tickets"), canonical + "//", canonical + "/x", canonical + "?", canonical + "?a=b", canonical + "#", canonical + "#f", "tickets",
			strings.Replace(canonical, "/mcp", "/%6dcp", 1), strings.Replace(canonical, "tickets", "Tickets", 1), strings.Replace(canonical, "https", "http", 1), strings.Replace(canonical, "acme", "u@acme", 1),
			strings.Replace(canonical, ".test", ".test:8443", 1), strings.Replace(canonical, "/tickets", "/x/../tickets", 1), "\x00", " " + canonical,
		}
		for _, resource := range wrong {
			require.Equal(b.t, "invalid_target", refused(b.t, tn, a.authorize(br, "resource", resource)).Get("error"), "%q", resource)
		}
		two := a.query()
		two.Add("resource", canonical)
		require.Equal(b.t, "invalid_target", refused(b.t, tn, br.get("/authorize?"+two.Encode())).Get("error"))

		// At the token endpoint another resource refuses, and uses nothing up.
		code := a.code(br)
		for _, resource := range append(wrong, tn.mcp("wiki")) {
			require.Equal(b.t, "invalid_target", a.redeem(code, "resource", resource).Error, "%q", resource)
		}
		twice := url.Values{
			"grant_type": {"authorization_code"}, "client_id": {a.id}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {a.verifier},
			"resource": {canonical, canonical},
		}
		require.Equal(b.t, "invalid_target", a.post("/token", twice).Error)
		got = a.redeem(code)
		require.Equal(b.t, 200, got.status, got.body)
		require.Equal(b.t, "invalid_target", a.refresh(got.Refresh, "resource", tn.mcp("wiki")).Error, "A8: a token of one runtime is none of another")
		require.Equal(b.t, 200, a.refresh(got.Refresh).status, "go-sdk sends no resource")
		require.Empty(b.t, tn.revoked())
	})
}

func TestA8TokensAreNotEachOther(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		code := a.code(br)
		got := a.tokens(br)
		require.True(b.t, strings.HasPrefix(got.Refresh, "emc_rt_"))
		require.Equal(b.t, "invalid_grant", a.refresh(code).Error)
		require.Equal(b.t, "invalid_grant", a.refresh(got.Access).Error)
		require.Equal(b.t, "invalid_grant", a.redeem(got.Refresh).Error)
		require.Equal(b.t, "invalid_grant", a.redeem(got.Access).Error)
		require.Equal(b.t, 200, a.redeem(code).status)
	})
}
