package edge_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/usage/event"
)

// stepped is a runtime whose stream goes on only when the test says so.
type stepped struct {
	kind string
	send chan string
	gone chan struct{}
}

func newStepped(kind string) *stepped {
	return &stepped{kind: kind, send: make(chan string), gone: make(chan struct{})}
}

func (s *stepped) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", s.kind)
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	_ = control.Flush()
	for {
		select {
		case text, more := <-s.send:
			if !more {
				return
			}
			_, _ = io.WriteString(w, text)
			_ = control.Flush()
		case <-r.Context().Done():
			close(s.gone)
			return
		}
	}
}

// TestStreamIsFlushedPieceByPiece: each piece arrives before the runtime may send the next one.
func TestStreamIsFlushedPieceByPiece(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, body, kind string
		sse                bool
	}{
		"POST":                   {"POST", toolCall, "text/event-stream", true},
		"POST with charset":      {"POST", toolCall, "Text/Event-Stream; charset=utf-8", true},
		"GET":                    {"GET", "", sseType, true},
		"body of unknown length": {"POST", toolCall, jsonType, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runtime := newStepped(c.kind)
			b := setup(t, runtime)
			resp, err := client.Do(b.request(c.method, c.body, "Last-Event-Id", "41"))
			require.NoError(t, err, "the headers come before the first event")
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, c.sse, resp.Header.Get("X-Accel-Buffering") == "no")
			require.Equal(t, int64(-1), resp.ContentLength)
			first := b.events.wait(t, 1)[0]
			require.Equal(t, event.Streaming, first.Outcome)
			require.False(t, first.Finished)
			require.Equal(t, c.sse, first.Stream)

			read := lines(t, resp.Body)
			for _, text := range []string{": keep-alive", "id: 42", "data: {}", ""} {
				runtime.send <- text + "\n"
				require.Equal(t, text, read())
			}
			close(runtime.send)
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.NoError(t, resp.Body.Close())

			all := b.events.list()
			require.Len(t, all, 2)
			last := all[1]
			require.Equal(t, first.ID, last.ID)
			require.Equal(t, first.RequestID, last.RequestID)
			require.Equal(t, event.Success, last.Outcome)
			require.True(t, last.Finished)
			require.Equal(t, int64(30), last.ResponseBytes)
			require.GreaterOrEqual(t, last.Total, first.Total)
			if c.sse {
				require.Equal(t, first.Upstream, last.Upstream, "until the headers")
			}
		})
	}
}

func TestDisconnectEndsTheStream(t *testing.T) {
	t.Parallel()
	runtime := newStepped(sseType)
	b := setup(t, runtime)
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := client.Do(b.request("GET", "").WithContext(ctx))
	require.NoError(t, err)
	cancel()
	<-runtime.gone
	require.NoError(t, resp.Body.Close())
	last := b.events.wait(t, 2)[1]
	require.Equal(t, event.Cancelled, last.Outcome)
	require.Equal(t, "client_disconnected", last.Reason)
}

// TestLeavingAfterTheAnswerIsNoCancellation: many clients close the stream as soon
// as they have the response; a progress notice before it is not that response.
func TestLeavingAfterTheAnswerIsNoCancellation(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]event.Outcome{
		`data: {"jsonrpc":"2.0","id":1,"result":{}}`:                            event.Success,
		`data: {"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}`:     event.Success,
		`data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}`: event.Cancelled,
	} {
		runtime := newStepped(sseType)
		b := setup(t, runtime)
		ctx, leave := context.WithCancel(t.Context())
		resp, err := client.Do(b.request("POST", toolCall).WithContext(ctx))
		require.NoError(t, err)
		runtime.send <- text + "\n\n"
		require.Equal(t, text, lines(t, resp.Body)())
		leave()
		<-runtime.gone
		require.Equal(t, want, b.events.wait(t, 2)[1].Outcome, text)
		_ = resp.Body.Close()
	}
}

// TestGatewayEndsStreams: what the token check would refuse now ends a stream that
// it let through before, with a regular end for the client.
func TestGatewayEndsStreams(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		life   time.Duration
		end    func(*bundle)
		reason string
	}{
		"revoked": {time.Hour, func(b *bundle) {
			b.publish(func(t *snapshot.Tenant) { t.Revoked = map[string]struct{}{"fam_1": {}} })
		}, "revoked_token"},
		"key withdrawn":   {time.Hour, func(b *bundle) { b.publish(func(t *snapshot.Tenant) { t.Keys = nil }) }, "invalid_token"},
		"runtime removed": {time.Hour, func(b *bundle) { b.publish(func(t *snapshot.Tenant) { t.Edges = nil }) }, "runtime_removed"},
		"tenant removed":  {time.Hour, func(b *bundle) { b.store.Put(start, b.acme.ID, nil) }, "runtime_removed"},
		"gateway stops":   {time.Hour, func(b *bundle) { b.front.Stop() }, "gateway_stopping"},
		"expired, seen by a change": {time.Minute, func(b *bundle) {
			b.clock.Advance(time.Minute + 30*time.Second)
			b.publish(func(*snapshot.Tenant) {})
		}, "expired_token"},
		"revoked in its grace": {time.Minute, func(b *bundle) {
			b.clock.Advance(time.Minute + time.Second)
			b.publish(func(t *snapshot.Tenant) { t.Revoked = map[string]struct{}{"fam_1": {}} })
		}, "revoked_token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runtime := newStepped(sseType)
			b := setup(t, runtime)
			token := b.token(b.acme, func(claims claims) { claims["exp"] = b.clock.Now().Add(c.life).Unix() })
			resp, err := client.Do(b.request("GET", "", "Authorization", "Bearer "+token))
			require.NoError(t, err)
			read := lines(t, resp.Body)
			runtime.send <- "data: 1\n"
			require.Equal(t, "data: 1", read())

			// A change that does not concern the stream leaves it open.
			b.publish(func(t *snapshot.Tenant) { t.Revoked = map[string]struct{}{"fam_other": {}} })
			runtime.send <- "data: 2\n"
			require.Equal(t, "data: 2", read())

			c.end(b)
			rest, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.NoError(t, resp.Body.Close())
			<-runtime.gone
			last := b.events.wait(t, 2)[1]
			require.Equal(t, c.reason, last.Reason)
			require.Equal(t, http.StatusOK, last.Status)
			require.True(t, last.Finished)
		})
	}
}

func TestStreamAfterStopEndsAtOnce(t *testing.T) {
	t.Parallel()
	runtime := newStepped(sseType)
	b := setup(t, runtime)
	b.front.Stop()
	_, body := b.do(b.request("GET", ""))
	require.Empty(t, body)
	require.Equal(t, "gateway_stopping", b.events.list()[1].Reason)
}
