package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/authz/server/issuers"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
	"github.com/emcy/gateway/usage"
	"github.com/emcy/gateway/usage/event"
	"github.com/emcy/gateway/web"
)

// cheap keeps argon2id from being what the tests measure.
var cheap = accounts.Cost{MemoryKiB: 64, Passes: 1}

// testBundle is a console on a listener of its own.
type testBundle struct {
	tenancytest.Env
	console *web.Console
	config  web.Config
	server  *httptest.Server
	log     *syncBuffer
	runtime *upstream.Upstream
	usage   *usage.Recorder
	ended   []string // subjects whose sessions and tokens were to end
	speaks  *provider.Provider
	people  map[string]notify.Person // by subject: those who have a name
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

// issued stands for what other packages do in the registry's transactions; here
// there are no tokens to revoke and no queue to fill.
type issued struct{}

func (issued) RevokeUpstream(*tenancy.Tx, string, string) error { return nil }

func (issued) EnqueueProbe(*tenancy.Tx, upstreams.ProbeArgs) error { return nil }

// facts are what the authorization server would tell.
type facts struct {
	allowed int
	names   map[string]string
}

func (f facts) Allowed(context.Context, tenancy.Handle, string) (int, error) { return f.allowed, nil }

func (f facts) ClientNames(context.Context, tenancy.Handle, []string) (map[string]string, error) {
	return f.names, nil
}

// directory knows everybody by their id.
type directory struct{}

func (directory) People(_ context.Context, _ tenancy.Handle, subjects []string) (map[string]notify.Person, error) {
	out := map[string]notify.Person{}
	for _, id := range subjects {
		out[id] = notify.Person{Name: "Person " + id, Email: id + "@example.com"}
	}
	return out, nil
}

func (directory) Origin(context.Context, tenancy.Handle) (string, error) {
	return "https://acme.mcp.test", nil
}

// trust ends as the authorization server does, and notes it.
type trust struct{ b *testBundle }

func (x trust) RemoveIssuer(tx *tenancy.Tx, id string) error {
	x.b.ended = append(x.b.ended, id)
	return issuers.Remove(tx, id)
}

func setup(t *testing.T, env tenancytest.Env, change ...func(*web.Config)) *testBundle {
	t.Helper()
	b := &testBundle{Env: env, log: &syncBuffer{}, server: httptest.NewUnstartedServer(nil), runtime: upstream.Start(upstream.Config{})}
	t.Cleanup(b.runtime.Close)
	out := outbound.Config{AllowPrivate: true}
	var err error
	b.usage, err = usage.New(usage.Config{DB: env.DB, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Limits: usage.Limits{Interval: time.Millisecond}})
	require.NoError(t, err)
	require.NoError(t, b.usage.Start())
	t.Cleanup(func() { require.NoError(t, b.usage.Stop(context.WithoutCancel(t.Context()))) })
	b.config = web.Config{
		PublicURL:  "http://" + b.server.Listener.Addr().String(),
		DB:         env.DB,
		Accounts:   accounts.New(env.DB, cheap),
		Workspaces: workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, func(*tenancy.Tx) error { return nil }),
		Upstreams:  upstreams.New(env.DB, outbound.New(out), probe.New(probe.Config{Outbound: out, Clock: env.Clock}), issued{}, issued{}),
		Usage:      usage.NewLog(env.DB),
		Connect:    facts{},
		Notice:     "Private addresses are allowed here.",
		Log:        slog.New(slog.NewJSONHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Ready:      env.DB.Ping,
		URLs:       outbound.New(out),
		Clients: clients.New(clients.Config{DB: env.DB, Outbound: outbound.New(out), Keys: jwks.New(outbound.New(out), env.Clock), Log: slog.New(slog.DiscardHandler), Ended: func(_ *tenancy.Tx, id, _ string) error {
			b.ended = append(b.ended, id)
			return nil
		}}),
		Issuers: trust{b},
		Providers: idp.New(idp.Config{DB: env.DB, Outbound: out, Revoke: func(_ *tenancy.Tx, subjects []string, _ string) error {
			b.ended = append(b.ended, subjects...)
			return nil
		}}),
	}
	b.config.Notify, err = notify.New(notify.Config{DB: env.DB, Outbound: out, Directory: directory{}, Console: b.config.PublicURL, Log: b.config.Log})
	require.NoError(t, err)
	b.wireGrants(t)
	for _, c := range change {
		c(&b.config)
	}
	b.console, err = web.New(b.config)
	require.NoError(t, err)
	b.server.Config.Handler = b.console
	b.server.Start()
	t.Cleanup(func() {
		b.console.Close()
		b.server.Close()
	})
	return b
}

// person signs up.
func (b *testBundle) person(t *testing.T, name string) *httpflow.Person {
	t.Helper()
	p := httpflow.NewPerson(b.server.URL, name, b.server.Client().Transport)
	require.NoError(t, p.SignUp(t.Context()))
	return p
}

// guest is somebody without an account.
func (b *testBundle) guest() *httpflow.Person {
	return httpflow.NewPerson(b.server.URL, "Guest", b.server.Client().Transport)
}

// account is the person's id.
func (b *testBundle) account(t *testing.T, p *httpflow.Person) string {
	t.Helper()
	a, err := b.config.Accounts.SignIn(t.Context(), p.Email, p.Password, "test")
	require.NoError(t, err)
	return a.ID
}

// owner signs up and makes a workspace.
func (b *testBundle) owner(t *testing.T, name, slug string) (*httpflow.Person, tenancy.Handle) {
	t.Helper()
	p := b.person(t, name)
	require.NoError(t, p.CreateWorkspace(t.Context(), "Workspace "+slug, slug))
	h, _, err := b.DB.ForMember(t.Context(), b.account(t, p), slug)
	require.NoError(t, err)
	return p, h
}

type memberRow struct {
	TenantID, AccountID, Role string
	CreatedAt                 time.Time
}

func (memberRow) TableName() string { return "members" }

func (b *testBundle) join(t *testing.T, h tenancy.Handle, p *httpflow.Person, role string) {
	t.Helper()
	row := memberRow{TenantID: h.Tenant(), AccountID: b.account(t, p), Role: role, CreatedAt: b.Clock.Now()}
	require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error { return tx.DB().Create(&row).Error }))
}

