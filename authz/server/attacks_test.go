package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/tenancy"
)

// TestA1RedirectTakenBack: a redirect URI is held against the client's registration
// again when the code is issued. One that was taken back meanwhile gets none.
func TestA1RedirectTakenBack(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		r := read(b.t, tn.register(`{"client_name":"App","redirect_uris":["https://old.example/cb"],"token_endpoint_auth_method":"none"}`))
		a := &app{tn: tn, id: r.ID, verifier: strings.Repeat("v", 43), http: tn.browser()}
		br := tn.browser()
		p := a.consentPage(br, "redirect_uri", "https://old.example/cb")
		changed := tn.manage(http.MethodPut, r.ID, r.Token, `{"client_id":"`+r.ID+`","client_name":"App","redirect_uris":["https://new.example/cb"],"token_endpoint_auth_method":"none"}`)
		require.Equal(b.t, 200, changed.status, changed.body)
		answer := br.decide(p, "allow")
		require.NotContains(b.t, answer.location, "old.example", "it is nobody's address any more")
		require.NotEqual(b.t, 303, answer.status)
		require.Zero(b.t, tn.count("codes", "1 = 1"))
		require.Equal(b.t, 303, br.decide(a.consentPage(br, "redirect_uri", "https://new.example/cb"), "allow").status)
	})
}

// TestC1RegistrationUpdatesAreLimited: a registration costs nothing, and each update of
// one costs every edge a reload, and a line of the audit log that is kept.
func TestC1RegistrationUpdatesAreLimited(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		r := read(b.t, tn.register(`{"redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"none"}`))
		last := 200
		for range clients.RegistrationsPerHour {
			p := tn.manage(http.MethodPut, r.ID, r.Token, `{"client_id":"`+r.ID+`","redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"none"}`)
			if last = p.status; last != 200 {
				require.NotEmpty(b.t, p.header.Get("Retry-After"))
				break
			}
			r = read(b.t, p)
		}
		require.Equal(b.t, http.StatusTooManyRequests, last)
	})
}

// TestPushedRequestOfNoClient: a client_id that no database stores names no request.
func TestPushedRequestOfNoClient(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		uri := a.push().requestURI(b)
		for _, id := range []string{a.id + "\x00", "\xff", ""} {
			p := tn.browser().get("/authorize?" + url.Values{"client_id": {id}, "request_uri": {uri}}.Encode())
			require.Equal(b.t, 400, p.status, "%q", id)
		}
		require.Equal(b.t, 302, a.open(tn.browser(), uri).status, "and none of them used it up")
	})
}

// TestScopeCeilingLowered: what an administrator takes from a client's most is not
// renewed.
func TestScopeCeilingLowered(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.scope("tickets:write", "Change tickets", false, "edit_ticket")
		var made clients.Client
		tn.write(func(tx *tenancy.Tx) (err error) {
			made, _, err = b.server.Clients().Preregister(tx, clients.Spec{Name: "Notes", RedirectURIs: []string{callback}, AuthMethod: clients.AuthNone})
			return err
		})
		a := &app{tn: tn, id: made.ID, verifier: strings.Repeat("v", 43), http: tn.browser()}
		br := tn.browser()
		p := a.consentPage(br, "scope", "mcp tickets:write")
		to := br.submit("/consent", p.fields("decision", "allow"))
		got := a.redeem(to.answer(b.t).Get("code"))
		require.Contains(b.t, got.Scope, "tickets:write")
		edit := func(name string, scope ...string) {
			tn.write(func(tx *tenancy.Tx) (err error) {
				made, _, err = b.server.Clients().Update(tx, made.ID, made.Version, clients.Spec{Name: name, RedirectURIs: []string{callback}, AuthMethod: clients.AuthNone, Scope: scope})
				return err
			})
		}
		edit("Better notes")
		require.NotContains(b.t, tn.revoked(), got.family())
		edit("Better notes", "mcp")
		require.Contains(b.t, tn.revoked(), got.family())
		require.Equal(b.t, "invalid_grant", a.refresh(got.Refresh).Error)

		less := a.redeem(a.code(br, "scope", "mcp tickets:write"))
		require.NotContains(b.t, less.Scope, "tickets:write")
		edit("Better notes", "mcp", "tickets:write")
		require.Equal(b.t, 200, a.refresh(less.Refresh).status, "who may get more keeps what it has")
	})
}

// TestB4AnswerOfAnotherAccount: a page that named one account gives nothing for another
// one, which signed in meanwhile in another tab.
func TestB4AnswerOfAnotherAccount(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a, br := tn.app(), tn.browser()
		page := a.consentPage(br)
		named := page.fields().Get("account")
		require.NotEmpty(b.t, named)
		got := br.submit("/consent", page.fields("decision", "allow", "account", strings.Repeat("0", len(named))))
		require.Equal(b.t, 303, got.status)
		require.True(b.t, strings.HasPrefix(got.location, "/consent?attempt="), got.location)
		require.NotEmpty(b.t, br.decide(br.get(got.location), "allow").answer(b.t).Get("code"))
	})
}
