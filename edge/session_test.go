package edge_test

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/test/fakes/upstream"
	"github.com/emcy/gateway/usage/event"
)

const (
	initialize = `{"jsonrpc":"2.0","id":"i-1","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	modernPing = `{"jsonrpc":"2.0","id":"q-1","method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`
	theirs     = "0f2a-runtime-session"
)

// sessions is a runtime that mints one session id and tells what it was sent.
func sessions(id ...string) *answers {
	return &answers{header: http.Header{"Content-Type": {jsonType}, "Mcp-Session-Id": id}, body: pong}
}

func (a *answers) last() http.Header {
	seen := a.requests()
	return seen[len(seen)-1].Header
}

func (b *bundle) tokenOf(changes ...func(claims)) string {
	return "Bearer " + b.token(b.acme, changes...)
}

func set(name string, value any) func(claims) { return func(c claims) { c[name] = value } }

func TestSession(t *testing.T) {
	t.Parallel()
	runtime := sessions(theirs)
	b := setup(t, runtime)
	resp, body := b.do(b.request("POST", initialize))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, pong, body)
	id := resp.Header.Get("Mcp-Session-Id")
	require.NotContains(t, id, theirs)
	require.Len(t, resp.Header.Values("Mcp-Session-Id"), 1)
	raw, err := base64.RawURLEncoding.DecodeString(id[1:])
	require.NoError(t, err)
	require.NotContains(t, string(raw), theirs)
	require.Empty(t, runtime.last().Values("Mcp-Session-Id"))

	for _, method := range []string{"POST", "GET", "HEAD", "DELETE"} {
		sent := map[string]string{"POST": ping}[method]
		for range 2 {
			resp, _ = b.do(b.request(method, sent, "Mcp-Session-Id", id, "Last-Event-Id", "41"))
			require.Equal(t, http.StatusOK, resp.StatusCode, method)
			require.Equal(t, []string{theirs}, runtime.last().Values("Mcp-Session-Id"), method)
			require.Equal(t, "41", runtime.last().Get("Last-Event-Id"), method)
			require.Equal(t, []string{id}, resp.Header.Values("Mcp-Session-Id"), "the id that the client knows stays the same")
		}
	}

	again, _ := b.do(b.request("POST", initialize))
	require.NotEqual(t, id, again.Header.Get("Mcp-Session-Id"), "no two are alike")
	resp, _ = b.do(b.request("POST", ping, "Mcp-Session-Id", again.Header.Get("Mcp-Session-Id")))
	require.Equal(t, http.StatusOK, resp.StatusCode)

	runtime.header["Mcp-Session-Id"] = []string{"another"}
	resp, _ = b.do(b.request("POST", ping, "Mcp-Session-Id", id))
	require.Equal(t, theirs, runtime.last().Get("Mcp-Session-Id"))
	moved := resp.Header.Get("Mcp-Session-Id")
	require.NotContains(t, []string{id, again.Header.Get("Mcp-Session-Id")}, moved)
	resp, _ = b.do(b.request("POST", ping, "Mcp-Session-Id", moved))
	require.Equal(t, []string{moved}, resp.Header.Values("Mcp-Session-Id"))
	require.Equal(t, "another", runtime.last().Get("Mcp-Session-Id"), "a runtime may change its mind")

	delete(runtime.header, "Mcp-Session-Id")
	resp, _ = b.do(b.request("POST", ping, "Mcp-Session-Id", id))
	require.Empty(t, resp.Header.Values("Mcp-Session-Id"), "what the runtime does not say is not said")
	runtime.header["Mcp-Session-Id"] = []string{""}
	resp, _ = b.do(b.request("POST", ping, "Mcp-Session-Id", ""))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, resp.Header.Values("Mcp-Session-Id"))
}

