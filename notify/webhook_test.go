package notify_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// signed reports whether one of the signatures is this secret's, as the specification
// of Standard Webhooks says it, without anybody's library.
func signed(got received, secret string) bool {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", got.header.Get("webhook-id"), got.header.Get("webhook-timestamp"), got.body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for one := range strings.FieldsSeq(got.header.Get("webhook-signature")) {
		if one == want {
			return true
		}
	}
	return false
}

func TestAWebhooksMessage(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		b.quiet(t)
		r := newReceiver(t)
		w, secret := b.hook(t, r.URL+"/hooks?key=1")
		at := b.Clock.Now()
		x := died("eu_1")
		x.Data["access_token"], x.Data["profile"] = "canary_access", "prf_todo"
		b.record(t, b.a, x, notify.Notification{Event: notify.GrantExpiring, Subject: "eu_1"})
		b.after(t, 3*time.Second)
		require.Len(t, r.all(), 1, "the other event was not asked for")
		got := r.all()[0]
		require.True(t, signed(got, secret))
		require.False(t, signed(received{got.header, append([]byte(" "), got.body...)}, secret))
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.Equal(t, "Emcy-Gateway/test", got.header.Get("User-Agent"))
		require.Equal(t, strconv.FormatInt(b.Clock.Now().Unix(), 10), got.header.Get("webhook-timestamp"))
		require.True(t, strings.HasPrefix(got.header.Get("webhook-id"), "ntf_"))
		var body map[string]any
		require.NoError(t, json.Unmarshal(got.body, &body))
		require.Equal(t, map[string]any{
			"type": "grant.needs_reconnect", "timestamp": at.Format(time.RFC3339Nano),
			"data": map[string]any{
				"workspace": "alpha", "profile": "prf_todo", "profile_name": "Todo API", "grant": "grt_eu_1", "subject": "eu_1", "reason": "rejected", "reason_text": "The provider refuses the refresh token.",
			},
		}, body, "and nothing that is not on the list")
		list := b.hookLog(t, w.ID)
		require.Len(t, list, 1)
		require.Equal(t, []any{notify.Sent, 200, 1, notify.GrantNeedsReconnect}, []any{list[0].State, list[0].Status, list[0].Attempts, list[0].Event})
		b.after(t, 24*time.Hour)
		require.Len(t, r.all(), 1)
		require.NotContains(t, b.log.String(), secret)
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		require.NoError(t, err)
		require.NotEmpty(t, tenancytest.Find(t, env, "The provider refuses the refresh token."), "what is in clear is found")
		for _, canary := range []string{secret, strings.TrimPrefix(secret, "whsec_"), string(key), "canary_access"} {
			require.Empty(t, tenancytest.Find(t, env, canary))
		}
	})
}

// TestARotatedSecret is the newer one at once, and the older one for a day beside it.
func TestARotatedSecret(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		r := newReceiver(t)
		w, first := b.hook(t, r.URL)
		next, err := b.n.RotateSecret(t.Context(), b.a, w.ID)
		require.NoError(t, err)
		second := next.Reveal()
		try := func() received {
			tried, err := b.n.SendTest(t.Context(), b.a, w.ID)
			require.NoError(t, err)
			require.Equal(t, notify.Tried{Sent: true, Status: 200}, tried)
			all := r.all()
			return all[len(all)-1]
		}
		got := try()
		require.True(t, signed(got, first))
		require.True(t, signed(got, second))
		next, err = b.n.RotateSecret(t.Context(), b.a, w.ID)
		require.NoError(t, err)
		got = try()
		require.False(t, signed(got, first))
		require.True(t, signed(got, second))
		require.True(t, signed(got, next.Reveal()))
		b.Clock.Advance(24 * time.Hour)
		got = try()
		require.False(t, signed(got, second))
		require.True(t, signed(got, next.Reveal()))
		require.NoError(t, b.n.Sweep(t.Context()))
		require.NotNil(t, b.webhook(t, w.ID).PreviousUntil, "it ends this moment, and is swept with the next")
		b.Clock.Advance(time.Second)
		require.NoError(t, b.n.Sweep(t.Context()))
		require.Nil(t, b.webhook(t, w.ID).PreviousUntil)
		require.True(t, signed(try(), next.Reveal()))
		require.JSONEq(t, `{"webhook":"`+w.ID+`","webhook_name":"Ops","workspace":"alpha"}`, string(dataOf(t, got)))
		require.Empty(t, b.alerts(t, b.a), "a test is no alert")
	})
}

