package probe

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/stretchr/testify/require"
)

func TestModernServer(t *testing.T) {
	t.Parallel()
	f := newFake(t, guarded(modern(oneTool)))
	r := probeTarget(t, Target{URL: f.URL + "/mcp", Secret: testSecret, Headers: map[string]string{"x-api-key": "key-canary-1"}})
	require.Equal(t, StateReady, r.State, "%+v", r.Steps)
	require.Equal(t, EraModern, r.Era)
	require.Equal(t, "fake", r.ServerName)
	require.Equal(t, "3", r.ServerVersion)
	require.Equal(t, []string{"tools"}, r.Capabilities)
	require.False(t, r.OpenWithoutSecret)
	require.Empty(t, r.Warnings)
	requireStep(t, r, StepTools, StatusOK, "1 tool listed")
	requireStep(t, r, StepWithoutSecret, StatusOK, "refuses")
	require.Len(t, r.Tools, 1)
	require.Equal(t, "Echo", r.Tools[0].Title)
	require.True(t, *r.Tools[0].Annotations.ReadOnly)
	require.Nil(t, r.Tools[0].Annotations.Destructive)
	require.Empty(t, f.requests("initialize"))
	require.Empty(t, f.requests("DELETE"))

	discovers := f.requests("server/discover")
	require.Len(t, discovers, 3+samples, "the probe, a wrong secret, a stranger, and the latency")
	first := discovers[0]
	require.Equal(t, testSecret, first.Header.Get(DefaultSecretHeader))
	require.Equal(t, "key-canary-1", first.Header.Get("X-Api-Key"))
	require.Equal(t, "2026-07-28", first.Header.Get("Mcp-Protocol-Version"))
	require.Equal(t, "server/discover", first.Header.Get("Mcp-Method"))
	require.Equal(t, "application/json, text/event-stream", first.Header.Get("Accept"))
	meta, _ := first.Params["_meta"].(map[string]any)
	require.Equal(t, "2026-07-28", meta["io.modelcontextprotocol/protocolVersion"])
	require.Equal(t, map[string]any{"name": "emcy-gateway-probe", "version": "test"}, meta["io.modelcontextprotocol/clientInfo"])
	require.NotNil(t, meta["io.modelcontextprotocol/clientCapabilities"])
	wrong := discovers[1].Header.Get(DefaultSecretHeader)
	require.NotEmpty(t, wrong)
	require.NotEqual(t, testSecret, wrong)
	require.Equal(t, "key-canary-1", discovers[1].Header.Get("X-Api-Key"), "the secret alone is wrong")
	require.Empty(t, discovers[2].Header.Get(DefaultSecretHeader), "a stranger has no secret")
	require.Empty(t, discovers[2].Header.Get("X-Api-Key"), "and no key")
	for name, status := range map[string]Status{
		StepAddress: StatusOK, StepDNS: StatusSkip, StepConnect: StatusOK, StepTLS: StatusSkip, StepDiscover: StatusOK, StepInitialize: StatusSkip,
		StepTools: StatusOK, StepPrompts: StatusSkip, StepResources: StatusSkip, StepWithSecret: StatusOK, StepWrongSecret: StatusOK,
		StepWithoutSecret: StatusOK, StepOwnAuth: StatusOK, StepLatency: StatusOK,
	} {
		s, found := r.Step(name)
		require.True(t, found, name)
		require.Equal(t, status, s.Status, "%s: %s", name, s.Words)
	}
}

// legacy answers as a session server that speaks in event streams.
func legacy(w http.ResponseWriter, r *http.Request, a asked) {
	stream := func(message string) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		_, _ = fmt.Fprintf(w, ": hello\r\n\r\nid: 1\r\nretry: 10\r\ndata:\r\n\r\nevent: message\r\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":%v,\r\ndata: \"result\":%s}\r\n\r\n", a.ID, message)
	}
	switch {
	case a.HTTP == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case a.Method == "initialize":
		w.Header().Set("Mcp-Session-Id", "session-1")
		stream(`{"protocolVersion":"2025-06-18","capabilities":{"tools":{},"logging":{}},"serverInfo":{"name":"old","version":"1"}}`)
	case r.Header.Get("Mcp-Session-Id") != "session-1":
		http.Error(w, `{"jsonrpc":"2.0","id":"server-error","error":{"code":-32000,"message":"Bad Request: Server not initialized"}}`, http.StatusBadRequest)
	case a.Method == "notifications/initialized":
		w.WriteHeader(http.StatusAccepted)
	case a.Method == "ping":
		stream(`{}`)
	case a.Method == "tools/list" && a.Params["cursor"] == nil:
		stream(`{"tools":[{"name":"a","description":"A","inputSchema":{"type":"object"}}],"nextCursor":"p2"}`)
	case a.Method == "tools/list":
		stream(`{"tools":[{"name":"b","description":"B","inputSchema":{"type":"object"}}]}`)
	}
}

