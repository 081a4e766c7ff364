package edge_test

import (
	"bufio"
	"context"
	"crypto"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/usage/event"
)

const toolCall = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"}}}`

func TestCall(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	resp, body := b.do(b.request("POST", toolCall, "Mcp-Session-Id", b.sealed("s-1"), "Mcp-Protocol-Version", "2025-11-25"))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, pong, body)
	require.Equal(t, int64(len(pong)), resp.ContentLength)
	require.Equal(t, "nosniff", resp.Header.Get("X-Content-Type-Options"))
	require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))

	seen := runtime.requests()[0]
	require.Equal(t, "/base/mcp?v=1", seen.RequestURI, "path and query of the configured URL")
	require.Equal(t, strings.TrimPrefix(b.upstream.URL, "http://"), seen.Host)
	require.Equal(t, toolCall, runtime.bodies[0])
	require.Equal(t, "s-1", seen.Header.Get("Mcp-Session-Id"))

	all := b.events.list()
	require.Len(t, all, 1)
	e := all[0]
	require.Positive(t, e.Total)
	require.Positive(t, e.Upstream)
	require.LessOrEqual(t, e.Gateway+e.Upstream, e.Total)
	require.Equal(t, resp.Header.Get("X-Request-Id"), e.RequestID)
	require.Equal(t, seen.Header.Get("X-Emcy-Request-Id"), e.RequestID)
	e.Total, e.Upstream, e.Gateway, e.ID, e.RequestID = 0, 0, 0, "", ""
	require.Equal(t, event.Event{
		TenantID: "tnt_a", At: start, Generation: 1, UpstreamID: "ups_acme", ClientID: "cli_1", Subject: "acc_ada", FamilyID: "fam_1",
		HTTPMethod: "POST", Method: "tools/call", Name: "echo", ProtocolVersion: "2025-11-25", Status: 200, Outcome: event.Success, Finished: true,
		RequestBytes: int64(len(toolCall)), ResponseBytes: int64(len(pong)),
	}, e)
}

