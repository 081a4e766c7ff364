package edge_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/usage/event"
)

// quiet logs nothing.
var quiet = slog.New(slog.DiscardHandler)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const (
	slug      = "crm"
	ping      = `{"jsonrpc":"2.0","id":"q-1","method":"ping"}`
	pong      = `{"jsonrpc":"2.0","id":"q-1","result":{}}`
	jsonType  = "application/json"
	sseType   = "text/event-stream"
	sharedKey = "worker-secret-of-the-test"
)

// events keeps what was recorded, and lets a test wait for it.
type events struct {
	mu   sync.Mutex
	all  []event.Event
	wake chan struct{}
}

func newEvents() *events { return &events{wake: make(chan struct{}, 1)} }

func (e *events) Record(one event.Event) {
	e.mu.Lock()
	e.all = append(e.all, one)
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

func (e *events) list() []event.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]event.Event{}, e.all...)
}

// wait gives the first n events once they are there.
func (e *events) wait(t *testing.T, n int) []event.Event {
	t.Helper()
	for {
		if all := e.list(); len(all) >= n {
			return all
		}
		select {
		case <-e.wake:
		case <-t.Context().Done():
			t.Fatal("the test ended before the events came")
		case <-time.After(20 * time.Second):
			t.Fatalf("only %d of %d events came", len(e.list()), n)
		}
	}
}

// bundle is an edge that serves on loopback, with one tenant whose origin is the
// server's and one at globex.test.
type bundle struct {
	t        testing.TB
	store    *snapshot.Store
	clock    *clock.Manual
	events   *events
	front    *edge.Front
	server   *httptest.Server
	upstream *httptest.Server
	acme     *snapshot.Tenant
	globex   *snapshot.Tenant
	acmeKey  *ecdsa.PrivateKey
	auth     chan *snapshot.Tenant // one for each request that went to the authorization server
}

type option func(*edge.Config)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func setup(t testing.TB, runtime http.Handler, options ...option) *bundle {
	t.Helper()
	b := &bundle{t: t, store: snapshot.NewStore(), clock: clock.NewManual(start), events: newEvents(), auth: make(chan *snapshot.Tenant, 100)}
	b.upstream = httptest.NewServer(runtime)
	t.Cleanup(func() { b.upstream.CloseClientConnections(); b.upstream.Close() })
	transport := outbound.New(outbound.Config{AllowPrivate: true}).Relay(outbound.TransportOptions{})
	t.Cleanup(transport.CloseIdleConnections)
	cfg := edge.Config{
		Snapshots: b.store,
		Auth: func(w http.ResponseWriter, _ *http.Request, tenant *snapshot.Tenant) {
			b.auth <- tenant
			w.WriteHeader(http.StatusTeapot)
		},
		Transport: transport,
		Recorder:  b.events,
		Clock:     b.clock,
		Log:       quiet,
	}
	for _, o := range options {
		o(&cfg)
	}
	front, err := edge.New(cfg)
	require.NoError(t, err)
	b.front = front
	front.Start()
	b.server = httptest.NewUnstartedServer(nil)
	b.server.Config = edge.NewServer(front.Handler("http"), cfg.Log)
	b.server.Start()
	t.Cleanup(func() { front.Stop(); b.server.CloseClientConnections(); b.server.Close() })

	b.acmeKey = newKey(t)
	b.acme = b.tenant("tnt_a", "acme", b.server.URL, b.acmeKey)
	b.globex = b.tenant("tnt_b", "globex", "http://globex.test", newKey(t))
	b.store.Replace(start, []*snapshot.Tenant{b.acme, b.globex})
	return b
}

func (b *bundle) tenant(id, name, origin string, key *ecdsa.PrivateKey) *snapshot.Tenant {
	target, err := url.Parse(b.upstream.URL + "/base/mcp?v=1")
	require.NoError(b.t, err)
	return &snapshot.Tenant{
		ID: id, Slug: name, Name: name, Generation: 1, Issuer: origin, Origins: []string{origin},
		Keys:   map[string]crypto.PublicKey{"k-" + name: &key.PublicKey},
		Signer: snapshot.Signer{KID: "k-" + name, Key: key},
		Edges: map[string]*snapshot.Edge{slug: {
			ID: "ups_" + name, Slug: slug, Name: "CRM of " + name,
			Resource:    origin + "/" + slug + "/mcp",
			MetadataURL: origin + "/.well-known/oauth-protected-resource/" + slug + "/mcp",
			Upstream:    target, WorkerSecret: secret.New(sharedKey),
			Scopes: []string{"mcp"},
		}},
		Revoked:  map[string]struct{}{},
		Sessions: envelope(b.t, id, 1),
	}
}