func (b *testBundle) leave(t *testing.T, h tenancy.Handle, p *httpflow.Person) {
	t.Helper()
	account := b.account(t, p)
	require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
		tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
		return tx.DB().Where("account_id = ?", account).Delete(&memberRow{}).Error
	}))
}

// send makes one request in the person's browser, with whatever headers.
func (b *testBundle) send(t *testing.T, p *httpflow.Person, method, path string, form url.Values, header http.Header) *answer {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(t.Context(), method, b.server.URL+path, body)
	require.NoError(t, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if method != http.MethodGet && method != http.MethodHead {
		req.Header.Set("Origin", b.server.URL)
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	if p != nil {
		for _, c := range p.Browser.Cookies(b.server.URL) {
			req.AddCookie(c)
		}
	}
	for name, values := range header {
		req.Header.Del(name)
		for _, v := range values {
			if name == "Host" {
				req.Host = v
				continue
			}
			req.Header.Add(name, v)
		}
	}
	return do(t, b.server, req)
}

type answer struct {
	status int
	header http.Header
	body   string
}

func do(t *testing.T, server *httptest.Server, req *http.Request) *answer {
	t.Helper()
	client := *server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return &answer{status: res.StatusCode, header: res.Header, body: string(body)}
}

// token is the form token of a page in the person's browser.
func (b *testBundle) token(t *testing.T, p *httpflow.Person, path string) string {
	t.Helper()
	page, err := p.Browser.Get(t.Context(), b.server.URL+path)
	require.NoError(t, err)
	require.NoError(t, page.Expect(http.StatusOK))
	token, ok := page.Find("name", "csrf")
	require.True(t, ok)
	return token
}

// addRuntime adds the fake runtime under the slug and returns its worker secret.
func (b *testBundle) addRuntime(t *testing.T, p *httpflow.Person, workspace, slug string) *httpflow.Runtime {
	t.Helper()
	r, err := p.AddRuntime(t.Context(), workspace, httpflow.RuntimeForm{Name: "Runtime " + slug, Slug: slug, URL: b.runtime.URL()})
	require.NoError(t, err)
	return r
}

func newEvent(h tenancy.Handle, upstreamID string, at time.Time) event.Event {
	return event.Event{
		TenantID: h.Tenant(), ID: ids.NewAt("evt", at), At: at, RequestID: ids.NewAt("req", at), Generation: 3, UpstreamID: upstreamID,
		ClientID: "cli_1", Subject: h.Actor().ID, FamilyID: "fam_1", HTTPMethod: "POST", Method: "tools/call", Name: "echo", ProtocolVersion: "2026-07-28",
		Status: 200, Outcome: event.Success, Finished: true, Gateway: 2 * time.Millisecond, Upstream: 7 * time.Millisecond, Total: 10 * time.Millisecond,
		RequestBytes: 412, ResponseBytes: 8100,
	}
}

// record stores events as the edge does, and waits until they can be read.
func (b *testBundle) record(t *testing.T, h tenancy.Handle, events ...event.Event) {
	t.Helper()
	for _, e := range events {
		b.usage.Record(e)
	}
	for _, e := range events {
		require.Eventually(t, func() bool {
			_, err := b.config.Usage.Get(t.Context(), h, e.ID)
			return err == nil
		}, 20*time.Second, 2*time.Millisecond)
	}
}

// logged is the log's lines about something.
func (b *testBundle) logged(message string) []map[string]any {
	var out []map[string]any
	for line := range strings.Lines(b.log.String()) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == message {
			out = append(out, fields)
		}
	}
	return out
}
