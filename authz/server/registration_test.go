package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/tenancy"
)

type registration struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
	Token  string `json:"registration_access_token"`
	URI    string `json:"registration_client_uri"`
	Name   string `json:"client_name"`
}

func read(t testing.TB, p page) (out registration) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(p.body), &out), p.body)
	return out
}

// manage calls a client's registration with a token.
func (tn *tenant) manage(method, id, token, body string) page {
	tn.b.t.Helper()
	return tn.browser().request(method, "/register/"+id, body, "Content-Type", "application/json", "Authorization", "Bearer "+token)
}

// TestC2RegistrationManagement is RFC 7592, whole: read, update with a new token, delete
// with the end of what was issued, and one answer to all who may not.
func TestC2RegistrationManagement(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		issued := a.tokens(tn.browser())
		own := read(b.t, tn.register(`{"redirect_uris":["`+callback+`"],"client_name":"Own"}`))
		require.Equal(b.t, tn.issuer+"/register/"+own.ID, own.URI)
		for name, p := range map[string]page{
			"another client": tn.manage("GET", a.id, own.Token, ""), "no client": tn.manage("GET", "cli_none", own.Token, ""), "no token": tn.manage("GET", own.ID, "", ""),
			"update": tn.manage("PUT", a.id, own.Token, `{"client_id":"`+a.id+`","redirect_uris":["https://evil.example/cb"]}`), "delete": tn.manage("DELETE", a.id, own.Token, ""),
			"another scheme": tn.browser().request("GET", "/register/"+own.ID, "", "Authorization", "Basic "+own.Token), "nothing": tn.browser().get("/register/" + own.ID),
		} {
			require.Equal(b.t, 401, p.status, name)
			require.Equal(b.t, `Bearer error="invalid_token"`, p.header.Get("WWW-Authenticate"), name)
			require.Equal(b.t, "no-store", p.header.Get("Cache-Control"))
			require.JSONEq(b.t, `{"error":"invalid_token","error_description":"This registration access token is not valid for this client."}`, p.body, name)
		}
		require.Equal(b.t, 200, a.refresh(issued.Refresh).status)

		got := tn.manage("GET", own.ID, own.Token, "")
		require.Equal(b.t, 200, got.status)
		require.Equal(b.t, own, read(b.t, got))
		for body, want := range map[string]string{`{`: "invalid_client_metadata", `{"client_id":"cli_other","redirect_uris":["` + callback + `"]}`: "invalid_client_metadata", `{"client_id":"` + own.ID + `"}`: "invalid_redirect_uri"} {
			p := tn.manage("PUT", own.ID, own.Token, body)
			require.Equal(b.t, 400, p.status, body)
			require.Contains(b.t, p.body, want)
		}
		updated := tn.manage("PUT", own.ID, own.Token, `{"client_id":"`+own.ID+`","redirect_uris":["`+callback+`"],"client_name":"Renamed"}`)
		require.Equal(b.t, 200, updated.status, updated.body)
		next := read(b.t, updated)
		require.Equal(b.t, "Renamed", next.Name)
		require.NotEqual(b.t, own.Token, next.Token)
		require.Equal(b.t, 401, tn.manage("GET", own.ID, own.Token, "").status)

		mine := *a
		mine.id = own.ID
		live := mine.tokens(tn.browser())
		require.Equal(b.t, 204, tn.manage("DELETE", own.ID, next.Token, "").status)
		after := mine.refresh(live.Refresh)
		require.Equal(b.t, 401, after.status, after.body)
		require.Contains(b.t, after.body, "invalid_client")
		require.NotEmpty(b.t, tn.revoked(), "every edge hears of it")
		require.Equal(b.t, 401, tn.manage("GET", own.ID, next.Token, "").status)
		require.Equal(b.t, 400, mine.authorize(tn.browser()).status)
	})
}

func (tn *tenant) settings(change func(s *settings.Settings)) {
	tn.b.t.Helper()
	tn.write(func(tx *tenancy.Tx) error {
		s, err := settings.Load(tx)
		require.NoError(tn.b.t, err)
		change(&s)
		return settings.Save(tx, s)
	})
}

