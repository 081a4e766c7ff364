package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/flow"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/cmd/join"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/ui/assets"
)

const password = "a few words in a row"

// libraryLog is what the protocol library writes to slog's default logger during
// all tests: it must name no secret and no state.
var libraryLog lockedBuffer

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewJSONHandler(&libraryLog, &slog.HandlerOptions{Level: slog.LevelDebug})))
	code := m.Run()
	for _, secret := range []string{"emc_", stateCanary, "eyJ"} {
		if strings.Contains(libraryLog.String(), secret) {
			_, _ = os.Stderr.WriteString("the library logged a secret: " + secret + "\n")
			code = 1
		}
	}
	os.Exit(code)
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testBundle is an authorization server on real HTTPS, every tenant at
// https://{slug}.mcp.test, with people and runtimes in a real database.
type testBundle struct {
	t         testing.TB
	env       tenancytest.Env
	server    *server.Server
	nodes     []*server.Server // take turns
	turn      atomic.Uint64
	people    *accounts.Accounts
	spaces    *workspaces.Workspaces
	addr      string
	transport *http.Transport
	log       *lockedBuffer
	clientIP  func(*http.Request) netip.Addr
	// calls are what apps did, by subject and client.
	callsMu sync.Mutex
	calls   map[string][]server.Call
	// brokers are the nodes' ways to providers, in their order.
	brokers []join.Connects
	// resourcesFail makes the list of runtimes fail.
	resourcesFail bool
}

type tenant struct {
	b      *testBundle
	issuer string
	handle tenancy.Handle
	owner  accounts.Account
}

// each runs the test on both databases, with one tenant and one runtime there.
func each(t *testing.T, test func(b *testBundle, tn *tenant)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		tn := b.tenant("acme")
		tn.upstream("tickets")
		test(b, tn)
	})
}

func setup(t testing.TB, env tenancytest.Env) *testBundle {
	t.Helper()
	b := &testBundle{t: t, env: env, log: &lockedBuffer{}}
	b.wire()
	return b
}

// wire starts the server and what it stands on.
func (b *testBundle) wire() {
	t, env := b.t, b.env
	t.Helper()
	b.people = accounts.New(env.DB, accounts.Cost{MemoryKiB: 64, Passes: 1})
	b.spaces = workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, keys.Create)
	b.clientIP = func(r *http.Request) netip.Addr { return httpx.ClientIP(r, nil) }
	b.server = b.node(env.DB)
	b.nodes = []*server.Server{b.server}
	t.Cleanup(func() {
		for _, secret := range []string{"emc_", stateCanary, password} {
			require.NotContains(t, b.log.String(), secret, "no secret in the log")
		}
	})
	listener := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		node := b.nodes[b.turn.Add(1)%uint64(len(b.nodes))]
		node.Serve(w, r, "https://"+r.Host)
	}))
	t.Cleanup(listener.Close)
	b.addr = listener.Listener.Addr().String()
	trusting, ok := listener.Client().Transport.(*http.Transport)
	require.True(t, ok)
	b.transport = b.dial(trusting.TLSClientConfig.Clone())
}

func (b *testBundle) node(db *tenancy.DB) *server.Server {
	return server.New(server.Config{
		DB: db, People: people{b.people}, Resources: resources{&b.resourcesFail}, Calls: calls{b}, Connects: b.connects(db), Outbound: outbound.New(outbound.Config{AllowPrivate: true}), SignIn: outbound.Config{AllowPrivate: true}, Assets: assets.Handler(), AssetsPrefix: assets.Prefix,
		ClientIP: func(r *http.Request) netip.Addr { return b.clientIP(r) },
		Log:      slog.New(slog.NewJSONHandler(b.log, nil)),
	})
}

// second adds a node with connections of its own, where the database lets it.
func (b *testBundle) second() {
	b.t.Helper()
	if b.env.URL == "" {
		return // SQLite belongs to one process
	}
	db, err := tenancy.Open(b.t.Context(), tenancy.Config{DatabaseURL: b.env.URL, KEK: tenancytest.KEK(b.t), Clock: b.env.Clock, Log: slog.New(slog.DiscardHandler)})
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, db.Close()) })
	b.nodes = append(b.nodes, b.node(db))
}

// dial gives a transport that finds every host but localhost at the test's listener.
func (b *testBundle) dial(cfg *tls.Config) *http.Transport {
	cfg.ServerName = "example.com" // the name in httptest's certificate
	tr := &http.Transport{
		TLSClientConfig: cfg,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if port, local := strings.CutPrefix(addr, "localhost"); local {
				return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1"+port)
			}
			return (&net.Dialer{}).DialContext(ctx, network, b.addr)
		},
	}
	b.t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func (b *testBundle) tenant(slug string) *tenant {
	b.t.Helper()
	return b.tenantIn(b.spaces, slug)
}

// local makes a tenant at an http://localhost port of its own, as on one machine.
func (b *testBundle) local(slug string) *tenant {
	b.t.Helper()
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.server.Serve(w, r, "http://"+r.Host) }))
	b.t.Cleanup(listener.Close)
	_, port, err := net.SplitHostPort(listener.Listener.Addr().String())
	require.NoError(b.t, err)
	return b.tenantIn(workspaces.New(b.env.DB, workspaces.Placement{Pattern: "http://localhost:" + port}, keys.Create), slug)
}

