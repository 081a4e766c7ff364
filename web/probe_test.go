package web_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/upstreams"
)

// heldRuntime is the fake runtime, which keeps tools/list waiting until it is let go.
type heldRuntime struct {
	*httptest.Server
	reached, release chan struct{}
}

func (b *testBundle) hold(t *testing.T) *heldRuntime {
	t.Helper()
	h := &heldRuntime{reached: make(chan struct{}, 100), release: make(chan struct{})}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller is gone
		}
		if bytes.Contains(body, []byte(`"tools/list"`)) {
			h.reached <- struct{}{}
			select {
			case <-h.release:
			case <-r.Context().Done():
				return
			}
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, b.runtime.URL(), bytes.NewReader(body))
		if err != nil {
			return
		}
		out.Header = r.Header.Clone()
		in, err := b.server.Client().Do(out)
		if err != nil {
			return
		}
		defer func() { _ = in.Body.Close() }()
		for name, values := range in.Header {
			w.Header()[name] = values
		}
		w.WriteHeader(in.StatusCode)
		_, _ = io.Copy(w, in.Body)
	}))
	t.Cleanup(h.Close)
	return h
}

// addHeld adds the runtime without waiting for a probe of it.
func (b *testBundle) addHeld(t *testing.T, p *httpflow.Person, h *heldRuntime) {
	t.Helper()
	_, err := p.PostRuntime(t.Context(), "acme", httpflow.RuntimeForm{Name: "Held", Slug: "held", URL: h.URL})
	require.NoError(t, err)
}

// until reads messages up to one that holds all of these.
func (s *openStream) until(t *testing.T, parts ...string) string {
	t.Helper()
	for {
		message := s.next(t)
		require.NotEmpty(t, message, "the stream ended")
		found := 0
		for _, part := range parts {
			if strings.Contains(message, part) {
				found++
			}
		}
		if found == len(parts) {
			return message
		}
	}
}

func TestAProbeStreamsItsLines(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		held := b.hold(t)
		b.addHeld(t, p, held)
		other := b.person(t, "Mo")
		b.join(t, h, other, "viewer")

		waiting := mustOpen(t, p, "/acme/runtimes/held/probe")
		require.Contains(t, string(waiting.Body), `data-probe="waiting"`)
		require.Contains(t, waiting.Text(), "The runtime was not probed yet.")
		first := b.open(t, p, "/acme/-/stream?topics=probe:held")
		second := b.open(t, other, "/acme/-/stream?topics=logs,probe:held")
		require.Contains(t, first.next(t), `data-probe="waiting"`)
		require.Contains(t, second.next(t), `data-probe="waiting"`)

		token := b.token(t, p, "/acme/runtimes/held")
		began := b.send(t, p, "POST", "/acme/runtimes/held/probe", map[string][]string{"csrf": {token}}, nil)
		require.Equal(t, http.StatusSeeOther, began.status)
		require.Equal(t, "/acme/runtimes/held/probe", began.header.Get("Location"))
		<-held.reached

		// Both see the lines that are answered and the one that is waited for, while the runtime is still silent.
		for _, s := range []*openStream{first, second} {
			running := s.until(t, `data-probe="running"`, "The host accepts connections.", `aria-current="step"`)
			for !strings.Contains(running, "It speaks MCP 2025-11-25") {
				running = s.next(t)
			}
			require.Contains(t, running, `data-probe="running"`)
			require.Contains(t, running, "Latency", "the lines to come have their place")
			require.NotContains(t, running, "hx-", "streamed markup is plain")
			require.NotContains(t, running, "csrf")
		}
		page := mustOpen(t, other, "/acme/runtimes/held/probe")
		require.Contains(t, string(page.Body), `<noscript><meta http-equiv="refresh" content="2"></noscript>`)
		require.Contains(t, page.Text(), "Refresh")

		// Asking again while it runs joins it.
		u, err := b.config.Upstreams.Get(t.Context(), h, "held")
		require.NoError(t, err)
		under, err := b.config.Upstreams.Progress(t.Context(), h, u.ID)
		require.NoError(t, err)
		require.Equal(t, http.StatusSeeOther, b.send(t, p, "POST", "/acme/runtimes/held/probe", map[string][]string{"csrf": {token}}, nil).status)
		joined, err := b.config.Upstreams.Progress(t.Context(), h, u.ID)
		require.NoError(t, err)
		require.Equal(t, under.ID, joined.ID)

		close(held.release)
		for _, s := range []*openStream{first, second} {
			done := s.until(t, `data-probe="done"`)
			require.Contains(t, done, "It works: MCP 2025-11-25, ")
			require.Contains(t, done, "Says back what it was told.")
			require.Contains(t, done, "anyone who finds the URL can call it")
			require.Contains(t, done, "curl -sS -i")
			require.Contains(t, done, `role="status"`)
			require.Equal(t, 1, strings.Count(done, `aria-live="polite"`))
		}
		finished := mustOpen(t, p, "/acme/runtimes/held/probe")
		require.NotContains(t, string(finished.Body), "<noscript>")
		require.Contains(t, finished.Text(), "fake upstream 1.0.0")
		require.Empty(t, b.logged("probe failed"))
	})
}

