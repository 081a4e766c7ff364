package outbound

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// plainServer counts the connections that are made to it.
func plainServer(t *testing.T, handler http.HandlerFunc) (*url.URL, *atomic.Int32) {
	t.Helper()
	var conns atomic.Int32
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	return u, &conns
}

// script answers each connection with what it is told, byte for byte, once the
// request's header is there, and then does the rest.
func script(t *testing.T, rest func(n int, conn net.Conn), answers ...string) *url.URL {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for n := 0; ; n++ {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = conn.Close() }()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				_, _ = io.WriteString(conn, answers[min(n, len(answers)-1)])
				rest(n, conn)
			}()
		}
	}()
	return &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/mcp"}
}

func relay(t *testing.T, change func(*Config)) *Relay {
	t.Helper()
	cfg := Config{AllowPrivate: true}
	if change != nil {
		change(&cfg)
	}
	r := New(cfg).Relay(TransportOptions{})
	t.Cleanup(r.CloseIdleConnections)
	return r
}

func post(t *testing.T, u *url.URL, body string) *http.Request {
	t.Helper()
	req := request(t, u)
	req.Method, req.Body, req.ContentLength = http.MethodPost, io.NopCloser(strings.NewReader(body)), int64(len(body))
	return req
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return string(body)
}

func TestRelayKeepsConnections(t *testing.T) {
	t.Parallel()
	u, conns := plainServer(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %q %q", r.Method, r.Host, r.Header["X-Mine"], r.Header["User-Agent"]))
		if len(body) == 0 {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		_, _ = w.Write(body[:1])
		w.(http.Flusher).Flush() // in pieces, so without a length
		_, _ = w.Write(body[1:])
	})
	r := relay(t, nil)
	for _, size := range []int{2, inlineBody, inlineBody + 1, 1 << 20} {
		req := post(t, u, strings.Repeat("x", size))
		req.Header = http.Header{"X-Mine": {"a", "b"}, "User-Agent": {""}}
		resp, err := r.RoundTrip(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, fmt.Sprintf(`POST %s ["a" "b"] []`, u.Host), resp.Header.Get("X-Seen"))
		require.Equal(t, size, len(readAll(t, resp)))
	}
	for range 3 {
		resp, err := r.RoundTrip(request(t, u))
		require.NoError(t, err)
		require.Equal(t, http.StatusNoContent, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	}
	require.EqualValues(t, 1, conns.Load(), "one connection serves them all")
	r.CloseIdleConnections()
	resp, err := r.RoundTrip(request(t, u))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.EqualValues(t, 2, conns.Load())
}

func TestRelayLeavesConnectionsThatAreNotClean(t *testing.T) {
	t.Parallel()
	nothing := func(_ int, conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }
	for name, test := range map[string]struct {
		answer string
		rest   func(int, net.Conn)
		method string
		unread bool
	}{
		"it is closed":  {answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", rest: func(int, net.Conn) {}},
		"it says so":    {answer: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", rest: nothing},
		"it is old":     {answer: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", rest: nothing},
		"more has come": {answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", rest: nothing},
		"more comes later": {answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", rest: func(_ int, c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
			nothing(0, c)
		}},
		"the body is unread":  {answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", rest: nothing, unread: true},
		"protocols switched":  {answer: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", rest: nothing, unread: true},
		"HEAD with a body":    {answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", rest: nothing, method: http.MethodHead, unread: true},
		"no content, but has": {answer: "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", rest: nothing, unread: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var conns atomic.Int32
			u := script(t, func(n int, c net.Conn) { conns.Add(1); test.rest(n, c) }, test.answer)
			r := relay(t, nil)
			for n := range int32(3) {
				req := request(t, u)
				if test.method != "" {
					req.Method = test.method
				}
				resp, err := r.RoundTrip(req)
				require.NoError(t, err)
				if !test.unread {
					require.Equal(t, "ok", readAll(t, resp))
				}
				require.NoError(t, resp.Body.Close())
				require.Eventually(t, func() bool { return conns.Load() == n+1 }, 10*time.Second, time.Millisecond, "each request has its own connection")
				// What the peer did after its answer has to arrive before the next look.
				require.Eventually(t, func() bool { return idleAndDisturbed(r) }, 10*time.Second, time.Millisecond)
			}
		})
	}
}

// idleAndDisturbed reports whether no idle connection would be taken.
func idleAndDisturbed(r *Relay) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, list := range r.idle {
		for _, w := range list {
			if w.quiet() {
				return false
			}
		}
	}
	return true
}

func TestRelaySendsNothingTwice(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	u, _ := plainServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) > 1 {
			panic(http.ErrAbortHandler) // on a connection that was good before
		}
		_, _ = io.WriteString(w, "ok")
	})
	r := relay(t, nil)
	resp, err := r.RoundTrip(post(t, u, "{}"))
	require.NoError(t, err)
	require.Equal(t, "ok", readAll(t, resp))
	for _, req := range []*http.Request{post(t, u, "{}"), request(t, u)} {
		_, err = r.RoundTrip(req)
		require.Equal(t, KindProtocol, Classify(err).Kind)
	}
	require.EqualValues(t, 3, requests.Load())
}

func TestRelayEndsWithItsContext(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	gone := make(chan struct{}, 2)
	u, _ := plainServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("headers") {
			_, _ = io.WriteString(w, "data: 1\n\n")
			w.(http.Flusher).Flush()
		}
		reached <- struct{}{}
		<-r.Context().Done()
		gone <- struct{}{}
	})
	r := relay(t, nil)
	over := errors.New("it is over")

	ctx, cancel := context.WithCancelCause(t.Context())
	go func() { <-reached; cancel(over) }()
	_, err := r.RoundTrip(request(t, u).WithContext(ctx))
	require.ErrorIs(t, err, over)
	<-gone

	u.RawQuery = "headers"
	ctx, cancel = context.WithCancelCause(t.Context())
	resp, err := r.RoundTrip(request(t, u).WithContext(ctx))
	require.NoError(t, err)
	first := make([]byte, len("data: 1\n\n"))
	_, err = io.ReadFull(resp.Body, first)
	require.NoError(t, err)
	<-reached
	cancel(over)
	_, err = resp.Body.Read(first)
	require.ErrorIs(t, err, over)
	require.NoError(t, resp.Body.Close())
	<-gone

	_, err = r.RoundTrip(request(t, u).WithContext(ctx))
	require.ErrorIs(t, err, over, "nothing begins after the end")
}