func (b *testBundle) tenantIn(spaces *workspaces.Workspaces, slug string) *tenant {
	b.t.Helper()
	owner := b.account(slug + "-owner")
	ws, err := spaces.Create(b.t.Context(), owner.ID, "Workspace "+slug, slug)
	require.NoError(b.t, err)
	h, err := b.env.DB.ForOrigin(b.t.Context(), ws.Origin)
	require.NoError(b.t, err)
	return &tenant{b: b, issuer: ws.Origin, handle: h, owner: owner}
}

func (b *testBundle) account(name string) accounts.Account {
	b.t.Helper()
	a, err := b.people.SignUp(b.t.Context(), "Person "+name, name+"@example.com", password, "192.0.2.1")
	require.NoError(b.t, err)
	return a
}

type memberRow struct {
	TenantID, AccountID, Role string
	CreatedAt                 time.Time
}

func (memberRow) TableName() string { return "members" }

func (tn *tenant) write(fn func(tx *tenancy.Tx) error) {
	tn.b.t.Helper()
	require.NoError(tn.b.t, tn.b.env.DB.Write(tn.b.t.Context(), tn.handle, fn))
}

func (tn *tenant) add(a accounts.Account) {
	tn.b.t.Helper()
	tn.write(func(tx *tenancy.Tx) error {
		return tx.DB().Create(&memberRow{TenantID: tx.Tenant(), AccountID: a.ID, Role: "viewer", CreatedAt: tx.Now()}).Error
	})
}

func (tn *tenant) remove(a accounts.Account) {
	tn.b.t.Helper()
	tn.write(func(tx *tenancy.Tx) error { return tx.DB().Where("account_id = ?", a.ID).Delete(&memberRow{}).Error })
}

type upstreamRow struct {
	TenantID, ID, Slug, Name, URL, SecretHeader, State string
	WorkerSecret                                       []byte
	CreatedAt, UpdatedAt                               time.Time
}

func (upstreamRow) TableName() string { return "upstreams" }

// upstream adds a runtime and gives its MCP URL.
func (tn *tenant) upstream(slug string) string {
	tn.b.t.Helper()
	tn.write(func(tx *tenancy.Tx) error {
		return tx.DB().Create(&upstreamRow{
			TenantID: tx.Tenant(), ID: ids.New("ups"), Slug: slug, Name: "Runtime " + slug + " of " + tn.handle.Slug(), URL: "http://127.0.0.1:9/mcp",
			SecretHeader: "X-Emcy-Worker-Secret", State: "ready", WorkerSecret: []byte("sealed"), CreatedAt: tx.Now(), UpdatedAt: tx.Now(),
		}).Error
	})
	return tn.mcp(slug)
}

func (tn *tenant) mcp(slug string) string { return tn.issuer + "/" + slug + "/mcp" }

// resources reads the real rows, unless it is to fail.
type resources struct{ fail *bool }

func (resources) ByID(tx *tenancy.Tx, id string) (flow.Resource, error) {
	var row upstreamRow
	err := tx.DB().Where("id = ?", id).First(&row).Error
	return flow.Resource{ID: row.ID, Slug: row.Slug, Name: row.Name}, err
}

func (r resources) All(tx *tenancy.Tx) ([]flow.Resource, error) {
	if *r.fail {
		return nil, errors.New("no such resources")
	}
	var rows []upstreamRow
	err := tx.DB().Order("slug").Find(&rows).Error
	var out []flow.Resource
	for _, row := range rows {
		out = append(out, flow.Resource{ID: row.ID, Slug: row.Slug, Name: row.Name})
	}
	return out, err
}

// Tools are a fixed list, one of each kind.
func (resources) Tools(*tenancy.Tx, string) ([]flow.Tool, error) {
	return []flow.Tool{{Name: "drop_tickets", Kind: flow.Danger}, {Name: "edit_ticket", Kind: flow.Change}, {Name: "list_tickets", Kind: flow.Read}}, nil
}

// calls are what each client did, by its id.
type calls struct{ b *testBundle }

func (c calls) Recent(_ context.Context, _ tenancy.Handle, subject, clientID, _ string, limit int) ([]server.Call, error) {
	c.b.callsMu.Lock()
	defer c.b.callsMu.Unlock()
	made := c.b.calls[subject+" "+clientID]
	return made[:min(limit, len(made))], nil
}

type people struct{ accounts *accounts.Accounts }

func (p people) SignIn(ctx context.Context, email, pw, from string) (flow.Person, error) {
	a, err := p.accounts.SignIn(ctx, email, pw, from)
	return flow.Person{ID: a.ID, Name: a.Name, Email: a.Email}, err
}

func (p people) Person(ctx context.Context, id string) (flow.Person, error) {
	found, err := p.accounts.ByIDs(ctx, []string{id})
	return flow.Person{ID: id, Name: found[id].Name, Email: found[id].Email}, err
}

func (p people) AccountOf(ctx context.Context, email string) (string, error) {
	a, err := p.accounts.ByEmail(ctx, email)
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	return a.ID, err
}

// revoked are the families that the edge refuses.
func (tn *tenant) revoked() []string {
	tn.b.t.Helper()
	var out []string
	err := tn.b.env.DB.Read(tn.b.t.Context(), tn.handle, func(tx *tenancy.Tx) (err error) {
		out, err = server.Revoked(tx)
		return err
	})
	require.NoError(tn.b.t, err)
	return out
}