// TestWorkerContract sends every header that a runtime might believe.
func TestWorkerContract(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	custom := *b.acme.Edges[slug]
	contract := snapshot.DefaultContract
	contract.Secret = "X-Shared-Secret"
	custom.Contract = &contract
	custom.Headers = []snapshot.Header{
		{Name: "x-api-key", Value: secret.New("static-key")},
		{Name: "Authorization", Value: secret.New("Basic static")},
		{Name: "X-Emcy-Subject", Value: secret.New("root")},
		{Name: "Host", Value: secret.New("evil.test")},
		{Name: "Transfer-Encoding", Value: secret.New("chunked")},
	}
	b.publish(func(t *snapshot.Tenant) { t.Edges = map[string]*snapshot.Edge{slug: &custom} })

	const canary = "canary"
	hostile := []string{
		"X-Emcy-Subject", "X-Emcy-Tenant", "X-Emcy-Client", "X-Emcy-Request-Id", "X-Emcy-Assertion", "X-Emcy-Worker-Secret", "X-Emcy-Upstream-Access-Token", "X-Emcy-Other",
		"X_Emcy_Subject", "X-Emcy_subject", "Mcp_Session_Id", "X-Shared-Secret", "X-Api-Key", "Cookie", "Proxy-Authorization", "Proxy-Connection", "Forwarded", "Via",
		"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-User", "X-Forwarded-Email", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip",
		"Cf-Access-Jwt-Assertion", "X-Auth-Request-User", "X-User", "Remote-User", "X-Amzn-Oidc-Data", "X-Original-Url", "X-Rewrite-Url", "X-Http-Method-Override",
		"Referer", "Sec-Fetch-Site", "Sec-Ch-Ua", "Te", "Trailer", "Upgrade", "Keep-Alive", "Idempotency-Key", "If-None-Match", "Range", "Expect-Ct", "Priority",
	}
	req := b.request("POST", ping, "Mcp-Param-Region", "eu", "X-Mcp-Toolsets", "issues", "Last-Event-Id", "4", "User-Agent", "probe/1", "Traceparent", "00-1-2-01", "Accept-Encoding", "gzip, br")
	for _, name := range hostile {
		req.Header[name] = []string{canary}
	}
	req.Header["Mcp-Method"] = []string{"ping"}
	token := strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer ")
	resp, _ := b.do(req)
	require.Equal(t, http.StatusOK, resp.StatusCode)

	got := runtime.requests()[0].Header
	for name, values := range got {
		for _, v := range values {
			require.NotContains(t, v, canary, name)
			require.NotContains(t, v, token, name)
		}
	}
	assertion := got.Get("X-Emcy-Assertion")
	got.Del("X-Emcy-Assertion")
	require.Equal(t, http.Header{
		"Accept": {"application/json, text/event-stream"}, "Content-Type": {jsonType}, "Content-Length": {fmt.Sprint(len(ping))},
		"User-Agent": {"probe/1"}, "Traceparent": {"00-1-2-01"}, "Mcp-Param-Region": {"eu"}, "Mcp-Method": {"ping"}, "X-Mcp-Toolsets": {"issues"},
		"X-Shared-Secret": {sharedKey}, "X-Api-Key": {"static-key"}, "Authorization": {"Basic static"},
		"X-Emcy-Subject": {"acc_ada"}, "X-Emcy-Tenant": {"acme"}, "X-Emcy-Client": {"cli_1"}, "X-Emcy-Request-Id": {resp.Header.Get("X-Request-Id")},
	}, got)
	require.Equal(t, strings.TrimPrefix(b.upstream.URL, "http://"), runtime.requests()[0].Host)

	parsed, err := jwt.ParseSigned(assertion, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	require.Equal(t, "k-acme", parsed.Headers[0].KeyID)
	require.Equal(t, "JWT", parsed.Headers[0].ExtraHeaders[jose.HeaderType])
	var c map[string]any
	require.NoError(t, parsed.Claims(&b.acmeKey.PublicKey, &c))
	require.NotEmpty(t, c["jti"])
	delete(c, "jti")
	require.Equal(t, map[string]any{
		"iss": b.acme.Issuer, "sub": "acc_ada", "client_id": "cli_1", "scope": "mcp offline_access", "aud": b.upstream.URL + "/base/mcp?v=1",
		"iat": float64(start.Unix()), "exp": float64(start.Add(time.Minute).Unix()),
	}, c)
}

// TestConnectionHeader: what it names is dropped, but never one of the gateway's.
func TestConnectionHeader(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	answer := b.raw("POST /crm/mcp HTTP/1.1\r\nHost: " + b.server.Listener.Addr().String() + "\r\nAuthorization: Bearer " + b.token(b.acme) +
		"\r\nContent-Type: application/json\r\nMcp-Param-A: 1\r\nConnection: close, X-Emcy-Subject, mcp-param-a, X-Emcy-Worker-Secret\r\nContent-Length: " + fmt.Sprint(len(ping)) + "\r\n\r\n" + ping)
	require.Contains(t, answer, " 200 OK")
	got := runtime.requests()[0].Header
	require.Equal(t, "acc_ada", got.Get("X-Emcy-Subject"))
	require.Equal(t, sharedKey, got.Get("X-Emcy-Worker-Secret"))
	require.Empty(t, got.Get("Mcp-Param-A"))
	require.Empty(t, got.Get("Connection"))
}

func TestIdentityIsVisibleASCII(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	for subject, want := range map[string]string{
		"Ada L\r\nX-Emcy-Tenant: globex": "Ada%20L%0D%0AX-Emcy-Tenant:%20globex",
		"zoë":                            "zo%C3%AB",
		"zo%C3%AB":                       "zo%25C3%25AB",
	} {
		resp, _ := b.do(b.request("POST", ping, "Authorization", "Bearer "+b.token(b.acme, func(c claims) { c["sub"] = subject })))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		seen := runtime.requests()
		require.Equal(t, []string{want}, seen[len(seen)-1].Header["X-Emcy-Subject"])
		require.Equal(t, "acme", seen[len(seen)-1].Header.Get("X-Emcy-Tenant"))
	}
}

func TestAssertionIsReusedForAWhile(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	token := "Bearer " + b.token(b.acme)
	last := func() string {
		resp, _ := b.do(b.request("POST", ping, "Authorization", token))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		seen := runtime.requests()
		return seen[len(seen)-1].Header.Get("X-Emcy-Assertion")
	}
	first := last()
	b.clock.Advance(29 * time.Second)
	require.Equal(t, first, last())
	b.clock.Advance(time.Second)
	second := last()
	require.NotEqual(t, first, second)

	next := newKey(t)
	b.publish(func(t *snapshot.Tenant) {
		t.Keys = map[string]crypto.PublicKey{"k-acme": &b.acmeKey.PublicKey, "k-next": &next.PublicKey}
		t.Signer = snapshot.Signer{KID: "k-next", Key: next}
	})
	third := last()
	require.NotEqual(t, second, third, "a new signing key")

	moved := *b.acme.Edges[slug]
	elsewhere := *moved.Upstream
	elsewhere.RawQuery = "v=2"
	moved.Upstream = &elsewhere
	b.publish(func(t *snapshot.Tenant) { t.Edges = map[string]*snapshot.Edge{slug: &moved} })
	require.NotEqual(t, third, last(), "another URL")
}

func TestResponseHeaders(t *testing.T) {
	t.Parallel()
	runtime := &answers{body: pong, header: http.Header{
		"Content-Type": {jsonType}, "Mcp-Session-Id": {"s-9"}, "X-Kept": {"1"}, "Vary": {"Accept"},
		"Set-Cookie": {"a=b"}, "Server": {"evil"}, "Access-Control-Allow-Origin": {"*"}, "Access-Control-Allow-Credentials": {"true"}, "Alt-Svc": {"h3"},
		"Strict-Transport-Security": {"max-age=1"}, "Clear-Site-Data": {`"*"`}, "Www-Authenticate": {"Basic"}, "X-Emcy-Subject": {"x"}, "X-Request-Id": {"theirs"},
		"X-Accel-Redirect": {"/internal"}, "Proxy-Authenticate": {"Basic"}, "Cache-Control": {"public, max-age=9"}, "Connection": {"X-Hop, X-Content-Type-Options"}, "X-Hop": {"1"},
	}}
	b := setup(t, runtime)
	id := b.sealed("s-9")
	resp, _ := b.do(b.request("POST", ping, "Origin", b.server.URL, "Mcp-Session-Id", id))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	resp.Header.Del("Date")
	require.NotEqual(t, "theirs", resp.Header.Get("X-Request-Id"))
	resp.Header.Del("X-Request-Id")
	require.Equal(t, http.Header{
		"Content-Type": {jsonType}, "Content-Length": {fmt.Sprint(len(pong))}, "Mcp-Session-Id": {id}, "X-Kept": {"1"}, "Vary": {"Origin", "Accept"},
		"X-Content-Type-Options": {"nosniff"}, "Cache-Control": {"no-store"}, "Access-Control-Allow-Origin": {b.server.URL},
		"Access-Control-Expose-Headers": {"www-authenticate, mcp-session-id, mcp-protocol-version, retry-after, x-request-id"},
	}, resp.Header)

	runtime.header = http.Header{"Content-Type": {"text/html"}, "Cache-Control": {"private, max-age=9"}, "Content-Security-Policy": {"script-src *"}}
	resp, _ = b.do(b.request("GET", ""))
	require.Equal(t, "default-src 'none'; sandbox", resp.Header.Get("Content-Security-Policy"))
	require.Equal(t, "private, max-age=9", resp.Header.Get("Cache-Control"))
}

func TestStatusOfTheRuntime(t *testing.T) {
	t.Parallel()
	const rpcError = `{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"no"}}`
	for _, c := range []struct {
		method, sent  string
		status        int
		header        http.Header
		body          string
		want          int
		contains      string
		outcome       event.Outcome
		reason        string
		upstreamCalls int
	}{
		{"POST", toolCall, 404, http.Header{"Content-Type": {jsonType}}, rpcError, 404, rpcError, event.Rejected, "unknown_session", 1},
		{"POST", toolCall, 400, http.Header{"Content-Type": {jsonType}}, rpcError, 400, rpcError, event.Rejected, "upstream_rejected", 1},
		{"GET", "", 405, http.Header{"Allow": {"POST"}}, "", 405, "", event.Rejected, "method_not_allowed", 1},
		{"DELETE", "", 204, nil, "", 204, "", event.Success, "", 1},
		{"DELETE", "", 200, nil, "", 200, "", event.Success, "", 1},
		{"POST", `{"jsonrpc":"2.0","method":"notifications/initialized"}`, 202, nil, "", 202, "", event.Success, "", 1},
		{"HEAD", "", 200, http.Header{"Content-Type": {sseType}}, "", 200, "", event.Success, "", 1},
		{"POST", toolCall, 503, http.Header{"Content-Type": {"text/plain"}}, "busy", 503, "busy", event.Failure, "upstream_error", 1},
		{"POST", toolCall, 401, http.Header{"Www-Authenticate": {"Bearer"}}, `{"error":"unauthorized"}`, 502, `"id":7,"error":{"code":502,"message":"The runtime answered 401: most likely its worker secret`, event.Failure, "upstream_refused_secret", 1},
		{"POST", toolCall, 403, nil, "", 502, `"id":7,"error":{"code":502,"message":"The runtime answered 403: it refuses`, event.Failure, "upstream_forbidden", 1},
		{"POST", toolCall, 508, http.Header{"Via": {"1.1 somebody-else"}}, "theirs", 508, "theirs", event.Failure, "upstream_error", 1},
		{"POST", toolCall, 201, http.Header{"Content-Type": {jsonType}, "Location": {"http://evil.test/"}}, pong, 201, pong, event.Success, "", 1},
		{"POST", toolCall, 307, http.Header{"Location": {"http://evil.test/"}}, "", 502, `"id":7,"error":{"code":502`, event.Failure, "upstream_redirect", 1},
		{"GET", "", 302, http.Header{"Location": {"/"}}, "", 502, `"id":null,"error":{"code":502`, event.Failure, "upstream_redirect", 1},
		{"POST", toolCall, 407, http.Header{"Proxy-Authenticate": {"Basic"}}, "", 502, `"id":7`, event.Failure, "upstream_unexpected_status", 1},
	} {
		t.Run(fmt.Sprint(c.method, c.status), func(t *testing.T) {
			t.Parallel()
			runtime := &answers{status: c.status, header: c.header, body: c.body}
			b := setup(t, runtime)
			resp, body := b.do(b.request(c.method, c.sent, "Mcp-Session-Id", map[bool]string{true: b.sealed("s-1")}[c.status == 404]))
			require.Equal(t, c.want, resp.StatusCode)
			require.Contains(t, body, c.contains)
			require.Empty(t, resp.Header.Get("Location"))
			require.Empty(t, resp.Header.Get("WWW-Authenticate"))
			require.NotContains(t, body, "evil")
			if c.want == 405 {
				require.Equal(t, "POST", resp.Header.Get("Allow"))
			}
			require.Len(t, runtime.requests(), c.upstreamCalls)
			all := b.events.list()
			require.Len(t, all, 1)
			require.Equal(t, c.want, all[0].Status)
			require.Equal(t, c.outcome, all[0].Outcome)
			require.Equal(t, c.reason, all[0].Reason)
			require.True(t, all[0].Finished)
		})
	}
}

func TestRuntimeThatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	dead := listener.Addr().String()
	require.NoError(t, listener.Close())
	for name, host := range map[string]string{"closed port": dead, "closed address": "169.254.169.254", "no such name": "nowhere.invalid"} {
		gone := *b.acme.Edges[slug]
		gone.Upstream = &url.URL{Scheme: "http", Host: host, Path: "/mcp"}
		b.publish(func(t *snapshot.Tenant) { t.Edges = map[string]*snapshot.Edge{slug: &gone} })
		resp, body := b.do(b.request("POST", toolCall))
		require.Equal(t, http.StatusBadGateway, resp.StatusCode, name)
		require.Contains(t, body, `"id":7,"error":{"code":502,"message":"The runtime cannot be reached`, name)
		require.NotContains(t, body, host, name)
		last := b.events.list()[len(b.events.list())-1]
		require.Equal(t, "upstream_unreachable", last.Reason, name)
		require.Equal(t, event.Failure, last.Outcome, name)
	}
}

