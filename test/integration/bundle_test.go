package integration_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
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
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/feed"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
	"github.com/emcy/gateway/ui/assets"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/usage/event"
)

const (
	password = "a few words in a row"
	// patience is far below the feed's full reload: what is seen in it came by a notice.
	patience = 30 * time.Second
)

var quiet = slog.New(slog.DiscardHandler)

// TestMain keeps the protocol library's lines about every refusal out of the output.
func TestMain(m *testing.M) {
	slog.SetDefault(quiet)
	os.Exit(m.Run())
}

// node is one process: a gate, an authorization server, a feed and an edge.
type node struct {
	db     *tenancy.DB
	server *server.Server
	traces *trace.Recorder
	addr   string
}

// bundle is an installation with one workspace, one runtime and one person.
type bundle struct {
	env    tenancytest.Env
	nodes  []*node
	tls    *http.Transport // httptest's, which trusts its certificate
	turn   atomic.Uint64
	issuer string
	handle tenancy.Handle
	email  string
	person *httpflow.Person
	// fetches is how the authorization servers reach what clients name.
	fetches outbound.Config
}

// each runs the test on one node with SQLite, and on two with PostgreSQL.
func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	eachWith(t, outbound.Config{AllowPrivate: true}, test)
}

// eachWith is each, with authorization servers that fetch so.
func eachWith(t *testing.T, fetches outbound.Config, test func(t *testing.T, b *bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(t, setup(t, env, fetches)) })
}

func setup(t *testing.T, env tenancytest.Env, fetches outbound.Config) *bundle {
	t.Helper()
	b := &bundle{env: env, fetches: fetches}
	b.nodes = append(b.nodes, b.start(t, env.DB))
	if env.URL != "" {
		db, err := tenancy.Open(t.Context(), tenancy.Config{DatabaseURL: env.URL, KEK: tenancytest.KEK(t), Clock: env.Clock, Log: quiet})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		b.nodes = append(b.nodes, b.start(t, db))
	}

	people := accounts.New(env.DB, accounts.Cost{MemoryKiB: 64, Passes: 1})
	account, err := people.SignUp(t.Context(), "Ada", "ada@example.com", password, "192.0.2.1")
	require.NoError(t, err)
	ws, err := spaces(env.DB).Create(t.Context(), account.ID, "Acme", "acme")
	require.NoError(t, err)
	b.issuer = ws.Origin
	b.handle, err = env.DB.ForOrigin(t.Context(), ws.Origin)
	require.NoError(t, err)

	queue, err := jobs.New(env.DB, quiet)
	require.NoError(t, err)
	fake := upstream.Start(upstream.Config{Stateless: true})
	t.Cleanup(fake.Close)
	registry := upstreams.New(env.DB, outbound.New(outbound.Config{AllowPrivate: true}), nil, b.nodes[0].server, queue)
	_, err = registry.Create(t.Context(), b.handle, upstreams.Input{Name: "Tickets", Slug: "tickets", URL: fake.URL()})
	require.NoError(t, err)

	b.email = account.Email
	b.person = b.anew(b.transport(nil))
	return b
}

// anew is the person in a browser that was never used.
func (b *bundle) anew(transport http.RoundTripper) *httpflow.Person {
	p := httpflow.NewPerson(b.issuer, "Ada", transport)
	p.Email, p.Password = b.email, password
	return p
}

func spaces(db *tenancy.DB) *workspaces.Workspaces {
	return workspaces.New(db, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, keys.Create)
}

func (b *bundle) start(t *testing.T, db *tenancy.DB) *node {
	t.Helper()
	traces, err := trace.New(trace.Config{DB: db, Log: quiet})
	require.NoError(t, err)
	traces.Start()
	t.Cleanup(func() { require.NoError(t, traces.Stop(context.WithoutCancel(t.Context()))) })
	n := &node{db: db, traces: traces}
	n.server = server.New(server.Config{
		DB: db, People: people{accounts.New(db, accounts.Cost{MemoryKiB: 64, Passes: 1})}, Resources: resources{}, Outbound: outbound.New(b.fetches), Assets: assets.Handler(), AssetsPrefix: assets.Prefix,
		ClientIP: func(r *http.Request) netip.Addr { return httpx.ClientIP(r, nil) }, Log: quiet, Trace: traces,
	})
	store := snapshot.NewStore()
	follow := feed.New(db, spaces(db), store, quiet)
	require.NoError(t, follow.Start(t.Context()))
	t.Cleanup(follow.Stop)
	front, err := edge.New(edge.Config{
		Snapshots: store, Transport: outbound.New(outbound.Config{AllowPrivate: true}).Transport(outbound.TransportOptions{}), Recorder: noEvents{}, Clock: db.Clock(), Log: quiet,
		Tracer: tracer{traces},
		Auth:   func(w http.ResponseWriter, r *http.Request, t *snapshot.Tenant) { n.server.Serve(w, r, t.Issuer) },
	})
	require.NoError(t, err)
	front.Start()
	t.Cleanup(front.Stop)
	listener := httptest.NewTLSServer(front.Handler("https"))
	t.Cleanup(listener.Close)
	n.addr = listener.Listener.Addr().String()
	trusting, ok := listener.Client().Transport.(*http.Transport)
	require.True(t, ok)
	b.tls = trusting
	return n
}

// transport reaches one node, or, where it is nil, another one with each connection.
func (b *bundle) transport(only *node) *http.Transport {
	cfg := b.tls.TLSClientConfig.Clone()
	cfg.ServerName = "example.com" // the name in httptest's certificate
	return &http.Transport{
		TLSClientConfig: cfg, DisableKeepAlives: only == nil,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			n := only
			if n == nil {
				n = b.nodes[b.turn.Add(1)%uint64(len(b.nodes))]
			}
			return (&net.Dialer{}).DialContext(ctx, network, n.addr)
		},
	}
}