// TestAProbeIsForThoseWhoMayChange: looking at one is for every member, beginning one is not.
func TestAProbeIsForThoseWhoMayChange(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p, h := b.owner(t, "Ana", "acme")
	b.addRuntime(t, p, "acme", "todos")
	viewer := b.person(t, "Mo")
	b.join(t, h, viewer, "viewer")
	require.Contains(t, mustOpen(t, viewer, "/acme/runtimes/todos/probe").Text(), "It works")
	token := b.token(t, viewer, "/acme/runtimes/todos")
	require.Equal(t, http.StatusForbidden, b.send(t, viewer, "POST", "/acme/runtimes/todos/probe", map[string][]string{"csrf": {token}}, nil).status)
	stranger, _ := b.owner(t, "Eve", "evil")
	for _, path := range []string{"/acme/runtimes/todos/probe", "/acme/-/stream?topics=probe:todos"} {
		require.Equal(t, http.StatusNotFound, b.send(t, stranger, "GET", path, nil, nil).status, path)
	}
	require.Equal(t, http.StatusNotFound, b.send(t, stranger, "GET", "/evil/-/stream?topics=probe:todos", nil, nil).status)
	for _, path := range []string{"/acme/-/stream?topics=probe:..", "/acme/-/stream?topics=probe"} {
		require.Equal(t, http.StatusBadRequest, b.send(t, p, "GET", path, nil, nil).status, path)
	}
}

// TestAProbeEndsWithTheConsole: nobody who watches waits for a process that is gone.
func TestAProbeEndsWithTheConsole(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		held := b.hold(t)
		b.addHeld(t, p, held)
		token := b.token(t, p, "/acme/runtimes/held")
		require.Equal(t, http.StatusSeeOther, b.send(t, p, "POST", "/acme/runtimes/held/probe", map[string][]string{"csrf": {token}}, nil).status)
		<-held.reached
		b.console.Close()
		u, err := b.config.Upstreams.Get(t.Context(), h, "held")
		require.NoError(t, err)
		progress, err := b.config.Upstreams.Progress(t.Context(), h, u.ID)
		require.NoError(t, err)
		require.False(t, progress.Running)
		require.Contains(t, mustOpen(t, p, "/acme/runtimes/held/probe").Text(), "ended without a report")
		require.Equal(t, http.StatusServiceUnavailable, b.send(t, p, "POST", "/acme/runtimes/held/probe", map[string][]string{"csrf": {token}}, nil).status)
		require.Empty(t, b.logged("probe failed"), "a gateway that stops is no failure")
	})
}

func TestProbesAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p, h := b.owner(t, "Ana", "acme")
	held := b.hold(t)
	begin := func(slug string) *answer {
		token := b.token(t, p, "/acme/runtimes/"+slug)
		return b.send(t, p, "POST", "/acme/runtimes/"+slug+"/probe", map[string][]string{"csrf": {token}}, nil)
	}
	for _, slug := range []string{"a1", "a2", "a3", "a4", "a5", "a6"} {
		_, err := p.PostRuntime(t.Context(), "acme", httpflow.RuntimeForm{Name: slug, Slug: slug, URL: held.URL})
		require.NoError(t, err)
	}
	for _, slug := range []string{"a1", "a2", "a3", "a4", "a5"} {
		require.Equal(t, http.StatusSeeOther, begin(slug).status)
	}
	full := begin("a6")
	require.Equal(t, http.StatusTooManyRequests, full.status)
	require.NotEmpty(t, full.header.Get("Retry-After"))
	close(held.release)
	u, err := b.config.Upstreams.Get(t.Context(), h, "a1")
	require.NoError(t, err)
	sub := b.DB.Notices().Subscribe(func(topic tenancy.Topic) bool { return topic == tenancy.ProbesTopic(h.Tenant()) })
	defer sub.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		progress, err := b.config.Upstreams.Progress(ctx, h, u.ID)
		require.NoError(t, err)
		if !progress.Running {
			break
		}
		select {
		case <-sub.Wake():
			sub.Take()
		case <-ctx.Done():
			require.Fail(t, "the probe never ended")
		}
	}
	require.Eventually(t, func() bool { return begin("a6").status == http.StatusSeeOther }, 20*time.Second, 10*time.Millisecond, "an ended probe makes room")
}

// TestTheProbePageOfEveryState: what failed, what is missing and what is strange is told in words, with what to do and
// how to ask the same; no secret is in any of it.
func TestTheProbePageOfEveryState(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.SQLite(t))
	p, h := b.owner(t, "Ana", "acme")
	r := b.addRuntime(t, p, "acme", "todos")
	b.runtime.SetSecrets("another")
	waiting, err := p.Probe(t.Context(), r)
	require.NoError(t, err)
	for _, shown := range []string{"Waiting for the worker secret", "It answers 401 although the worker secret was sent.", "EMCY_WORKER_SHARED_SECRET", "not reached", "Show the adapter"} {
		require.Contains(t, waiting.Text(), shown)
	}
	require.Contains(t, waiting.Text(), `'X-Emcy-Worker-Secret: '"$EMCY_WORKER_SHARED_SECRET"`)
	require.NotContains(t, string(waiting.Body), r.Secret)

	b.runtime.SetSecrets(r.Secret)
	ready, err := p.Probe(t.Context(), r)
	require.NoError(t, err)
	for _, shown := range []string{"It refuses the request with 401.", "Its 401 names no authorization server of its own.", "Legacy · 2025-11-25", "text string"} {
		require.Contains(t, strings.Join(strings.Fields(ready.Text()), " "), shown)
	}
	require.NotContains(t, string(ready.Body), r.Secret)

	b.runtime.Close()
	down, err := p.Probe(t.Context(), r)
	require.NoError(t, err)
	for _, shown := range []string{"Not reachable", "“Connection (TCP)” failed", "Start the runtime, or correct the port.", "curl -v", "Edit the runtime"} {
		require.Contains(t, down.Text(), shown)
	}
	u, err := b.config.Upstreams.Get(t.Context(), h, "todos")
	require.NoError(t, err)
	require.Equal(t, upstreams.Error, u.State, "a runtime whose probe failed stays")
}