func TestRuntimeWithoutHeadersInTime(t *testing.T) {
	t.Parallel()
	cancelled := make(chan struct{})
	b := setup(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the disconnect is seen only after the body
		<-r.Context().Done()
		close(cancelled)
	}), func(c *edge.Config) { c.Limits.HeaderTime = 500 * time.Millisecond })
	resp, body := b.do(b.request("POST", toolCall))
	require.Equal(t, http.StatusGatewayTimeout, resp.StatusCode)
	require.Contains(t, body, `"id":7,"error":{"code":504`)
	require.Equal(t, "upstream_timeout", b.events.list()[0].Reason)
	<-cancelled
}

func TestRuntimeThatBreaksOff(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	b := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		switch r.Header.Get("Mcp-Param-How") {
		case "well":
			w.Header().Set("Content-Length", strconv.Itoa(len(pong)))
			_, _ = io.WriteString(w, pong)
			return
		case "at once":
			panic(http.ErrAbortHandler)
		case "length":
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "{")
		case "stream":
			w.Header().Set("Content-Type", sseType)
			_, _ = io.WriteString(w, "data: 1\n\n")
		}
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	for i, how := range []string{"well", "at once", "well", "length"} {
		resp, body := b.do(b.request("POST", toolCall, "Mcp-Param-How", how))
		if i%2 == 0 { // leaves a connection that the next call takes and finds broken
			require.Equal(t, http.StatusOK, resp.StatusCode)
			continue
		}
		require.Equal(t, http.StatusBadGateway, resp.StatusCode, how)
		require.Contains(t, body, `"id":7,"error":{"code":502`, how)
		last := b.events.list()[len(b.events.list())-1]
		require.Equal(t, "upstream_aborted", last.Reason, how)
	}
	resp, err := client.Do(b.request("POST", toolCall, "Mcp-Param-How", "stream"))
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err, "a broken stream must not look like a finished one")
	require.NoError(t, resp.Body.Close())
	all := b.events.wait(t, 6)
	require.Equal(t, "upstream_aborted", all[5].Reason)
	require.Equal(t, event.Failure, all[5].Outcome)
	require.Equal(t, int32(5), calls.Load(), "nothing is sent twice")
}

