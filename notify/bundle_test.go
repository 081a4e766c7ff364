package notify_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/mail"
)

const console = "https://console.test"

// people is a directory whose persons are made by their id.
type people struct {
	mu      sync.Mutex
	unknown map[string]bool
}

func (p *people) People(_ context.Context, h tenancy.Handle, subjects []string) (map[string]notify.Person, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]notify.Person{}
	for _, id := range subjects {
		if !p.unknown[id] {
			out[id] = notify.Person{Name: "Person " + id, Email: id + "@" + h.Slug() + ".test"}
		}
	}
	return out, nil
}

func (p *people) Origin(_ context.Context, h tenancy.Handle) (string, error) {
	return "https://" + h.Slug() + ".mcp.test", nil
}

type testBundle struct {
	tenancytest.Env
	n         *notify.Notify
	directory *people
	mail      *fake.Server
	sender    *mail.Sender
	log       *syncBuffer
	a         tenancy.Handle
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func setup(t *testing.T, env tenancytest.Env, change ...func(*notify.Config)) *testBundle {
	t.Helper()
	b := &testBundle{Env: env, directory: &people{unknown: map[string]bool{}}, mail: fake.New(t, fake.Config{}), log: &syncBuffer{}}
	server, err := mail.ParseServer("smtp://" + b.mail.Addr)
	require.NoError(t, err)
	b.sender, err = mail.New(mail.Config{Server: server, From: "Emcy <alerts@gateway.test>", Clock: env.Clock})
	require.NoError(t, err)
	b.n = b.another(t, change...)
	b.a = tenancytest.Tenant(t, env, "alpha")
	return b
}

// another is a second process on the same database.
func (b *testBundle) another(t *testing.T, change ...func(*notify.Config)) *notify.Notify {
	t.Helper()
	cfg := notify.Config{
		DB: b.DB, Mail: b.sender, Outbound: outbound.Config{AllowPrivate: true, UserAgent: "Emcy-Gateway/test"}, Directory: b.directory, Console: console,
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(&cfg)
	}
	n, err := notify.New(cfg)
	require.NoError(t, err)
	return n
}

// died is the notification of a grant's end.
func died(subject string) notify.Notification {
	return notify.Notification{
		Event: notify.GrantNeedsReconnect, Subject: subject, GroupKey: "prf_todo", Users: []string{subject},
		Data: map[string]string{"profile": "prf_todo", "profile_name": "Todo API", "grant": "grt_" + subject, "subject": subject, "reason": "rejected", "reason_text": "The provider refuses the refresh token."},
	}
}

func (b *testBundle) record(t *testing.T, h tenancy.Handle, list ...notify.Notification) {
	t.Helper()
	require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		for _, x := range list {
			if err := b.n.Record(tx, x); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (b *testBundle) deliver(t *testing.T) {
	t.Helper()
	require.NoError(t, b.n.Deliver(t.Context()))
}

func (b *testBundle) after(t *testing.T, d time.Duration) {
	t.Helper()
	b.Clock.Advance(d)
	b.deliver(t)
}

func (b *testBundle) alerts(t *testing.T, h tenancy.Handle) (out []notify.Alert) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		if out, err = notify.Alerts(tx, "", 1000); err != nil {
			return err
		}
		for i := range out {
			if out[i], err = notify.AlertOf(tx, out[i].ID, 1000); err != nil {
				return err
			}
		}
		return nil
	}))
	return out
}

func (b *testBundle) webhook(t *testing.T, id string) (w notify.Webhook) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context(), b.a, func(tx *tenancy.Tx) (err error) {
		w, err = notify.WebhookOf(tx, id)
		return err
	}))
	return w
}

func (b *testBundle) hookLog(t *testing.T, id string) (list []notify.Delivery) {
	t.Helper()
	require.NoError(t, b.DB.Read(t.Context(), b.a, func(tx *tenancy.Tx) (err error) {
		list, err = notify.WebhookLog(tx, id, 1000)
		return err
	}))
	return list
}

// quiet are settings under which nobody gets mail.
func (b *testBundle) quiet(t *testing.T) {
	t.Helper()
	require.NoError(t, b.n.SaveSettings(t.Context(), b.a, notify.Settings{}))
}

// receiver is a webhook's receiver.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []received
	answer http.HandlerFunc
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.mu.Lock()
		r.got = append(r.got, received{req.Header.Clone(), body})
		answer := r.answer
		r.mu.Unlock()
		if answer != nil {
			answer(w, req)
		}
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) says(status int) {
	r.does(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

func (r *receiver) does(answer http.HandlerFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) all() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]received(nil), r.got...)
}

func (b *testBundle) hook(t *testing.T, url string, events ...notify.Event) (notify.Webhook, string) {
	t.Helper()
	if events == nil {
		events = []notify.Event{notify.GrantNeedsReconnect, notify.GrantsRevoked}
	}
	w, secret, err := b.n.CreateWebhook(t.Context(), b.a, notify.WebhookInput{Name: "Ops", URL: url, Events: events, Enabled: true})
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(secret.Reveal(), "whsec_"))
	return w, secret.Reveal()
}