func TestLegacySessionServer(t *testing.T) {
	t.Parallel()
	f := newFake(t, legacy)
	r := probeURL(t, f.URL+"/mcp")
	require.Equal(t, StateReady, r.State, "%+v", r.Steps)
	require.Equal(t, EraLegacy, r.Era)
	require.Equal(t, "2025-06-18", r.ProtocolVersion)
	require.True(t, r.Sessions)
	require.Equal(t, []string{"logging", "tools"}, r.Capabilities)
	require.Len(t, r.Tools, 2)
	require.True(t, r.OpenWithoutSecret)
	require.Equal(t, []string{WarnSessions, WarnOpen}, codes(r.Warnings))
	require.Len(t, f.requests("notifications/initialized"), 3)
	require.Len(t, f.requests("ping"), samples)
	deleted := f.requests("DELETE")
	require.Len(t, deleted, 3, "the probe's session, the one with a wrong secret, and the stranger's")
	for _, d := range deleted {
		require.Equal(t, "session-1", d.Header.Get("Mcp-Session-Id"))
		require.Equal(t, "2025-06-18", d.Header.Get("Mcp-Protocol-Version"))
	}
	require.Equal(t, testSecret, deleted[0].Header.Get(DefaultSecretHeader))
	for _, list := range f.requests("tools/list") {
		require.Empty(t, list.Header.Get("Mcp-Method"))
	}
}

