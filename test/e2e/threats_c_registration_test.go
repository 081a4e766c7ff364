//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/fakes/upstream"
)

// TestC1RegistrationIsBounded: of 10,000 registrations from one address a bounded number
// becomes rows, and no other workspace notices.
func TestC1RegistrationIsBounded(t *testing.T) {
	t.Parallel()
	row(t, "c1", func(h *house) {
		other := settle(h.t, h.gateway, "c1b")
		other.runs(upstream.Config{})
		const good = `{"redirect_uris":["http://127.0.0.1/callback"],"token_endpoint_auth_method":"none","client_name":"Flood"}`
		var mu sync.Mutex
		answers := map[int]int{}
		var made, late said
		byMany(10_000, func(int) {
			got := h.call(http.MethodPost, "/register", good, "Content-Type", "application/json")
			mu.Lock()
			defer mu.Unlock()
			if answers[got.status]++; got.status == http.StatusCreated {
				made = got
			} else {
				late = got
			}
		})
		require.Equal(h.t, map[int]int{http.StatusCreated: 120, http.StatusTooManyRequests: 9_880}, answers)
		require.NotEmpty(h.t, late.header.Get("Retry-After"))
		require.NotContains(h.t, made.body, "client_secret", "a public client gets none")
		listed := h.open(h.owner, h.gateway.Console+"/"+h.slug+"/clients")
		require.Contains(h.t, listed.Text(), "Flood")
		require.Equal(h.t, http.StatusCreated, other.call(http.MethodPost, "/register", good, "Content-Type", "application/json").status, "another workspace")
		require.Equal(h.t, http.StatusCreated, h.call(http.MethodPost, "/register", good, "Content-Type", "application/json", "X-Forwarded-For", "203.0.113.9").status, "another address")

		client := other.client("Phishing")
		p := other.stranger()
		other.grant(p, client)
		page := other.open(p, other.origin+"/authorize?"+other.query(client).Encode())
		require.Contains(h.t, page.Text(), "not verified")
	})
}

// TestC1RegistrationIsTheWorkspacesToAllow: off, it is gone and no metadata names it.
func TestC1RegistrationIsTheWorkspacesToAllow(t *testing.T) {
	t.Parallel()
	row(t, "c1m", func(h *house) {
		local, web := map[string]any{"redirect_uris": []string{"http://127.0.0.1/callback"}}, map[string]any{"redirect_uris": []string{"https://app.example/callback"}}
		for mode, want := range map[string][2]int{"loopback": {http.StatusCreated, http.StatusBadRequest}, "off": {http.StatusNotFound, http.StatusNotFound}, "on": {http.StatusCreated, http.StatusCreated}} {
			require.NoError(h.t, h.owner.Authorization(h.t.Context(), h.slug, map[string][]string{"dcr": {mode}}))
			require.Equal(h.t, want, [2]int{h.register(local).status, h.register(web).status}, mode)
			var metadata map[string]any
			require.NoError(h.t, json.Unmarshal([]byte(h.call(http.MethodGet, "/.well-known/oauth-authorization-server", "").body), &metadata))
			_, named := metadata["registration_endpoint"]
			require.Equal(h.t, mode != "off", named, mode)
		}
	})
}

// TestC2ARegistrationIsItsClientsOwn (RFC 7592): whoever else asks is told the same, and
// changes nothing.
func TestC2ARegistrationIsItsClientsOwn(t *testing.T) {
	t.Parallel()
	row(t, "c2", func(h *house) {
		other := settle(h.t, h.gateway, "c2b")
		other.runs(upstream.Config{})
		metadata := map[string]any{"redirect_uris": []string{"http://127.0.0.1:33418/callback"}, "token_endpoint_auth_method": "none", "client_name": "Own"}
		mine, others, foreign := h.register(metadata), h.register(metadata), other.register(metadata)
		id := mine.field("client_id")
		require.Equal(h.t, h.origin+"/register/"+id, mine.field("registration_client_uri"))
		client := h.client("Own")
		client.ClientID = id
		tokens := h.redeem(client, h.grant(h.stranger(), client))
		change := `{"client_id":"` + id + `","redirect_uris":["https://evil.example/cb"],"client_name":"Evil"}`
		for what, auth := range map[string]string{
			"another client's": "Bearer " + others.field("registration_access_token"), "another workspace's": "Bearer " + foreign.field("registration_access_token"), "an access token": "Bearer " + tokens.field("access_token"),
			"a refresh token": "Bearer " + tokens.field("refresh_token"), "cut": "Bearer " + mine.field("registration_access_token")[:20], "Basic": "Basic " + mine.field("registration_access_token"), "none": "", "empty": "Bearer ",
		} {
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
				body := map[string]string{http.MethodPut: change}[method]
				got := h.call(method, "/register/"+id, body, "Content-Type", "application/json", "Authorization", auth)
				require.Equal(h.t, http.StatusUnauthorized, got.status, "%s %s", method, what)
				require.NotContains(h.t, got.body, "33418")
			}
		}
		for _, address := range []string{other.origin + "/register/" + id, h.origin + "/register/cli_unknown", h.origin + "/register/" + id + "/"} {
			got := h.call(http.MethodGet, address, "", "Authorization", "Bearer "+mine.field("registration_access_token"))
			require.Contains(h.t, []int{http.StatusUnauthorized, http.StatusNotFound}, got.status, address)
		}
		require.Equal(h.t, http.StatusOK, h.ask(tokens.field("access_token")).status)
		own := h.call(http.MethodGet, "/register/"+id, "", "Authorization", "Bearer "+mine.field("registration_access_token"))
		require.Equal(h.t, http.StatusOK, own.status)
		require.Equal(h.t, "Own", own.field("client_name"))
		require.Equal(h.t, http.StatusNoContent, h.call(http.MethodDelete, "/register/"+id, "", "Authorization", "Bearer "+mine.field("registration_access_token")).status)
		h.untilDead(tokens.field("access_token"), soon, "what it had ends with it")
	})
}

