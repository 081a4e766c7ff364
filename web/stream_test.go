package web_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/e2e/httpflow"
)

// openStream is a live stream as a browser reads it.
type openStream struct {
	status int
	header http.Header
	lines  *bufio.Reader
	close  func()
}

func (b *testBundle) open(t *testing.T, p *httpflow.Person, path string) *openStream {
	t.Helper()
	// A stream that says nothing must not hold the test for ever.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.server.URL+path, nil)
	require.NoError(t, err)
	for _, c := range p.Browser.Cookies(b.server.URL) {
		req.AddCookie(c)
	}
	client := *b.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	require.NoError(t, err)
	s := &openStream{status: res.StatusCode, header: res.Header, lines: bufio.NewReader(res.Body), close: func() {
		cancel()
		_ = res.Body.Close() // the test is done with it
	}}
	t.Cleanup(s.close)
	return s
}

// next is the next message; comments are passed over. Empty at the stream's end.
func (s *openStream) next(t *testing.T) string {
	t.Helper()
	var message strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		if err == io.EOF {
			return ""
		}
		require.NoError(t, err)
		switch {
		case strings.HasPrefix(line, ":"):
		case line == "\n" && message.Len() > 0:
			return message.String()
		case line != "\n":
			message.WriteString(line)
		}
	}
}

func TestStreamTellsWhatHappens(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		b.addRuntime(t, p, "acme", "todos")
		u, err := b.config.Upstreams.Get(t.Context(), h, "todos")
		require.NoError(t, err)
		b.record(t, h, newEvent(h, "ups_other", b.Clock.Now()))

		s := b.open(t, p, "/acme/-/stream?topics=connect:todos,logs")
		require.Equal(t, http.StatusOK, s.status)
		require.Equal(t, "text/event-stream", s.header.Get("Content-Type"))
		require.Equal(t, "no-store", s.header.Get("Cache-Control"))
		first := s.next(t)
		require.Contains(t, first, "Waiting for the first connection")
		require.NotContains(t, first, "event:", "the card comes as unnamed messages")
		for line := range strings.Lines(first) {
			require.True(t, strings.HasPrefix(line, "data: "), "%q", line)
		}

		b.Clock.Advance(time.Second)
		b.record(t, h, newEvent(h, u.ID, b.Clock.Now()))
		require.Contains(t, s.next(t), "Connected")
		require.Equal(t, "event: logs\ndata: 1\n", s.next(t))

		// A request that began before the last one and ended after it counts, too.
		b.record(t, h, newEvent(h, "ups_other", b.Clock.Now().Add(-time.Hour)))
		require.Equal(t, "event: logs\ndata: 1\n", s.next(t))

		// Another tenant's events are not told.
		_, other := b.owner(t, "Eve", "evil")
		b.record(t, other, newEvent(other, "ups_x", b.Clock.Now()))
		b.record(t, h, newEvent(h, "ups_other", b.Clock.Now()), newEvent(h, "ups_other", b.Clock.Now()))
		rows := 0
		for rows < 2 { // they may be stored one by one
			var n int
			_, err := fmt.Sscanf(s.next(t), "event: logs\ndata: %d\n", &n)
			require.NoError(t, err)
			rows += n
		}
		require.Equal(t, 2, rows)
	})
}

// TestConnectDotsAreLive: the card follows a client that is signing in, step by step.
func TestConnectDotsAreLive(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		b.addRuntime(t, p, "acme", "todos")
		u, err := b.config.Upstreams.Get(t.Context(), h, "todos")
		require.NoError(t, err)
		r, err := trace.New(trace.Config{DB: b.DB, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		s := b.open(t, p, "/acme/-/stream?topics=connect:todos")
		require.Equal(t, 6, strings.Count(s.next(t), "(not yet)"))
		for _, c := range []struct {
			step trace.Step
			left int
		}{{trace.Challenge, 5}, {trace.Register, 4}, {trace.Token, 2}} {
			b.Clock.Advance(time.Second)
			r.Record("https://acme.mcp.test", trace.Origin{Network: "203.0.113.0/24", UserAgent: "claude-code/2.1"}, trace.Event{
				Step: c.step, At: b.Clock.Now(), OK: true, UpstreamID: u.ID, ClientID: "cli_1",
			})
			r.Flush(t.Context())
			require.Equal(t, c.left, strings.Count(s.next(t), "(not yet)"), "%s", c.step)
		}
	})
}

func TestStreamEndsWithTheRightToIt(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		_, h := b.owner(t, "Ana", "acme")
		member := b.person(t, "Mo")
		b.join(t, h, member, "viewer")
		s := b.open(t, member, "/acme/-/stream?topics=logs")
		require.Equal(t, http.StatusOK, s.status)
		b.leave(t, h, member)
		require.Empty(t, s.next(t))

		b.join(t, h, member, "viewer")
		s = b.open(t, member, "/acme/-/stream?topics=logs")
		token := b.token(t, member, "/workspaces/new")
		require.Equal(t, http.StatusSeeOther, b.send(t, member, "POST", "/sign-out", map[string][]string{"csrf": {token}}, nil).status)
		require.NoError(t, b.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
			tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
			return nil
		}))
		require.Empty(t, s.next(t))
		require.Empty(t, b.logged("console request failed"), "an ended stream is no failure")
	})
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p, _ := b.owner(t, "Ana", "acme")
	for path, status := range map[string]int{
		"/acme/-/stream":                                 http.StatusBadRequest,
		"/acme/-/stream?topics=secrets":                  http.StatusBadRequest,
		"/acme/-/stream?topics=connect:..":               http.StatusBadRequest,
		"/acme/-/stream?topics=logs,logs,logs,logs,logs": http.StatusBadRequest,
		"/acme/-/stream?topics=connect:nothing":          http.StatusNotFound,
	} {
		require.Equal(t, status, b.send(t, p, "GET", path, nil, nil).status, path)
	}
	require.Equal(t, http.StatusUnauthorized, b.send(t, nil, "GET", "/acme/-/stream?topics=logs", nil, nil).status)

	var open []*openStream
	for range 20 {
		s := b.open(t, p, "/acme/-/stream?topics=logs")
		require.Equal(t, http.StatusOK, s.status)
		open = append(open, s)
	}
	full := b.send(t, p, "GET", "/acme/-/stream?topics=logs", nil, nil)
	require.Equal(t, http.StatusTooManyRequests, full.status)
	require.NotEmpty(t, full.header.Get("Retry-After"))
	open[0].close()
	require.Eventually(t, func() bool {
		s := b.open(t, p, "/acme/-/stream?topics=logs")
		return s.status == http.StatusOK
	}, 10*time.Second, 10*time.Millisecond, "a closed page makes room")
	b.console.Close()
	b.console.Close()
	require.Empty(t, open[1].next(t), "closing the console ends its streams")
}