func TestSecretStates(t *testing.T) {
	t.Parallel()
	t.Run("waiting for the secret", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, guarded(modern(oneTool)))
		r := probeTarget(t, Target{URL: f.URL + "/mcp", Secret: "another-secret"})
		require.Equal(t, StateWaiting, r.State)
		requireStep(t, r, StepWithSecret, StatusFail, "401 although the worker secret was sent")
		s, _ := r.Step(StepWithSecret)
		require.Contains(t, s.Next, "EMCY_WORKER_SHARED_SECRET")
		require.Len(t, f.requests("POST"), 1)
	})
	t.Run("renamed header", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, func(w http.ResponseWriter, r *http.Request, a asked) {
			if r.Header.Get("X-Own") != testSecret {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			modern(oneTool)(w, r, a)
		})
		r := probeTarget(t, Target{URL: f.URL, Secret: testSecret, SecretHeader: "X-Own"})
		require.Equal(t, StateReady, r.State, "%+v", r.Steps)
		require.False(t, r.OpenWithoutSecret)
	})
	t.Run("only the list is guarded", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, func(w http.ResponseWriter, r *http.Request, a asked) {
			if a.Method == "tools/list" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			modern(oneTool)(w, r, a)
		})
		r := probeURL(t, f.URL)
		require.Equal(t, StateWaiting, r.State)
		requireStep(t, r, StepTools, StatusFail, "401")
	})
	t.Run("its own authorization", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, func(w http.ResponseWriter, _ *http.Request, _ asked) {
			w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="https://canary.example/.well-known/oauth-protected-resource"`)
			w.WriteHeader(http.StatusUnauthorized)
		})
		r := probeURL(t, f.URL)
		require.Equal(t, StateWaiting, r.State)
		require.Equal(t, []string{WarnOwnAuth}, codes(r.Warnings))
		requireStep(t, r, StepWithSecret, StatusFail, "authorization server of its own")
		requireStep(t, r, StepOwnAuth, StatusWarn, "resource_metadata")
	})
	t.Run("no secret to send", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, modern(oneTool))
		r := probeTarget(t, Target{URL: f.URL})
		require.Equal(t, StateReady, r.State)
		require.True(t, r.OpenWithoutSecret)
		requireStep(t, r, StepWithSecret, StatusSkip, "no worker secret")
		requireStep(t, r, StepWrongSecret, StatusSkip, "no worker secret")
	})
	t.Run("adapter without its environment", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, func(w http.ResponseWriter, _ *http.Request, _ asked) {
			http.Error(w, "canary", http.StatusInternalServerError)
		})
		r := probeURL(t, f.URL)
		require.Equal(t, StateError, r.State)
		requireStep(t, r, stepOpening, StatusFail, "status 500")
		s, _ := opened(r)
		require.Contains(t, s.Next, "EMCY_WORKER_SHARED_SECRET")
	})
}

func TestRefusedURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "nonsense", "ftp://localhost/", "http://u:p@localhost/", "http://169.254.169.254/latest", "http://localhost:1/#x", "http://\u202elocalhost/"} {
		r := probeURL(t, url)
		require.Equal(t, StateError, r.State, url)
		requireStep(t, r, StepAddress, StatusFail, "refused")
		require.Len(t, r.Steps, 1)
	}
	r := checked(t, New(Config{}).Probe(t.Context(), Target{URL: "http://localhost:1/"}))
	requireStep(t, r, StepAddress, StatusFail, "only https")
	r = checked(t, New(Config{}).Probe(t.Context(), Target{URL: "https://127.0.0.1:1/"}))
	requireStep(t, r, StepAddress, StatusFail, "does not connect to")
	for name, value := range map[string]string{"a b": "x", "x-a": "b\r\nc: canary", "": "x"} {
		r = probeTarget(t, Target{URL: "http://localhost:1/", Headers: map[string]string{name: value}})
		requireStep(t, r, StepAddress, StatusFail, "cannot be sent")
	}
}

func TestDeadPort(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	r := probeURL(t, "http://"+listener.Addr().String()+"/mcp")
	require.Equal(t, StateError, r.State)
	requireStep(t, r, StepConnect, StatusFail, "nothing listens")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	f := &fake{}
	srv := httptest.NewTLSServer(f.handler(guarded(modern(oneTool))))
	t.Cleanup(srv.Close)
	r := probeURL(t, srv.URL)
	require.Equal(t, StateError, r.State)
	requireStep(t, r, StepConnect, StatusOK, "accepts connections")
	requireStep(t, r, StepTLS, StatusFail, "authority that is not trusted")

	pool := srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	at := func(now time.Time) Report {
		p := New(Config{Outbound: outbound.Config{AllowPrivate: true, RootCAs: pool}, Clock: clock.NewManual(now)})
		return checked(t, p.Probe(t.Context(), Target{URL: srv.URL, Secret: testSecret}))
	}
	r = at(time.Now())
	require.Equal(t, StateReady, r.State, "%+v", r.Steps)
	requireStep(t, r, StepTLS, StatusOK, "issued by Acme Co")
	r = at(srv.Certificate().NotAfter.Add(-73 * time.Hour))
	require.Equal(t, StateReady, r.State)
	requireStep(t, r, StepTLS, StatusWarn, "valid until")
	require.Equal(t, []string{WarnCertificate, WarnClock}, codes(r.Warnings))
	require.Contains(t, r.Warnings[0].Words, "3 days")
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	site := func(given reply) reply {
		return func(w http.ResponseWriter, r *http.Request, a asked) {
			if r.URL.Path == "/app/mcp" {
				guarded(modern(oneTool))(w, r, a)
				return
			}
			given(w, r, a)
		}
	}
	status := func(code int, body string) reply {
		return func(w http.ResponseWriter, _ *http.Request, _ asked) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	cases := []struct {
		name, path, words string
		given             reply
	}{
		{"404", "/app", "404", status(404, "canary")},
		{"405", "/app/", "405", status(405, "")},
		{"web page", "/app", "web page", status(200, "<!doctype html><title>canary</title>")},
		{"web page as 404", "/app", "web page", status(404, "<html>canary</html>")},
		{"other JSON", "/app", "not an MCP message", status(200, `{"hello":"canary"}`)},
		{"redirect to the other slash", "/app/mcp/", "redirect", func(w http.ResponseWriter, r *http.Request, _ asked) {
			http.Redirect(w, r, "/app/mcp", http.StatusTemporaryRedirect)
		}},
		{"slash too many", "/app/mcp/", "404", status(404, "")},
		{"sse path", "/app/sse", "404", status(404, "")},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t, site(tc.given))
			r := probeURL(t, f.URL+tc.path)
			require.Equal(t, StateError, r.State, "the verdict is on the given URL")
			require.Equal(t, f.URL+tc.path, r.URL)
			require.Equal(t, f.URL+"/app/mcp", r.SuggestedURL)
			requireStep(t, r, stepOpening, StatusFail, tc.words)
			requireStep(t, r, StepSuggestion, StatusWarn, f.URL+"/app/mcp")
			require.Len(t, r.Tools, 1)
			require.Equal(t, "fake", r.ServerName)
		})
	}
	t.Run("nothing anywhere", func(t *testing.T) {
		t.Parallel()
		f := newFake(t, status(404, ""))
		r := probeURL(t, f.URL+"/app")
		require.Equal(t, StateError, r.State)
		require.Empty(t, r.SuggestedURL)
		requireStep(t, r, StepSuggestion, StatusSkip, "either")
	})
}

func TestRedirectToAnotherOriginIsNamedAndNotAsked(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(other.Close)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request, _ asked) {
		http.Redirect(w, r, other.URL+"/elsewhere?canary", http.StatusPermanentRedirect)
	})
	r := probeURL(t, f.URL+"/mcp")
	require.Equal(t, StateError, r.State)
	requireStep(t, r, stepOpening, StatusFail, "(308) to "+other.URL)
	require.Equal(t, []string{WarnRedirect}, codes(r.Warnings))
	require.Empty(t, r.SuggestedURL, "nothing was asked there, so nothing is suggested")
	require.Zero(t, hits.Load())
}

func TestOldSSETransport(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(w http.ResponseWriter, r *http.Request, _ asked) {
		if r.Method != http.MethodGet || r.URL.Path != "/sse" {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "event: endpoint\ndata: /messages?canary\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	r := probeURL(t, f.URL+"/sse")
	require.Equal(t, StateError, r.State)
	require.Equal(t, []string{WarnLegacySSE}, codes(r.Warnings))
	requireStep(t, r, stepOpening, StatusFail, "old HTTP+SSE transport")
	require.Empty(t, r.SuggestedURL)
}

func TestOddAnswersAreExplained(t *testing.T) {
	t.Parallel()
	plain := func(contentType, body string) reply {
		return func(w http.ResponseWriter, _ *http.Request, _ asked) {
			w.Header().Set("Content-Type", contentType)
			_, _ = io.WriteString(w, body)
		}
	}
	code := func(status int) reply {
		return func(w http.ResponseWriter, _ *http.Request, _ asked) { w.WriteHeader(status) }
	}
	initialized := func(more string, body string) reply {
		return func(w http.ResponseWriter, _ *http.Request, a asked) {
			if a.Method != "initialize" {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			if more != "" {
				w.Header().Set("Mcp-Session-Id", more)
			}
			result(w, a, body)
		}
	}
	cases := []struct {
		name, words string
		answer      reply
	}{
		{"not JSON", "not JSON", plain("application/json", "canary")},
		{"empty", "an empty answer", plain("application/json", "")},
		{"accepted without an answer", "an empty answer", code(202)},
		{"another id", "does not answer the request", plain("application/json", `{"jsonrpc":"2.0","id":77,"result":{"canary":1}}`)},
		{"request instead of answer", "does not answer the request", plain("application/json", `{"jsonrpc":"2.0","id":1,"method":"ping"}`)},
		{"duplicate members", "appears twice", plain("application/json", `{"jsonrpc":"2.0","id":1,"id":1,"result":{}}`)},
		{"too deep", "nests too deep", plain("application/json", `{"jsonrpc":"2.0","id":1,"result":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"}")},
		{"stream without answer", "ends without an answer", plain("text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n")},
		{"stream of nonsense", "not JSON", plain("text/event-stream", "data: canary\n\n")},
		{"error", "MCP error -32000 (“no [sealed] thing”)", plain("application/json", `{"jsonrpc":"2.0","id":2,"error":{"code":-32000,"message":"no \u202e`+testSecret+`\n thing"}}`)},
		{"error without form", "MCP error 0.", plain("application/json", `{"jsonrpc":"2.0","id":2,"error":["canary"]}`)},
		{"403", "(403)", code(403)},
		{"429", "(429)", code(429)},
		{"400", "status 400", code(400)},
		{"502", "status 502", code(502)},
		{"version of the future", "“2031-01-01”, which no client speaks", initialized("", `{"protocolVersion":"2031-01-01"}`)},
		{"no version", "does not have the form", initialized("", `{"capabilities":{}}`)},
		{"wrong types", "does not have the form", initialized("", `{"protocolVersion":"2025-11-25","serverInfo":["canary"]}`)},
		{"bad session id", "session id that cannot be sent back", initialized("a b", `{"protocolVersion":"2025-11-25"}`)},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := probeURL(t, newFake(t, tc.answer).URL+"/mcp")
			require.Equal(t, StateError, r.State)
			requireStep(t, r, stepOpening, StatusFail, tc.words)
		})
	}
}