// TestC3ServerChosenFieldsAreTheServers: what a client says of itself beyond the list is
// ignored, at registration and at an update alike.
func TestC3ServerChosenFieldsAreTheServers(t *testing.T) {
	t.Parallel()
	row(t, "c3", func(h *house) {
		extra := func(into map[string]any) map[string]any {
			for name, value := range map[string]any{
				"client_id_issued_at": 1, "client_secret": "chosen-by-the-client", "client_secret_expires_at": 9, "tenant_id": "tnt_other", "verified": true, "trusted": true, "known": map[string]any{"name": "Claude"}, "kind": "preregistered", "status": "active",
				"scope": "admin mcp", "registration_access_token": "emc_rat_chosen", "created_by": "acc_x", "used_at": "2001-01-01T00:00:00Z", "dcr": true, "client_credentials": true, "grant_types": []string{"authorization_code", "client_credentials", "implicit", "password"},
				"response_types": []string{"token", "code"}, "version": 99, "id": "cli_mine", "ID": "cli_mine", "Client_Id": "cli_mine", "TenantID": "tnt_other", "__proto__": map[string]any{"verified": true}, "review": false, "host": "claude.ai", "software_statement": nil,
			} {
				into[name] = value
			}
			return into
		}
		made := h.register(extra(map[string]any{"client_id": "cli_mine", "redirect_uris": []string{"http://127.0.0.1:33418/callback"}, "token_endpoint_auth_method": "none", "client_name": "Claude"}))
		require.Equal(h.t, http.StatusCreated, made.status, made.body)
		check := func(got said) {
			h.t.Helper()
			var members map[string]any
			require.NoError(h.t, json.Unmarshal([]byte(got.body), &members))
			for _, name := range []string{"client_secret", "tenant_id", "verified", "trusted", "known", "kind", "status", "created_by", "used_at", "version", "id", "host", "review", "client_credentials"} {
				require.NotContains(h.t, members, name)
			}
			require.Regexp(h.t, "^cli_[0-9a-z]{26}$", members["client_id"])
			require.NotEqual(h.t, "emc_rat_chosen", members["registration_access_token"])
			require.Equal(h.t, "mcp offline_access", members["scope"])
			require.Equal(h.t, []any{"authorization_code", "refresh_token"}, members["grant_types"])
			require.Equal(h.t, []any{"code"}, members["response_types"])
			require.NotContains(h.t, got.body, "chosen")
		}
		check(made)
		id := made.field("client_id")
		body, err := json.Marshal(extra(map[string]any{"client_id": id, "redirect_uris": []string{"http://127.0.0.1:33418/callback"}, "token_endpoint_auth_method": "none", "client_name": "Claude"}))
		require.NoError(h.t, err)
		updated := h.call(http.MethodPut, "/register/"+id, string(body), "Content-Type", "application/json", "Authorization", "Bearer "+made.field("registration_access_token"))
		if updated.status == http.StatusOK { // RFC 7592, section 2.2 lets a server refuse what it chose itself
			check(updated)
		} else {
			require.Equal(h.t, http.StatusBadRequest, updated.status, updated.body)
		}
		client := h.client("Claude")
		client.ClientID = id
		p := h.stranger()
		got := h.redeem(client, h.grant(p, client, "scope", "admin mcp"))
		require.Equal(h.t, "mcp", got.field("scope"), "nor does asking give it")
		page := h.open(p, h.origin+"/authorize?"+h.query(client).Encode())
		require.Contains(h.t, page.Text(), "not verified")
		requireLocal(h.t, h.authorize(client, "client_id", "cli_mine"), "invalid_client", "an id that it chose")
		grant := h.form("/token", map[string][]string{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {"chosen-by-the-client"}})
		require.NotEqual(h.t, http.StatusOK, grant.status)
	})
}