// TestForeignSession is security.md's row D7: a session opens for nobody else, and
// what does not open looks like what never was.
func TestForeignSession(t *testing.T) {
	t.Parallel()
	runtime := sessions(theirs)
	b := setup(t, runtime)
	second := *b.acme.Edges[slug]
	second.Slug, second.ID, second.Resource = "billing", "ups_billing", b.server.URL+"/billing/mcp"
	b.publish(func(t *snapshot.Tenant) {
		t.Edges = map[string]*snapshot.Edge{slug: b.acme.Edges[slug], "billing": &second}
	})
	both := set("aud", []string{b.url(), second.Resource})
	resp, _ := b.do(b.request("POST", initialize, "Authorization", b.tokenOf(both)))
	id := resp.Header.Get("Mcp-Session-Id")
	require.NotEmpty(t, id)
	before := len(runtime.requests())
	flipped := func(i int) string {
		raw := []byte(id)
		raw[i] = map[bool]byte{true: 'B', false: 'A'}[raw[i] == 'A']
		return string(raw)
	}

	type attempt struct {
		tenant *snapshot.Tenant
		token  string
		slug   string
		ids    []string
	}
	mine := b.tokenOf(both)
	cases := map[string]attempt{
		"other user":                 {b.acme, b.tokenOf(set("sub", "acc_eve")), slug, []string{id}},
		"other client":               {b.acme, b.tokenOf(set("client_id", "cli_2")), slug, []string{id}},
		"other runtime":              {b.acme, mine, "billing", []string{id}},
		"other tenant":               {b.globex, "Bearer " + b.token(b.globex), slug, []string{id}},
		"parts pushed together":      {b.acme, b.tokenOf(set("sub", "acc_adac"), set("client_id", "li_1")), slug, []string{id}},
		"the runtime's own id":       {b.acme, mine, slug, []string{theirs}},
		"unknown":                    {b.acme, mine, slug, []string{"5f1e7a52-9d7b-4b52-8a3c-1d2f3e4a5b6c"}},
		"format of another release":  {b.acme, mine, slug, []string{"t" + id[1:]}},
		"without its first letter":   {b.acme, mine, slug, []string{id[1:]}},
		"cut":                        {b.acme, mine, slug, []string{id[:len(id)-1]}},
		"longer":                     {b.acme, mine, slug, []string{id + "A"}},
		"padded":                     {b.acme, mine, slug, []string{id + "="}},
		"two in one":                 {b.acme, mine, slug, []string{id + ", " + id}},
		"twice":                      {b.acme, mine, slug, []string{id, id}},
		"other case":                 {b.acme, mine, slug, []string{strings.ToUpper(id)}},
		"far too long":               {b.acme, mine, slug, []string{"s" + strings.Repeat("A", 8<<10)}},
		"keys of another tenant":     {b.acme, mine, slug, []string{sealedFor(b.globex.Sessions, "tnt_a", "ups_acme", "acc_ada", "cli_1", theirs)}},
		"keys of an unknown version": {b.acme, mine, slug, []string{sealedFor(envelope(t, "tnt_a", 2), "tnt_a", "ups_acme", "acc_ada", "cli_1", theirs)}},
	}
	for _, i := range []int{1, 3, 6, 12, 40, 50, len(id) - 2} {
		cases["changed at "+string(rune('a'+i))] = attempt{b.acme, mine, slug, []string{flipped(i)}}
	}
	bodies := map[string]struct{}{}
	for name, c := range cases {
		for _, method := range []string{"POST", "GET", "HEAD", "DELETE"} {
			req := b.requestTo(c.tenant, method, map[string]string{"POST": toolCall}[method], "Authorization", c.token, "Last-Event-Id", "41")
			req.URL.Path = "/" + c.slug + "/mcp"
			req.Header["Mcp-Session-Id"] = c.ids
			resp, body := b.do(req)
			require.Equal(t, http.StatusNotFound, resp.StatusCode, "%s %s", name, method)
			require.Equal(t, jsonType, resp.Header.Get("Content-Type"))
			require.Empty(t, resp.Header.Values("Mcp-Session-Id"))
			last := b.events.list()[len(b.events.list())-1]
			require.Equal(t, "unknown_session", last.Reason, "%s %s", name, method)
			require.Equal(t, event.Rejected, last.Outcome)
			if method == "POST" {
				require.Contains(t, body, `{"jsonrpc":"2.0","id":7,"error":{"code":404,`)
				bodies[body] = struct{}{}
			}
		}
	}
	require.Len(t, bodies, 1, "foreign, changed and unknown are one answer")
	require.Len(t, runtime.requests(), before, "the runtime saw none of it")

	req := b.request("POST", ping, "Authorization", mine, "Mcp-Session-Id", id)
	resp, _ = b.do(req)
	require.Equal(t, http.StatusOK, resp.StatusCode, "it is still its owner's")
}