func dataOf(t *testing.T, got received) json.RawMessage {
	t.Helper()
	var body struct{ Data json.RawMessage }
	require.NoError(t, json.Unmarshal(got.body, &body))
	return body.Data
}

// TestAReceiverThatIsDown gets everything once it is back, in the end once each.
func TestAReceiverThatIsDown(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		b.quiet(t)
		r := newReceiver(t)
		w, secret := b.hook(t, r.URL)
		r.says(503)
		for i := range 5 {
			b.record(t, b.a, died(fmt.Sprintf("eu_%d", i)))
			b.Clock.Advance(time.Millisecond)
		}
		b.deliver(t)
		require.Len(t, r.all(), 1, "what is behind it waits")
		require.Equal(t, 1, b.webhook(t, w.ID).Failures)
		b.deliver(t)
		require.Len(t, r.all(), 1)
		b.after(t, 5*time.Second)
		require.Len(t, r.all(), 2)
		require.NotEqual(t, r.all()[0].header.Get("webhook-id"), r.all()[1].header.Get("webhook-id"), "another one is tried first")
		b.after(t, time.Minute)
		require.Len(t, r.all(), 2)
		b.after(t, 30*time.Minute)
		require.Len(t, r.all(), 3)

		r.does(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(429)
		})
		b.after(t, time.Hour)
		had := len(r.all())
		b.after(t, 119*time.Minute)
		require.Len(t, r.all(), had, "it is waited for as the receiver asks")

		r.says(204)
		for range 4 {
			b.after(t, 3*time.Hour)
		}
		good := map[string]int{}
		for _, got := range r.all()[had:] {
			require.True(t, signed(got, secret))
			good[got.header.Get("webhook-id")]++
		}
		require.Len(t, good, 5)
		for id, n := range good {
			require.Equal(t, 1, n, id)
		}
		require.Zero(t, b.webhook(t, w.ID).Failures)
		require.Nil(t, b.webhook(t, w.ID).FailingSince)
	})
}

// TestAMessageThatIsAlwaysRefused does not keep the others back, nor turns the webhook off.
func TestAMessageThatIsAlwaysRefused(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	b.quiet(t)
	r := newReceiver(t)
	w, _ := b.hook(t, r.URL)
	b.record(t, b.a, died("eu_poison"))
	poison := b.alerts(t, b.a)[0].ID
	r.does(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("webhook-id") == poison {
			w.WriteHeader(400)
		}
	})
	b.deliver(t)
	for i := range 100 {
		b.record(t, b.a, died(fmt.Sprintf("eu_%d", i)))
		b.after(t, time.Hour)
	}
	states := map[notify.State]int{}
	var failed notify.Delivery
	for _, d := range b.hookLog(t, w.ID) {
		if states[d.State]++; d.State == notify.Failed {
			failed = d
		}
	}
	require.Equal(t, map[notify.State]int{notify.Sent: 100, notify.Failed: 1}, states)
	require.True(t, b.webhook(t, w.ID).Enabled)
	require.Equal(t, []any{poison, 10, 400, "The receiver answered 400."}, []any{failed.AlertID, failed.Attempts, failed.Status, failed.Error})
}