// dataKey is a tenant's data key of that version, the same in every process.
func dataKey(t testing.TB, tenant string, version uint32) *seal.Key {
	t.Helper()
	raw := sha256.Sum256(fmt.Append(nil, tenant, version))
	key, err := seal.NewKey(version, raw[:])
	require.NoError(t, err)
	return key
}

// envelope seals with the first version, and opens with all of them.
func envelope(t testing.TB, tenant string, versions ...uint32) *seal.Envelope {
	t.Helper()
	keys := make([]*seal.Key, len(versions))
	for i, v := range versions {
		keys[i] = dataKey(t, tenant, v)
	}
	e, err := seal.NewEnvelope("mcp-session", keys[0], keys[1:]...)
	require.NoError(t, err)
	return e
}

// publish puts out a changed copy of acme.
func (b *bundle) publish(change func(*snapshot.Tenant)) {
	next := *b.acme
	change(&next)
	b.store.Put(start, next.ID, &next)
}

type claims = map[string]any

// tokenClaims are those of a good token for the tenant's runtime.
func (b *bundle) tokenClaims(tenant *snapshot.Tenant) claims {
	now := b.clock.Now()
	return claims{
		"iss": tenant.Issuer, "sub": "acc_ada", "aud": tenant.Edges[slug].Resource, "client_id": "cli_1", "scope": "mcp offline_access",
		"jti": "jti_1", "fid": "fam_1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func sign(t testing.TB, key crypto.Signer, kid string, header map[jose.HeaderKey]any, c claims) string {
	t.Helper()
	options := (&jose.SignerOptions{}).WithType("at+jwt")
	for name, value := range header {
		options = options.WithHeader(name, value)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, options)
	require.NoError(t, err)
	token, err := jwt.Signed(signer).Claims(c).Serialize()
	require.NoError(t, err)
	return token
}

func (b *bundle) token(tenant *snapshot.Tenant, changes ...func(claims)) string {
	c := b.tokenClaims(tenant)
	for _, change := range changes {
		change(c)
	}
	return sign(b.t, tenant.Signer.Key, tenant.Signer.KID, nil, c)
}

func (b *bundle) url() string { return b.acme.Edges[slug].Resource }

// sealed is the session id that acme's client of the good token has for a runtime's.
func (b *bundle) sealed(plain string) string {
	return sealedFor(b.acme.Sessions, b.acme.ID, b.acme.Edges[slug].ID, "acc_ada", "cli_1", plain)
}

// sealedFor spells the format out once more: ids that are out there must stay good.
func sealedFor(e *seal.Envelope, tenant, upstream, subject, client, plain string) string {
	return "s" + base64.RawURLEncoding.EncodeToString(e.Seal([]byte(plain), tenant, upstream, subject, client))
}

// request builds a request to acme's MCP URL with a good token.
func (b *bundle) request(method, body string, header ...string) *http.Request {
	return b.requestTo(b.acme, method, body, header...)
}

func (b *bundle) requestTo(tenant *snapshot.Tenant, method, body string, header ...string) *http.Request {
	b.t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(b.context(), method, b.url(), reader)
	require.NoError(b.t, err)
	origin, err := url.Parse(tenant.Issuer)
	require.NoError(b.t, err)
	req.Host = origin.Host
	req.Header.Set("Authorization", "Bearer "+b.token(tenant))
	req.Header.Set("Accept", jsonType+", "+sseType)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", jsonType)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i+1] == "" {
			req.Header.Del(header[i])
		} else {
			req.Header.Set(header[i], header[i+1])
		}
	}
	return req
}

func (b *bundle) context() context.Context { return b.t.Context() }

// client follows nothing and reuses nothing, so that each request shows itself as it is.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// do sends a request and reads the answer to its end.
func (b *bundle) do(req *http.Request) (*http.Response, string) {
	b.t.Helper()
	resp, err := client.Do(req)
	require.NoError(b.t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	require.NoError(b.t, resp.Body.Close())
	return resp, string(body)
}

// raw sends bytes as they are and gives back what comes until the connection ends.
func (b *bundle) raw(text string) string {
	b.t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(b.context(), "tcp", b.server.Listener.Addr().String())
	require.NoError(b.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(b.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, text)
	require.NoError(b.t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(b.t, err)
	return string(answer)
}

// answers is a runtime that gives one answer to everything, and remembers the last request.
type answers struct {
	mu     sync.Mutex
	header http.Header
	status int
	body   string
	seen   []*http.Request
	bodies []string
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	a.mu.Lock()
	a.seen, a.bodies = append(a.seen, r), append(a.bodies, string(body))
	a.mu.Unlock()
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if a.body != "" {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // the edge sees for itself when it is gone
}

func (a *answers) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request{}, a.seen...)
}

func echoPong() *answers {
	return &answers{header: http.Header{"Content-Type": {jsonType}}, body: pong}
}
