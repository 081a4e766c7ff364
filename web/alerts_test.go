package web_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

func (b *testBundle) died(t *testing.T, h tenancy.Handle, subject string) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		return b.config.Notify.Record(tx, notify.Notification{
			Event: notify.GrantNeedsReconnect, Subject: subject, GroupKey: "prf_1", Users: []string{subject},
			Data: map[string]string{"profile": "prf_1", "profile_name": "<b>Todo API", "reason_text": "The provider refuses the refresh token."},
		})
	}))
}

func TestAlertPages(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, h := b.owner(t, "Ana", "acme")
		csrf := b.token(t, ana, "/workspaces/new")
		get := func(path string) *answer { return b.send(t, ana, http.MethodGet, path, nil, nil) }
		post := func(path string, form url.Values) *answer {
			form.Set("csrf", csrf)
			return b.send(t, ana, http.MethodPost, path, form, nil)
		}
		empty := get("/acme/alerts").body
		require.Contains(t, empty, "No alerts yet")
		require.Contains(t, empty, "EMCY_SMTP_URL")

		b.died(t, h, "eu_ada")
		list := get("/acme/alerts").body
		for _, shown := range []string{"A user has to connect again", "&lt;b&gt;Todo API · Person eu_ada", "2 waiting", "2 mails wait to be sent"} {
			require.Contains(t, list, shown)
		}
		path := regexp.MustCompile(`/acme/alerts/log/ntf_[0-9a-z]+`).FindString(list)
		one := get(path).body
		for _, shown := range []string{"[Workspace acme] A user has to connect &lt;b&gt;Todo API again", "Mail to the user", "Mail to a recipient of alerts", "Person acc_", "/acme/grants"} {
			require.Contains(t, one, shown, shown)
		}
		require.NotContains(t, one, "<b>Todo")
		for range 51 {
			b.died(t, h, "eu_bob")
			env.Clock.Advance(1e6)
		}
		first := get("/acme/alerts").body
		older := regexp.MustCompile(`/acme/alerts\?before=ntf_[0-9a-z]+`).FindString(first)
		require.NotContains(t, first, "Person eu_ada")
		require.Contains(t, get(older).body, "Person eu_ada")
		require.Equal(t, http.StatusNotFound, get("/acme/alerts?before=%27").status)
		require.Equal(t, http.StatusNotFound, get("/acme/alerts/log/ntf_0").status)

		settings := get("/acme/alerts/settings").body
		require.Contains(t, settings, `name="version" value="0"`)
		form := url.Values{"recipients": {"ops@acme.example\r\n\r\nOPS@acme.example"}, "event": {"grant.expiring", "grants.revoked"}, "tell_users": {"on"}, "version": {"0"}}
		require.Equal(t, http.StatusSeeOther, post("/acme/alerts/settings", form).status)
		var set notify.Settings
		require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
			set, err = notify.SettingsOf(tx)
			return err
		}))
		require.Equal(t, notify.Settings{Recipients: []string{"ops@acme.example"}, Events: []notify.Event{notify.GrantExpiring, notify.GrantsRevoked}, TellUsers: true, Version: 1}, set)
		conflict := post("/acme/alerts/settings", form)
		require.Equal(t, http.StatusConflict, conflict.status)
		require.Contains(t, conflict.body, `name="version" value="1"`)
		form.Set("version", "1")
		form.Set("recipients", "not an address")
		refused := post("/acme/alerts/settings", form)
		require.Equal(t, http.StatusUnprocessableEntity, refused.status)
		require.Contains(t, refused.body, "“not an address” is not an e-mail address.")
		require.Equal(t, http.StatusUnprocessableEntity, post("/acme/alerts/settings", url.Values{"version": {"1"}, "event": {"webhook.test"}}).status)
	})
}