// TestForeignSessionOnACachedToken: what is kept with a token for one runtime is not
// taken for another's.
func TestForeignSessionOnACachedToken(t *testing.T) {
	t.Parallel()
	runtime := sessions(theirs)
	b := setup(t, runtime)
	second := *b.acme.Edges[slug]
	second.Slug, second.ID, second.Resource = "billing", "ups_billing", b.server.URL+"/billing/mcp"
	b.publish(func(t *snapshot.Tenant) {
		t.Edges = map[string]*snapshot.Edge{slug: b.acme.Edges[slug], "billing": &second}
	})
	token := b.tokenOf(set("aud", []string{b.url(), second.Resource}))
	id := b.sealed(theirs)
	for _, c := range []struct {
		slug   string
		status int
	}{{slug, 200}, {"billing", 404}, {slug, 200}} {
		req := b.request("POST", ping, "Authorization", token, "Mcp-Session-Id", id)
		req.URL.Path = "/" + c.slug + "/mcp"
		resp, _ := b.do(req)
		require.Equal(t, c.status, resp.StatusCode)
	}
	b.publish(func(t *snapshot.Tenant) { t.Sessions = envelope(b.t, "tnt_a", 2) })
	resp, _ := b.do(b.request("POST", ping, "Authorization", token, "Mcp-Session-Id", id))
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "a key that is gone opens nothing, remembered or not")
}

// TestSessionOutlivesItsToken is complaint 31: a refreshed token has the session of
// the one before.
func TestSessionOutlivesItsToken(t *testing.T) {
	t.Parallel()
	runtime := sessions(theirs)
	b := setup(t, runtime)
	resp, _ := b.do(b.request("POST", initialize))
	id := resp.Header.Get("Mcp-Session-Id")
	b.clock.Advance(2 * time.Hour)
	resp, _ = b.do(b.request("POST", ping, "Mcp-Session-Id", id, "Authorization", b.tokenOf(set("jti", "jti_2"), set("fid", "fam_2"), set("scope", "mcp"))))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, theirs, runtime.last().Get("Mcp-Session-Id"))
}

// TestSessionInAnotherProcess: another edge that has nothing but the tenant's data
// key, as after a restart, knows the session; so it does after the key was rotated.
func TestSessionInAnotherProcess(t *testing.T) {
	t.Parallel()
	runtime := sessions(theirs)
	a := setup(t, runtime)
	resp, _ := a.do(a.request("POST", initialize))
	id := resp.Header.Get("Mcp-Session-Id")
	a.front.Stop()

	next := snapshot.NewStore()
	tenant := *a.acme
	tenant.Sessions = envelope(t, "tnt_a", 2, 1)
	next.Replace(start, []*snapshot.Tenant{&tenant})
	front, err := edge.New(edge.Config{
		Snapshots: next, Auth: func(http.ResponseWriter, *http.Request, *snapshot.Tenant) {}, Recorder: a.events, Clock: a.clock, Log: quiet,
		Transport: outbound.New(outbound.Config{AllowPrivate: true}).Relay(outbound.TransportOptions{}),
	})
	require.NoError(t, err)
	send := func(body, id string) (int, string) {
		req := a.request("POST", body, "Mcp-Session-Id", id)
		req.RequestURI, req.URL = "/crm/mcp", &url.URL{Path: "/crm/mcp"}
		w := newRecorder()
		front.Handler("http").ServeHTTP(w, req)
		return w.status, w.header.Get("Mcp-Session-Id")
	}
	status, echoed := send(ping, id)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, id, echoed)
	require.Equal(t, theirs, runtime.last().Get("Mcp-Session-Id"))

	_, fresh := send(initialize, "")
	raw, err := base64.RawURLEncoding.DecodeString(fresh[1:])
	require.NoError(t, err)
	require.Equal(t, []byte{1, 0, 0, 0, 2}, raw[:5], "sealed with the newest key")
	status, _ = send(ping, fresh)
	require.Equal(t, http.StatusOK, status)
}