func TestHostileAnswersAreBounded(t *testing.T) {
	t.Parallel()
	endless := func(contentType, chunk string) reply {
		return func(w http.ResponseWriter, r *http.Request, _ asked) {
			w.Header().Set("Content-Type", contentType)
			for r.Context().Err() == nil {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}
	}
	cases := []struct {
		name, words string
		answer      reply
	}{
		{"endless JSON", "too large", endless("application/json", strings.Repeat(" ", 4096))},
		{"endless stream", "too large", endless("text/event-stream", ": keep-alive\n\n"+strings.Repeat("\n", 4096))},
		{"gzip", "compressed", func(w http.ResponseWriter, _ *http.Request, _ asked) {
			w.Header().Set("Content-Encoding", "gzip")
			zip := gzip.NewWriter(w)
			_, _ = zip.Write(make([]byte, 1<<20))
			_ = zip.Close()
		}},
		{"huge header", "headers are too large", func(w http.ResponseWriter, _ *http.Request, _ asked) {
			w.Header().Set("X-Big", strings.Repeat("canary", 20000))
		}},
		{"hang-up", "closed before the answer", func(http.ResponseWriter, *http.Request, asked) { panic(http.ErrAbortHandler) }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := probeURL(t, newFake(t, tc.answer).URL+"/mcp")
			require.Equal(t, StateError, r.State)
			requireStep(t, r, stepOpening, StatusFail, tc.words)
		})
	}
}