func TestWebhookPages(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		ana, h := b.owner(t, "Ana", "acme")
		csrf := b.token(t, ana, "/workspaces/new")
		get := func(path string) *answer { return b.send(t, ana, http.MethodGet, path, nil, nil) }
		post := func(path string, form url.Values) *answer {
			form.Set("csrf", csrf)
			return b.send(t, ana, http.MethodPost, path, form, nil)
		}
		var mu sync.Mutex
		var got []string
		status := http.StatusNoContent
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			mu.Lock()
			defer mu.Unlock()
			got = append(got, string(body))
			w.WriteHeader(status)
		}))
		t.Cleanup(receiver.Close)

		require.Contains(t, get("/acme/alerts/webhooks").body, "No webhook yet")
		require.Contains(t, get("/acme/alerts/webhooks/new").body, "the account at the provider", "what a message holds is documented")
		bad := post("/acme/alerts/webhooks/new", url.Values{"name": {""}, "url": {"https://169.254.169.254/"}})
		require.Equal(t, http.StatusUnprocessableEntity, bad.status)
		for _, shown := range []string{"Give it a name", "does not connect to", "Choose at least one event"} {
			require.Contains(t, bad.body, shown)
		}
		made := post("/acme/alerts/webhooks/new", url.Values{"name": {"On-call"}, "url": {receiver.URL}, "event": {"grant.needs_reconnect"}, "enabled": {"on"}})
		require.Equal(t, http.StatusOK, made.status, made.body)
		secretPattern := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]{44}`)
		secret := secretPattern.FindString(strings.ReplaceAll(made.body, "&#43;", "+"))
		require.NotEmpty(t, secret)
		path := regexp.MustCompile(`/acme/alerts/webhooks/whk_[0-9a-z]+`).FindString(made.body)
		require.Equal(t, "no-store", made.header.Get("Cache-Control"))
		require.NotContains(t, get(path).body, "whsec_", "it is shown once")
		require.Contains(t, get("/acme/alerts/webhooks").body, "On-call")

		require.Equal(t, http.StatusSeeOther, post(path+"/test", url.Values{}).status)
		page := get(path).body
		require.Contains(t, page, "The receiver took the message.")
		require.Contains(t, page, "1 try, answered 204")
		require.Contains(t, got[0], `"webhook.test"`)
		mu.Lock()
		status = http.StatusInternalServerError
		mu.Unlock()
		again := regexp.MustCompile(path + `/deliveries/dlv_[0-9a-z]+`).FindString(page)
		require.Equal(t, http.StatusSeeOther, post(again, url.Values{}).status)
		require.Contains(t, get(path).body, "The receiver answered 500.")
		require.Equal(t, got[0], got[1])

		rotated := post(path+"/secret", url.Values{})
		second := secretPattern.FindString(strings.ReplaceAll(rotated.body, "&#43;", "+"))
		require.NotEmpty(t, second)
		require.NotEqual(t, secret, second)
		require.Contains(t, rotated.body, "with the previous secret, until")

		change := url.Values{"name": {"Pager"}, "url": {receiver.URL + "/x"}, "event": {"grants.revoked"}, "version": {"1"}}
		require.Equal(t, http.StatusSeeOther, post(path, change).status)
		stale := post(path, change)
		require.Equal(t, http.StatusConflict, stale.status)
		require.Contains(t, stale.body, `name="version" value="2"`)
		require.Contains(t, get("/acme/alerts/webhooks").body, "Pager")

		// Another workspace's owner, and a member who may not.
		eve, _ := b.owner(t, "Eve", "evil")
		token := url.Values{"csrf": {b.token(t, eve, "/workspaces/new")}}
		id := path[strings.LastIndex(path, "/")+1:]
		for _, at := range []string{"/evil/alerts/webhooks/" + id, path} {
			require.Equal(t, http.StatusNotFound, b.send(t, eve, http.MethodGet, at, nil, nil).status)
			for _, act := range []string{"/test", "/secret", "/remove", again[len(path):]} {
				require.Equal(t, http.StatusNotFound, b.send(t, eve, http.MethodPost, at+act, token, nil).status, at+act)
			}
		}
		dev := b.person(t, "Dev")
		b.join(t, h, dev, "developer")
		looks := b.send(t, dev, http.MethodGet, path, nil, nil)
		require.Equal(t, http.StatusOK, looks.status)
		require.NotContains(t, looks.body, "whsec_")
		token = url.Values{"csrf": {b.token(t, dev, "/workspaces/new")}}
		for _, at := range []string{path, path + "/test", path + "/secret", path + "/remove", again, "/acme/alerts/webhooks/new", "/acme/alerts/settings"} {
			require.Equal(t, http.StatusForbidden, b.send(t, dev, http.MethodPost, at, token, nil).status, at)
		}
		require.Len(t, got, 2)

		require.Equal(t, http.StatusUnprocessableEntity, post(path+"/remove", url.Values{"confirm": {"On-call"}}).status)
		require.Contains(t, get(path+"/remove").body, "Remove Pager")
		require.Equal(t, http.StatusSeeOther, post(path+"/remove", url.Values{"confirm": {"Pager"}}).status)
		require.Equal(t, http.StatusNotFound, get(path).status)
		for _, canary := range []string{secret, second} {
			require.NotContains(t, b.log.String(), canary)
			require.Empty(t, tenancytest.Find(t, env, canary))
		}
	})
}