func TestRelayTakesAnEarlyAnswer(t *testing.T) {
	t.Parallel()
	u := script(t, func(int, net.Conn) {}, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
	r := relay(t, nil)
	resp, err := r.RoundTrip(post(t, u, strings.Repeat("x", 16<<20)))
	if err == nil { // the reset may overtake the answer
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	} else {
		require.Equal(t, KindProtocol, Classify(err).Kind, "%v", err)
	}
	require.True(t, idleAndDisturbed(r))

	// One that reads nothing, but answers and stays.
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	u = script(t, func(int, net.Conn) { <-hold }, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
	resp, err = r.RoundTrip(post(t, u, strings.Repeat("x", 16<<20)))
	require.NoError(t, err)
	require.Equal(t, "no", readAll(t, resp))
	require.True(t, idleAndDisturbed(r))
}

func TestRelayPassesOverInformationalAnswers(t *testing.T) {
	t.Parallel()
	early := strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", maxInformational-1)
	hold := make(chan struct{})
	t.Cleanup(func() { close(hold) })
	u := script(t, func(int, net.Conn) { <-hold }, early+"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	resp, err := relay(t, nil).RoundTrip(request(t, u))
	require.NoError(t, err)
	require.Equal(t, "ok", readAll(t, resp))
	u = script(t, func(int, net.Conn) { <-hold }, early+early)
	_, err = relay(t, nil).RoundTrip(request(t, u))
	require.ErrorContains(t, err, "1xx")
}

func TestRelayBoundsTheHeader(t *testing.T) {
	t.Parallel()
	const limit = 8 << 10
	for _, size := range []int{limit - 200, 2 * limit} {
		u, _ := plainServer(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Big", strings.Repeat("c", size))
			_, _ = w.Write(bytes.Repeat([]byte("b"), 4*limit)) // a body has no such bound
		})
		resp, err := relay(t, func(cfg *Config) { cfg.MaxHeader = limit }).RoundTrip(request(t, u))
		if size > limit {
			require.Equal(t, KindTooLarge, Classify(err).Kind, "%v", err)
			continue
		}
		require.NoError(t, err)
		require.Len(t, readAll(t, resp), 4*limit)
	}
}

func TestRelayTellsACutOffAnswer(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"", "HTTP/1.1 200 OK\r\nContent-Le", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "SSH-2.0-x\r\n\r\n",
	} {
		u := script(t, func(int, net.Conn) {}, answer)
		resp, err := relay(t, nil).RoundTrip(request(t, u))
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			require.NoError(t, resp.Body.Close())
		}
		require.Equal(t, KindProtocol, Classify(err).Kind, answer)
	}
}

func TestRelayHasTheClientsGuard(t *testing.T) {
	t.Parallel()
	tr := newTrap(t, "127.0.0.1:0")
	u := &url.URL{Scheme: "http", Host: "127.0.0.1:" + tr.port, Path: "/"}
	_, err := New(Config{}).Relay(TransportOptions{}).RoundTrip(post(t, u, "{}"))
	require.Equal(t, KindURL, Classify(err).Kind)
	_, err = relay(t, nil).RoundTrip(request(t, u).WithContext(ContextWithTx(t.Context())))
	require.Equal(t, KindInternal, Classify(err).Kind)
	tr.requireUntouched(t)
	_, err = relay(t, nil).RoundTrip(request(t, &url.URL{Scheme: "http", Host: "169.254.169.254", Path: "/"}))
	require.Equal(t, KindAddress, Classify(err).Kind)

	srv, c := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) }, nil)
	secure, err := url.Parse(srv.URL)
	require.NoError(t, err)
	resp, err := c.Relay(TransportOptions{}).RoundTrip(request(t, secure))
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", readAll(t, resp))
}

func TestRelayForgetsIdleConnections(t *testing.T) {
	t.Parallel()
	u, conns := plainServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	r := New(Config{AllowPrivate: true}).Relay(TransportOptions{IdleTimeout: 20 * time.Millisecond, IdlePerHost: 1})
	var open []*http.Response
	for range 2 {
		resp, err := r.RoundTrip(request(t, u))
		require.NoError(t, err)
		open = append(open, resp)
	}
	for _, resp := range open {
		require.Equal(t, "ok", readAll(t, resp))
	}
	require.EqualValues(t, 2, conns.Load())
	r.mu.Lock()
	require.LessOrEqual(t, len(r.idle[u.Host]), 1)
	r.mu.Unlock()
	require.Eventually(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.idle) == 0 && r.sweep == nil }, 10*time.Second, time.Millisecond)
}
