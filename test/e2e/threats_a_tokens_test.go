//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// TestA5ACodeIsRedeemedOnce: of 200 redemptions at once one succeeds, and what it gave
// ends with the first of the others. TestA5A7OverTwoProcesses is the same over two.
func TestA5ACodeIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	row(t, "a5", func(h *house) {
		client := h.client("Scripted client")
		code := h.grant(h.stranger(), client)
		var won []said
		for _, got := range atOnce(200, func(int) said { return h.redeem(client, code) }) {
			if got.status == http.StatusOK {
				won = append(won, got)
			} else {
				require.Equal(h.t, "invalid_grant", got.code(), got.body)
			}
		}
		require.Len(h.t, won, 1)
		h.untilDead(won[0].field("access_token"), time.Second, "the access token dies with the replay")
		require.Equal(h.t, "invalid_grant", h.refresh(client, won[0].field("refresh_token")).code())

		// A quiet replay, after the token was in use.
		code = h.grant(h.stranger(), client)
		first := h.redeem(client, code)
		require.Equal(h.t, http.StatusOK, h.ask(first.field("access_token")).status)
		require.Equal(h.t, "invalid_grant", h.redeem(client, code).code())
		h.untilDead(first.field("access_token"), time.Second, "the access token dies with the replay")
	})
}

// TestA6WhatAClientGotIsItsOwn: codes, refresh tokens and device codes are nobody
// else's, another's try uses nothing up, and it is on record.
func TestA6WhatAClientGotIsItsOwn(t *testing.T) {
	t.Parallel()
	row(t, "a6", func(h *house) {
		require.NoError(h.t, h.owner.Authorization(h.t.Context(), h.slug, url.Values{"device": {"on"}}))
		const grant = "urn:ietf:params:oauth:grant-type:device_code"
		headless := func() *httpflow.Client {
			made := h.register(map[string]any{"redirect_uris": []string{"http://127.0.0.1:33418/callback"}, "token_endpoint_auth_method": "none", "grant_types": []string{"authorization_code", "refresh_token", grant}})
			require.Equal(h.t, http.StatusCreated, made.status, made.body)
			client := httpflow.NewClient(h.runtime.MCPURL, nil)
			client.ClientID = made.field("client_id")
			return client
		}
		a, b := headless(), headless()
		p := h.stranger()
		code := h.grant(p, a)
		require.Equal(h.t, "invalid_grant", h.redeem(b, code).code())
		got := h.redeem(a, code)
		require.Equal(h.t, http.StatusOK, got.status, "b's try did not use it up: %s", got.body)
		require.Equal(h.t, "invalid_grant", h.refresh(b, got.field("refresh_token")).code())
		require.Equal(h.t, http.StatusOK, h.ask(got.field("access_token")).status, "nor did it end anything")
		require.Equal(h.t, http.StatusOK, h.refresh(a, got.field("refresh_token")).status)

		device := h.form("/device_authorization", url.Values{"client_id": {a.ClientID}})
		require.Equal(h.t, http.StatusOK, device.status, device.body)
		require.NoError(h.t, p.AllowDevice(h.t.Context(), device.field("verification_uri_complete")))
		poll := func(c *httpflow.Client) said {
			return h.form("/token", url.Values{"grant_type": {grant}, "client_id": {c.ClientID}, "device_code": {device.field("device_code")}})
		}
		require.Equal(h.t, "invalid_grant", poll(b).code())
		require.Equal(h.t, http.StatusOK, poll(a).status)

		if h.gateway.Database != "" { // the audit log has no page yet
			db, err := pgx.Connect(h.t.Context(), h.gateway.Database)
			require.NoError(h.t, err)
			defer func() { _ = db.Close(h.t.Context()) }()
			var n int
			require.NoError(h.t, db.QueryRow(h.t.Context(), "select count(*) from audit_events where action = 'token.wrong_client' and (after like '%'||$1||'%' or target_id = $1 or after like '%'||$2||'%' or target_id = $2)", a.ClientID, b.ClientID).Scan(&n))
			require.GreaterOrEqual(h.t, n, 2)
		}
	})
}

// TestA7RefreshTokensRotate: a lost answer is given again within ten seconds, and an
// older generation ends the family.
func TestA7RefreshTokensRotate(t *testing.T) {
	t.Parallel()
	row(t, "a7", func(h *house) {
		client, p := h.client("Scripted client"), h.stranger()
		begin := func() string {
			got := h.redeem(client, h.grant(p, client))
			require.Equal(h.t, http.StatusOK, got.status, got.body)
			return got.field("refresh_token")
		}
		r1 := begin()
		r2 := h.refresh(client, r1).field("refresh_token")
		answer := h.refresh(client, r2)
		r3 := answer.field("refresh_token")
		require.Equal(h.t, r3, h.refresh(client, r2).field("refresh_token"), "a lost answer, given again")
		require.NotEqual(h.t, r2, r3)
		require.Equal(h.t, http.StatusOK, h.ask(answer.field("access_token")).status)
		require.Equal(h.t, "invalid_grant", h.refresh(client, r1).code(), "an older generation")
		require.Equal(h.t, "invalid_grant", h.refresh(client, r3).code(), "the family is dead")
		h.untilDead(answer.field("access_token"), soon, "the access token dies with its family")

		first := begin()
		renewed := atOnce(30, func(int) said { return h.refresh(client, first) })
		for _, got := range renewed {
			require.Equal(h.t, http.StatusOK, got.status, got.body)
			require.Equal(h.t, renewed[0].field("refresh_token"), got.field("refresh_token"), "one successor")
		}
		require.Equal(h.t, http.StatusOK, h.refresh(client, renewed[0].field("refresh_token")).status, "one family, alive")

		// Beyond the grace, the immediate predecessor ends the family, too.
		late := begin()
		next := h.refresh(client, late)
		began := time.Now()
		require.Equal(h.t, next.field("refresh_token"), h.refresh(client, late).field("refresh_token"))
		require.Eventually(h.t, func() bool { return h.refresh(client, late).code() == "invalid_grant" }, 15*time.Second, 250*time.Millisecond)
		require.Greater(h.t, time.Since(began), 9*time.Second)
		require.Equal(h.t, "invalid_grant", h.refresh(client, next.field("refresh_token")).code())
	})
}