func (b *bundle) mcp() string { return b.issuer + "/tickets/mcp" }

// app is a registered client.
type app struct {
	*httpflow.Client
	b *bundle
}

// app registers a client once every edge knows the runtime.
func (b *bundle) app(t *testing.T) *app {
	t.Helper()
	for _, n := range b.nodes {
		b.until(t, n, "", http.StatusUnauthorized)
	}
	a := &app{httpflow.NewClient(b.mcp(), b.transport(nil)), b}
	require.NoError(t, a.Discover(t.Context()))
	require.NoError(t, a.Register(t.Context()))
	return a
}

// grant goes to a code, and gives the form that redeems it.
func (a *app) grant(t *testing.T) url.Values {
	t.Helper()
	verifier := rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(verifier))
	begin, err := url.Parse(a.AuthorizeURL())
	require.NoError(t, err)
	q := begin.Query()
	q.Set("code_challenge", base64.RawURLEncoding.EncodeToString(sum[:]))
	begin.RawQuery = q.Encode()
	back, err := a.b.person.Allow(t.Context(), begin.String(), a.RedirectURI)
	require.NoError(t, err)
	require.NotEmpty(t, back.Query().Get("code"), back)
	return url.Values{
		"grant_type": {"authorization_code"}, "client_id": {a.ClientID}, "code": {back.Query().Get("code")}, "redirect_uri": {a.RedirectURI},
		"code_verifier": {verifier}, "resource": {a.b.mcp()},
	}
}

func (a *app) refreshForm(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "client_id": {a.ClientID}, "refresh_token": {token}}
}

// atOnce sends a form n times at once, over all nodes. What is no success must be a
// clean invalid_grant.
func (a *app) atOnce(t *testing.T, n int, form url.Values) (won []*httpflow.Tokens) {
	t.Helper()
	got, errs := make([]*httpflow.Tokens, n), make([]error, n)
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			got[i], errs[i] = a.Token(t.Context(), form)
		})
	}
	close(start)
	wg.Wait()
	for i, err := range errs {
		if err == nil {
			won = append(won, got[i])
			continue
		}
		requireInvalidGrant(t, err)
	}
	return won
}

func requireInvalidGrant(t *testing.T, err error) {
	t.Helper()
	var answer *httpflow.Answer
	require.ErrorAs(t, err, &answer)
	require.Equal(t, http.StatusBadRequest, answer.Status, answer)
	require.Equal(t, "invalid_grant", answer.OAuthError(), answer)
}

// call sends a ping with a token to one node's edge.
func (b *bundle) call(t *testing.T, client *http.Client, token string) (int, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.mcp(), strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("MCP-Protocol-Version", "2025-11-25")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(r)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res.StatusCode, res.Header
}

// until asks a node's edge again and again, until it answers so.
func (b *bundle) until(t *testing.T, n *node, token string, status int) http.Header {
	t.Helper()
	tr := b.transport(n)
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got, header := b.call(t, client, token)
		if got == status {
			return header
		}
		require.False(t, time.Now().After(deadline), "answers %d and not %d", got, status)
		<-tick.C
	}
}

// dead says that every edge refuses the token, and when the last one began to.
func (b *bundle) dead(t *testing.T, token string) time.Duration {
	t.Helper()
	start := time.Now()
	for _, n := range b.nodes {
		header := b.until(t, n, token, http.StatusUnauthorized)
		require.Contains(t, header.Get("WWW-Authenticate"), `error="invalid_token"`)
	}
	return time.Since(start)
}

// alive says that every edge takes the token.
func (b *bundle) alive(t *testing.T, token string) {
	t.Helper()
	for _, n := range b.nodes {
		b.until(t, n, token, http.StatusOK)
	}
}

type noEvents struct{}

func (noEvents) Record(event.Event) {}

// tracer is cmd's adapter.
type tracer struct{ recorder *trace.Recorder }

func (t tracer) Trace(r *http.Request, e edge.TraceEvent) {
	t.recorder.Passed(trace.OriginOf(httpx.ClientIP(r, nil), r), trace.Passed(e))
}

// people and resources are cmd's adapters.
type people struct{ accounts *accounts.Accounts }

func (p people) AccountOf(ctx context.Context, email string) (string, error) {
	a, err := p.accounts.ByEmail(ctx, email)
	return a.ID, err
}

func (p people) SignIn(ctx context.Context, email, pw, from string) (flow.Person, error) {
	a, err := p.accounts.SignIn(ctx, email, pw, from)
	return flow.Person{ID: a.ID, Name: a.Name, Email: a.Email}, err
}

func (p people) Person(ctx context.Context, id string) (flow.Person, error) {
	found, err := p.accounts.ByIDs(ctx, []string{id})
	return flow.Person{ID: id, Name: found[id].Name, Email: found[id].Email}, err
}

type resources struct{}

func (resources) ByID(tx *tenancy.Tx, id string) (flow.Resource, error) {
	n, err := upstreams.NameOf(tx, id)
	return flow.Resource(n), err
}

// Tools are not asked for here.
func (resources) Tools(*tenancy.Tx, string) ([]flow.Tool, error) { return nil, nil }

func (resources) All(tx *tenancy.Tx) ([]flow.Resource, error) {
	names, err := upstreams.Names(tx)
	out := make([]flow.Resource, len(names))
	for i, n := range names {
		out[i] = flow.Resource(n)
	}
	return out, err
}