// TestAWebhookIsTurnedOff after three days in which nothing was taken, or at once when
// the receiver says that it is gone; others hear of it, and it can be set right.
func TestAWebhookIsTurnedOff(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		r, witness := newReceiver(t), newReceiver(t)
		w, _ := b.hook(t, r.URL)
		b.hook(t, witness.URL, notify.WebhookDisabled)
		r.says(500)
		b.record(t, b.a, notify.Notification{Event: notify.GrantsRevoked, Data: map[string]string{"total": "3"}})
		for range 71 {
			b.after(t, time.Hour)
		}
		require.True(t, b.webhook(t, w.ID).Enabled)
		b.record(t, b.a, died("eu_2"))
		b.after(t, 2*time.Hour)
		off := b.webhook(t, w.ID)
		require.False(t, off.Enabled)
		require.Contains(t, off.DisabledReason, "three days")
		for _, d := range b.hookLog(t, w.ID) {
			require.Equal(t, notify.Failed, d.State)
		}
		b.deliver(t)
		require.Len(t, witness.all(), 1)
		require.Contains(t, string(witness.all()[0].body), "webhook.disabled")
		had := len(b.mail.Messages())
		b.after(t, notify.AlertWindow)
		require.Len(t, b.mail.Messages(), had+1)
		require.Equal(t, "[Workspace alpha] The webhook Ops was turned off", b.mail.Messages()[had].Subject)
		tries := len(r.all())
		b.record(t, b.a, died("eu_3"))
		b.after(t, time.Hour)
		require.Len(t, r.all(), tries)

		// A test works while it is off, and what was missed can be sent again.
		r.says(200)
		tried, err := b.n.SendTest(t.Context(), b.a, w.ID)
		require.NoError(t, err)
		require.True(t, tried.Sent)
		in := notify.WebhookInput{Name: off.Name, URL: off.URL, Events: off.Events, Enabled: true}
		require.NoError(t, b.n.UpdateWebhook(t.Context(), b.a, w.ID, in, off.Version))
		require.Empty(t, b.webhook(t, w.ID).DisabledReason)
		var missed notify.Delivery
		for _, d := range b.hookLog(t, w.ID) {
			if d.Event == notify.GrantsRevoked {
				missed = d
			}
		}
		tried, err = b.n.Resend(t.Context(), b.a, w.ID, missed.ID)
		require.NoError(t, err)
		require.True(t, tried.Sent)
		all := r.all()
		require.Equal(t, missed.AlertID, all[len(all)-1].header.Get("webhook-id"), "under its own id")

		r.says(410)
		b.record(t, b.a, died("eu_4"))
		b.deliver(t)
		require.False(t, b.webhook(t, w.ID).Enabled)
		require.Contains(t, b.webhook(t, w.ID).DisabledReason, "410")
	})
}

// TestByHandIsTriedOnce: a member sees what came of it; nothing goes on behind their back.
func TestByHandIsTriedOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	r := newReceiver(t)
	w, _ := b.hook(t, r.URL)
	r.does(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1/")
		w.WriteHeader(302)
	})
	tried, err := b.n.SendTest(t.Context(), b.a, w.ID)
	require.NoError(t, err)
	require.Equal(t, notify.Tried{Status: 302, Error: "Not delivered: it answers with a redirect (302) to http://127.0.0.1:1."}, tried)
	require.Equal(t, notify.Failed, b.hookLog(t, w.ID)[0].State)
	require.Zero(t, b.webhook(t, w.ID).Failures)
	b.after(t, 100*time.Hour)
	require.Len(t, r.all(), 1)
	for _, act := range []func() (notify.Tried, error){
		func() (notify.Tried, error) { return b.n.SendTest(t.Context(), b.a, "whk_none") },
		func() (notify.Tried, error) { return b.n.Resend(t.Context(), b.a, w.ID, "dlv_none") },
	} {
		_, err := act()
		require.True(t, errs.Is(err, errs.NotFound), err)
	}
}

// TestAWebhooksAddress: the URL is one of the inputs that could lead a request into the
// operator's network.
func TestAWebhooksAddress(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	strict := b.another(t, func(c *notify.Config) { c.Outbound = outbound.Config{} })
	refused := []string{
		"", "https://", "ftp://example.com", "http://example.com/hook", "https://user:pw@example.com", "https://example.com/#x", "https://example.com/a b", "https://intranet/", "javascript:alert(1)",
		"https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f.0.0.1/", "https://0177.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://localhost/", "https://x.localhost/",
		"https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://192.168.1.1/", "https://172.16.0.1/", "https://100.64.0.1/", "https://[fd00:ec2::254]/", "https://[fe80::1]/", "https://0.0.0.0/", "https://[64:ff9b::a9fe:a9fe]/",
	}
	for _, url := range refused {
		_, _, err := strict.CreateWebhook(t.Context(), b.a, notify.WebhookInput{Name: "x", URL: url, Events: []notify.Event{notify.GrantsRevoked}})
		require.NotEmpty(t, errs.FieldsOf(err)["url"], url)
	}
	// What was stored while private addresses were allowed is checked again when it is dialled.
	r := newReceiver(t)
	w, _ := b.hook(t, strings.Replace(r.URL, "http://127.0.0.1", "http://localhost", 1))
	tried, err := strict.SendTest(t.Context(), b.a, w.ID)
	require.NoError(t, err)
	require.False(t, tried.Sent)
	require.Contains(t, tried.Error, "Not delivered")
	require.Empty(t, r.all())
	for field, in := range map[string]notify.WebhookInput{
		"name":   {URL: "https://example.com", Events: []notify.Event{notify.GrantsRevoked}},
		"events": {Name: "x", URL: "https://example.com"},
	} {
		_, _, err := b.n.CreateWebhook(t.Context(), b.a, in)
		require.NotEmpty(t, errs.FieldsOf(err)[field])
	}
	for range 9 {
		b.hook(t, r.URL)
	}
	_, _, err = b.n.CreateWebhook(t.Context(), b.a, notify.WebhookInput{Name: "x", URL: r.URL, Events: []notify.Event{notify.GrantsRevoked}})
	require.True(t, errs.Is(err, errs.Conflict), err)
}