func TestStreamLinesAreBounded(t *testing.T) {
	t.Parallel()
	a := &answer{status: http.StatusOK}
	a.readStream(strings.NewReader("data: "+strings.Repeat("x", 2*maxLine)), "1")
	require.Contains(t, a.problem, "endless line")
}

func TestSlowServer(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(_ http.ResponseWriter, r *http.Request, _ asked) { <-r.Context().Done() })
	start := time.Now()
	r := probeURL(t, f.URL+"/mcp")
	require.Less(t, time.Since(start), Budget)
	require.Equal(t, StateError, r.State)
	requireStep(t, r, stepOpening, StatusFail, "No answer in time")

	ctx, cancel := context.WithCancel(t.Context())
	waiting := newFake(t, func(_ http.ResponseWriter, r *http.Request, _ asked) {
		cancel()
		<-r.Context().Done()
	})
	p := New(Config{Outbound: outbound.Config{AllowPrivate: true}})
	r = checked(t, p.Probe(ctx, Target{URL: waiting.URL}))
	require.Equal(t, StateError, r.State)
	requireStep(t, r, stepOpening, StatusFail, "given up")
}

func TestSessionIsEndedWhenTheCallerGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	f := newFake(t, func(w http.ResponseWriter, r *http.Request, a asked) {
		if a.Method == "tools/list" {
			cancel()
			<-r.Context().Done()
			return
		}
		legacy(w, r, a)
	})
	p := New(Config{Outbound: outbound.Config{AllowPrivate: true}})
	r := checked(t, p.Probe(ctx, Target{URL: f.URL}))
	require.Equal(t, StateError, r.State)
	require.Len(t, f.requests("DELETE"), 1)
}