// TestRecordedBeforeTheAnswerLeaves holds the recorder and sees that the answer waits.
func TestRecordedBeforeTheAnswerLeaves(t *testing.T) {
	t.Parallel()
	held := &heldRecorder{entered: make(chan event.Event), release: make(chan struct{})}
	for name, runtime := range map[string]*answers{
		"small": echoPong(),
		"large": {header: http.Header{"Content-Type": {jsonType}}, body: `"` + strings.Repeat("a", 100_000) + `"`},
		"empty": {status: http.StatusAccepted},
	} {
		b := setup(t, runtime, func(c *edge.Config) { c.Recorder = held })
		answered := make(chan string, 1)
		req := b.request("POST", ping)
		go func() {
			resp, err := client.Do(req)
			if err != nil {
				answered <- err.Error()
				return
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			answered <- fmt.Sprint(len(body), err)
		}()
		e := <-held.entered
		require.Equal(t, event.Success, e.Outcome, name)
		require.Equal(t, int64(len(runtime.body)), e.ResponseBytes, name)
		select {
		case got := <-answered:
			t.Fatalf("%s: the answer was complete before it was recorded: %s", name, got)
		default:
		}
		held.release <- struct{}{}
		require.Equal(t, fmt.Sprint(len(runtime.body), nil), <-answered, name)
	}
}

type heldRecorder struct {
	entered chan event.Event
	release chan struct{}
}

func (h *heldRecorder) Record(e event.Event) {
	h.entered <- e
	<-h.release
}

func TestLargeAnswer(t *testing.T) {
	t.Parallel()
	big := `{"jsonrpc":"2.0","id":7,"result":"` + strings.Repeat("0123456789", 200_000) + `"}`
	b := setup(t, &answers{header: http.Header{"Content-Type": {jsonType}}, body: big})
	_, body := b.do(b.request("POST", toolCall))
	require.Equal(t, big, body)
	require.Equal(t, int64(len(big)), b.events.list()[0].ResponseBytes)
}

// TestTwoTenantsWithTheSameIDs calls both tenants at once with equal JSON-RPC ids
// and equal tokens' subjects; each answer carries what its runtime was told.
func TestTwoTenantsWithTheSameIDs(t *testing.T) {
	t.Parallel()
	b := setup(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = fmt.Fprintf(w, `{"jsonrpc":"2.0","id":7,"result":%q}`, r.Header.Get("X-Emcy-Tenant")+"/"+r.Header.Get("X-Emcy-Subject"))
	}))
	pooled := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(pooled.CloseIdleConnections)
	var wg sync.WaitGroup
	for _, tenant := range []*snapshot.Tenant{b.acme, b.globex} {
		for i := range 4 {
			subject := fmt.Sprintf("acc_%d", i)
			token := "Bearer " + b.token(tenant, func(c claims) { c["sub"] = subject })
			requests := make([]*http.Request, 50)
			for j := range requests {
				requests[j] = b.requestTo(tenant, "POST", toolCall, "Authorization", token)
			}
			wg.Go(func() {
				for _, req := range requests {
					resp, err := pooled.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					var answer struct{ Result string }
					if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.Result != tenant.Slug+"/"+subject {
						t.Errorf("%s got %q, %v", tenant.Slug, answer.Result, err)
					}
					_ = resp.Body.Close()
				}
			})
		}
	}
	wg.Wait()
	for _, e := range b.events.list() {
		require.Equal(t, map[string]string{"tnt_a": "ups_acme", "tnt_b": "ups_globex"}[e.TenantID], e.UpstreamID)
	}
}

func TestDisconnectCancelsTheCall(t *testing.T) {
	t.Parallel()
	began, cancelled := make(chan struct{}), make(chan struct{})
	b := setup(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(began)
		<-r.Context().Done()
		close(cancelled)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	req := b.request("POST", toolCall).WithContext(ctx)
	go func() { <-began; cancel() }()
	_, err := client.Do(req)
	require.ErrorIs(t, err, context.Canceled)
	<-cancelled
	e := b.events.wait(t, 1)[0]
	require.Equal(t, event.Cancelled, e.Outcome)
	require.Equal(t, 499, e.Status)
}

// lines reads a stream line by line.
func lines(t *testing.T, r io.Reader) func() string {
	t.Helper()
	reader := bufio.NewReader(r)
	return func() string {
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		return strings.TrimSuffix(line, "\n")
	}
}