// TestA8OneTokenIsNoOther: only an access token of this workspace's own opens the edge,
// and none of what else is handed out can be exchanged for it.
func TestA8OneTokenIsNoOther(t *testing.T) {
	t.Parallel()
	row(t, "a8", func(h *house) {
		client, p := h.client("Scripted client"), h.stranger()
		code := h.grant(p, client)
		got := h.redeem(client, h.grant(p, client))
		access := got.field("access_token")
		require.Equal(h.t, http.StatusOK, h.ask(access).status)
		other := settle(h.t, h.gateway, "a8b")
		other.runs(upstream.Config{})
		theirs := other.client("Scripted client")
		foreign := other.redeem(theirs, other.grant(other.stranger(), theirs)).field("access_token")
		require.Equal(h.t, http.StatusOK, other.ask(foreign).status)
		registered := h.register(map[string]any{"redirect_uris": []string{client.RedirectURI}, "token_endpoint_auth_method": "client_secret_post"})
		wrong := map[string]string{
			"refresh token": got.field("refresh_token"), "code": code, "another workspace's": foreign, "registration token": registered.field("registration_access_token"),
			"client secret": registered.field("client_secret"), "client id": client.ClientID, "nothing": "",
		}
		for name, typ := range map[string]string{"ID token": "JWT", "logout token": "logout+jwt", "DPoP proof": "dpop+jwt", "ID-JAG": "oauth-id-jag+jwt", "no type": ""} {
			if forged, ok := h.forge(typ, access, nil); ok {
				wrong[name] = forged
			}
		}
		if proper, ok := h.forge("at+jwt", access, nil); ok {
			require.Equal(h.t, http.StatusOK, h.ask(proper).status, "what is forged is right but for its type")
		}
		for name, token := range wrong {
			refused := h.ask(token)
			require.Equal(h.t, http.StatusUnauthorized, refused.status, name)
			if token != "" {
				h.requireDead(token, name)
			}
		}
		require.Equal(h.t, "invalid_grant", h.refresh(client, access).code())
		require.Equal(h.t, "invalid_grant", h.refresh(client, code).code())
		require.Equal(h.t, "invalid_grant", h.redeem(client, got.field("refresh_token")).code())
		require.Equal(h.t, http.StatusOK, h.ask(access).status, "and nothing of it ended anything")
	})
}

// TestA9ATokenIsForOneRuntime: the audience is the MCP URL, exactly one, and a wrong
// resource uses no code up.
func TestA9ATokenIsForOneRuntime(t *testing.T) {
	t.Parallel()
	row(t, "a9", func(h *house) {
		client, p := h.client("Scripted client"), h.stranger()
		second, err := h.owner.AddRuntime(h.t.Context(), h.slug, httpflow.RuntimeForm{Name: "Wiki", Slug: "wiki", URL: h.up.URL()})
		require.NoError(h.t, err)
		require.Eventually(h.t, func() bool { return h.askAt(second.MCPURL, "x").status == http.StatusUnauthorized }, patience, 20*time.Millisecond)
		code := h.grant(p, client)
		for _, resource := range []string{"https://other/", h.origin, h.origin + "/", second.MCPURL, h.runtime.MCPURL + "/x", h.runtime.MCPURL + "?a=b", h.runtime.MCPURL + "#f"} {
			require.Equal(h.t, "invalid_target", h.redeem(client, code, "resource", resource).code(), resource)
		}
		twice := redemption(client, code)
		twice["resource"] = []string{h.runtime.MCPURL, second.MCPURL}
		require.Equal(h.t, "invalid_target", h.form("/token", twice).code())
		got := h.redeem(client, code, "resource", h.runtime.MCPURL)
		require.Equal(h.t, http.StatusOK, got.status, "nothing of it used the code up: %s", got.body)
		access := got.field("access_token")
		require.Equal(h.t, h.runtime.MCPURL, claimsOf(h.t, access)["aud"])
		require.Equal(h.t, http.StatusOK, h.ask(access).status)
		refused := h.askAt(second.MCPURL, access)
		require.Equal(h.t, http.StatusUnauthorized, refused.status, refused.body)
		require.Contains(h.t, refused.header.Get("WWW-Authenticate"), `error="invalid_token"`)
		require.Equal(h.t, "invalid_target", h.refresh(client, got.field("refresh_token"), "resource", second.MCPURL).code())

		for _, resource := range []string{"https://other/", "-", h.origin} {
			answer := h.authorize(client, "resource", resource)
			require.Equal(h.t, http.StatusFound, answer.status, resource)
			require.Contains(h.t, answer.header.Get("Location"), "error=invalid_target", resource)
		}
		two := h.query(client)
		two.Add("resource", second.MCPURL)
		require.Contains(h.t, h.call(http.MethodGet, "/authorize?"+two.Encode(), "").header.Get("Location"), "error=invalid_target")
		if none, ok := h.forge("at+jwt", access, map[string]any{"aud": h.origin}); ok {
			h.requireDead(none, "for the base URL")
		}
	})
}