// TestC1Admission is what a person and a client see of the workspace's rules.
func TestC1Admission(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		tn.settings(func(s *settings.Settings) { s.Review = true })
		a := tn.app()
		p := a.authorize(tn.browser())
		require.Equal(b.t, 403, p.status)
		require.Contains(b.t, p.body, "An administrator has to approve this app")
		require.Empty(b.t, p.location)
		tn.write(func(tx *tenancy.Tx) error { return b.server.Clients().SetStatus(tx, a.id, clients.Active) })
		issued := a.tokens(tn.browser())
		tn.write(func(tx *tenancy.Tx) error { return b.server.Clients().SetStatus(tx, a.id, clients.Blocked) })
		require.Equal(b.t, 403, a.authorize(tn.browser()).status)
		require.Equal(b.t, 401, a.refresh(issued.Refresh).status)
		require.NotEmpty(b.t, tn.revoked())

		tn.settings(func(s *settings.Settings) { s.DCR, s.CIMD = settings.Off, settings.Off })
		p = tn.register(`{"redirect_uris":["` + callback + `"]}`)
		require.Equal(b.t, 404, p.status, p.body)
		doc := tn.browser().get("/.well-known/oauth-authorization-server").body
		require.NotContains(b.t, doc, "registration_endpoint")
		require.NotContains(b.t, doc, "client_id_metadata_document_supported")
		p = tn.browser().get("/authorize?client_id=https%3A%2F%2Fclaude.ai%2Foauth%2Fclaude-code-client-metadata&redirect_uri=http%3A%2F%2Flocalhost%3A1%2Fcallback")
		require.Equal(b.t, 403, p.status)
		require.Contains(b.t, p.body, "does not take this")
	})
}

// TestRegisteredSecret is a confidential client at the token endpoint: claude.ai registers
// so, although documents are on.
func TestRegisteredSecret(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		own := read(b.t, tn.register(`{"redirect_uris":["`+callback+`"],"token_endpoint_auth_method":"client_secret_post"}`))
		a.id = own.ID
		code := a.code(tn.browser())
		require.Equal(b.t, 401, a.redeem(code).status, "without the secret")
		require.Equal(b.t, 401, a.redeem(code, "client_secret", own.Secret+"x").status)
		got := a.redeem(code, "client_secret", own.Secret)
		require.Equal(b.t, 200, got.status, got.body)
		require.Equal(b.t, 401, a.refresh(got.Refresh).status)
		require.Equal(b.t, 200, a.refresh(got.Refresh, "client_secret", own.Secret).status)
	})
}

// TestC11DocumentSwapped: a client that is its document signs in with it, and loses what
// it was given when the document becomes another one.
func TestC11DocumentSwapped(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		var document atomic.Value
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(document.Load().(string))) //nolint:forcetypeassert // stored below
		}))
		b.t.Cleanup(web.Close)
		id := web.URL + "/client.json"
		document.Store(`{"client_id":"` + id + `","client_name":"Documented","redirect_uris":["` + callback + `"]}`)
		a := tn.app()
		a.id = id
		first := tn.browser().request("POST", "/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {id}, "code": {"x"}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
		require.Equal(b.t, 401, first.status, "the token endpoint knows whom /authorize has seen")
		pushed := a.push()
		require.Equal(b.t, 201, pushed.status, "where a client may call first, it is looked at: %s", pushed.body)
		issued := a.tokens(tn.browser())
		require.Equal(b.t, 200, issued.status, issued.body)

		document.Store(`{"client_id":"` + id + `","client_name":"Documented","redirect_uris":["https://evil.example/cb"]}`)
		b.env.Clock.Advance(time.Hour)
		require.Equal(b.t, 400, a.authorize(tn.browser()).status, "the old redirect URI")
		require.Equal(b.t, "invalid_grant", a.refresh(issued.Refresh).Error)
		require.NotEmpty(b.t, tn.revoked())
	})
}