// TestTenantsAreApart: what is of one is neither seen, nor changed, nor told of by another.
func TestTenantsAreApart(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		other := tenancytest.Tenant(t, env, "beta")
		r := newReceiver(t)
		w, _ := b.hook(t, r.URL)
		require.NoError(t, b.n.SaveSettings(t.Context(), b.a, notify.Settings{Recipients: []string{"ops@alpha.test"}, Events: []notify.Event{notify.GrantNeedsReconnect}}))
		b.record(t, b.a, died("eu_1"))
		alert := b.alerts(t, b.a)[0]

		b.record(t, other, died("eu_1"))
		b.after(t, notify.AlertWindow)
		require.Len(t, r.all(), 1)
		require.Contains(t, string(r.all()[0].body), `"alpha"`)
		require.ElementsMatch(t, []string{"ops@alpha.test", other.Actor().ID + "@beta.test", "eu_1@beta.test"}, to(b.mail.Messages()))

		in := notify.WebhookInput{Name: "Evil", URL: r.URL, Events: []notify.Event{notify.GrantsRevoked}, Enabled: true}
		for name, act := range map[string]func() error{
			"update":  func() error { return b.n.UpdateWebhook(t.Context(), other, w.ID, in, 1) },
			"rotate":  func() error { _, err := b.n.RotateSecret(t.Context(), other, w.ID); return err },
			"remove":  func() error { return b.n.RemoveWebhook(t.Context(), other, w.ID) },
			"test":    func() error { _, err := b.n.SendTest(t.Context(), other, w.ID); return err },
			"resend":  func() error { _, err := b.n.Resend(t.Context(), other, w.ID, alert.Deliveries[0].ID); return err },
			"preview": func() error { _, _, err := b.n.Preview(t.Context(), other, alert); return err },
			"read": func() error {
				return b.DB.Read(t.Context(), other, func(tx *tenancy.Tx) error { _, err := notify.WebhookOf(tx, w.ID); return err })
			},
			"readAlert": func() error {
				return b.DB.Read(t.Context(), other, func(tx *tenancy.Tx) error { _, err := notify.AlertOf(tx, alert.ID, 1); return err })
			},
		} {
			require.True(t, errs.Is(act(), errs.NotFound), name)
		}
		require.NoError(t, b.DB.Read(t.Context(), other, func(tx *tenancy.Tx) error {
			list, err := notify.WebhookLog(tx, w.ID, 10)
			require.NoError(t, err)
			require.Empty(t, list)
			all, err := notify.Webhooks(tx)
			require.NoError(t, err)
			require.Empty(t, all)
			set, err := notify.SettingsOf(tx)
			require.Empty(t, set.Recipients)
			return err
		}))
		require.Equal(t, "Ops", b.webhook(t, w.ID).Name)
		require.NoError(t, b.n.RemoveWebhook(t.Context(), b.a, w.ID))
		b.record(t, b.a, died("eu_2"))
		b.after(t, time.Hour)
		require.Len(t, r.all(), 1)
	})
}

func TestChangingAWebhook(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		b.quiet(t)
		r := newReceiver(t)
		w, _ := b.hook(t, r.URL)
		b.record(t, b.a, died("eu_1"))
		in := notify.WebhookInput{Name: "  Ops\u202e team ", URL: r.URL, Events: []notify.Event{notify.GrantsRevoked, notify.GrantExpiring}}
		require.NoError(t, b.n.UpdateWebhook(t.Context(), b.a, w.ID, in, 1))
		require.True(t, errs.Is(b.n.UpdateWebhook(t.Context(), b.a, w.ID, in, 1), errs.Stale))
		got := b.webhook(t, w.ID)
		require.Equal(t, []any{"Ops team", false, []notify.Event{notify.GrantExpiring, notify.GrantsRevoked}}, []any{got.Name, got.Enabled, got.Events})
		b.after(t, time.Hour)
		require.Empty(t, r.all())
		require.Equal(t, "The webhook was turned off.", b.hookLog(t, w.ID)[0].Error)
	})
}