func newRecorder() *statusOnly { return &statusOnly{header: http.Header{}} }

// TestRuntimesBadSession: an id that cannot be a session's is the runtime's fault.
func TestRuntimesBadSession(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ids  []string
		want string
	}{
		"longest":     {[]string{strings.Repeat("x", 1024)}, ""},
		"every kind":  {[]string{"!~\"',:;<>%"}, ""},
		"too long":    {[]string{strings.Repeat("x", 1025)}, "longer than 1,024"},
		"space":       {[]string{"a b"}, "visible ASCII"},
		"not ASCII":   {[]string{"s\u00e9ance"}, "visible ASCII"},
		"two of them": {[]string{"one-1", "two-2"}, "more than one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runtime := sessions(c.ids...)
			b := setup(t, runtime)
			resp, body := b.do(b.request("POST", initialize))
			if c.want == "" {
				require.Equal(t, http.StatusOK, resp.StatusCode)
				id := resp.Header.Get("Mcp-Session-Id")
				resp, _ = b.do(b.request("POST", ping, "Mcp-Session-Id", id))
				require.Equal(t, http.StatusOK, resp.StatusCode)
				require.Equal(t, c.ids, runtime.last().Values("Mcp-Session-Id"))
				return
			}
			require.Equal(t, http.StatusBadGateway, resp.StatusCode)
			require.Contains(t, body, `"id":"i-1","error":{"code":502,`)
			require.Contains(t, body, c.want)
			require.Empty(t, resp.Header.Values("Mcp-Session-Id"))
			require.NotContains(t, body, c.ids[0])
			require.Equal(t, "upstream_bad_session", b.events.list()[0].Reason)
		})
	}
}

// TestTenantWithoutKeys: where nothing can be sealed, the runtime's id stays here.
func TestTenantWithoutKeys(t *testing.T) {
	t.Parallel()
	runtime := sessions(theirs)
	b := setup(t, runtime)
	id := b.sealed(theirs)
	b.publish(func(t *snapshot.Tenant) { t.Sessions = nil })
	resp, body := b.do(b.request("POST", initialize))
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Contains(t, body, `"id":"i-1"`)
	require.Empty(t, resp.Header.Values("Mcp-Session-Id"))
	require.Equal(t, "gateway_error", b.events.list()[0].Reason)
	resp, _ = b.do(b.request("POST", ping, "Mcp-Session-Id", id))
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

// TestModernRequestsHaveNoSession: since 2026-07-28 ids of sessions and events are
// ignored, and none is handed out (Streamable HTTP of that version).
func TestModernRequestsHaveNoSession(t *testing.T) {
	t.Parallel()
	runtime := sessions(theirs)
	b := setup(t, runtime)
	for name, c := range map[string]struct {
		method, body string
		header       []string
	}{
		"by its body":           {"POST", modernPing, []string{"Mcp-Method", "ping"}},
		"by its header":         {"POST", ping, []string{"Mcp-Method", "ping"}},
		"answer by its header":  {"POST", `{"jsonrpc":"2.0","id":1,"result":{}}`, nil},
		"stream by its header":  {"GET", "", nil},
		"a version yet to come": {"GET", "", []string{"Mcp-Protocol-Version", "2027-01-01"}},
	} {
		for _, id := range []string{"", b.sealed(theirs), "made-up"} {
			resp, _ := b.do(b.request(c.method, c.body, append([]string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Session-Id", id, "Last-Event-Id", "41"}, c.header...)...))
			require.Equal(t, http.StatusOK, resp.StatusCode, name)
			require.Empty(t, runtime.last().Values("Mcp-Session-Id"), name)
			require.Empty(t, runtime.last().Values("Last-Event-Id"), name)
			require.Empty(t, resp.Header.Values("Mcp-Session-Id"), name)
		}
	}
	resp, _ := b.do(b.request("POST", initialize, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "initialize"))
	require.NotEmpty(t, resp.Header.Get("Mcp-Session-Id"), "initialize is of the older versions, whatever it asks for")
}

// TestEventIDWithoutSession is security.md's row D8: it would be looked up among
// everybody's streams.
func TestEventIDWithoutSession(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	for _, method := range []string{"GET", "POST"} {
		resp, _ := b.do(b.request(method, map[string]string{"POST": ping}[method], "Last-Event-Id", "41"))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Empty(t, runtime.last().Values("Last-Event-Id"), method)
	}
}

// TestParallelSessionsOfOneToken: a hosted client has one token for many
// conversations; none gets another's session.
func TestParallelSessionsOfOneToken(t *testing.T) {
	t.Parallel()
	runtime := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":7,"result":{"session":"`+r.Header.Get("Mcp-Session-Id")+`"}}`)
	})
	b := setup(t, runtime)
	token := b.tokenOf()
	var group sync.WaitGroup
	for i := range 8 {
		plain := strings.Repeat(string(rune('a'+i)), 36)
		id := b.sealed(plain)
		group.Go(func() {
			for range 50 {
				req := b.request("POST", toolCall, "Authorization", token, "Mcp-Session-Id", id)
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || !strings.Contains(string(body), plain) {
					t.Error(string(body), err)
					return
				}
			}
		})
	}
	group.Wait()
}

// TestOfficialClientAfterARestart: the official Go client goes on in its session when
// the edge that it began with is gone and its token was refreshed.
func TestOfficialClientAfterARestart(t *testing.T) {
	t.Parallel()
	runtime := upstream.Start(upstream.Config{Secrets: []string{sharedKey}})
	t.Cleanup(runtime.Close)
	target, err := url.Parse(runtime.URL())
	require.NoError(t, err)
	open := func() *bundle {
		b := setup(t, echoPong())
		real := *b.acme.Edges[slug]
		real.Upstream = target
		b.publish(func(t *snapshot.Tenant) { t.Edges = map[string]*snapshot.Edge{slug: &real} })
		return b
	}
	first, second := open(), open()
	way := &switching{}
	way.to(first)
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: first.url(), HTTPClient: &http.Client{Transport: way}, DisableStandaloneSSE: true,
	}, nil)
	require.NoError(t, err)
	call := func() {
		result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"text": "hello"}})
		require.NoError(t, err)
		require.False(t, result.IsError)
	}
	call()
	way.to(second)
	call()
	require.Equal(t, []string{"hello", "hello"}, runtime.Calls())
	require.NotContains(t, second.methods(), "initialize", "it did not have to begin anew")
	require.Contains(t, second.methods(), "tools/call")
}

func (b *bundle) methods() []string {
	var out []string
	for _, e := range b.events.list() {
		out = append(out, e.Method)
	}
	return out
}

// switching leads a client to one edge or another, with a new token of each.
type switching struct {
	mu    sync.Mutex
	host  string
	token string
}

func (s *switching) to(b *bundle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host, s.token = b.server.Listener.Addr().String(), b.tokenOf()
}

func (s *switching) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r = r.Clone(r.Context())
	r.URL.Host, r.Host = s.host, s.host
	r.Header.Set("Authorization", s.token)
	return http.DefaultTransport.RoundTrip(r)
}
