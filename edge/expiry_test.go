package edge_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/clock"
)

// slowly is a runtime without a network that answers with a stream when it is told
// to, so that all waiting is for the clock of the test.
type slowly struct {
	after time.Duration // until the headers
	mu    sync.Mutex
	calls int
	pipe  *io.PipeWriter
}

func (s *slowly) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.after > 0 {
		timer := time.NewTimer(s.after)
		select {
		case <-timer.C:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	body, pipe := io.Pipe()
	s.pipe = pipe
	context.AfterFunc(r.Context(), func() { _ = pipe.CloseWithError(r.Context().Err()) })
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: body, Header: http.Header{"Content-Type": {sseType}}}, nil
}

func (s *slowly) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.pipe, text) // the edge may have ended it
}

func (s *slowly) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// watched is a client that remembers what it got, and when the answer ended.
type watched struct {
	*statusOnly
	mu   sync.Mutex
	body bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.Write(p)
}

func (w *watched) FlushError() error { return nil }

func (w *watched) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.body.String()
}

// TestStreamEndsSoonAfterItsToken is security.md's row A10, on a clock of its own: a
// stream goes on for the grace of 30 s after its token's end, and no moment longer,
// while nothing begins in that time.
func TestStreamEndsSoonAfterItsToken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, body string
		after        time.Duration // the runtime thinks
		life         time.Duration // of the token
		revoke       time.Duration // when its family is revoked; 0 is never
		ends         time.Duration
		reason       string
	}{
		"stream":                      {"GET", "", 0, time.Minute, 0, 90 * time.Second, "expired_token"},
		"answer to a call":            {"POST", toolCall, 0, time.Minute, 0, 90 * time.Second, "expired_token"},
		"opened in the grace":         {"POST", toolCall, 70 * time.Second, time.Minute, 0, 90 * time.Second, "expired_token"},
		"opened after the grace":      {"POST", toolCall, 2 * time.Minute, time.Minute, 0, 2 * time.Minute, "expired_token"},
		"revoked before the end":      {"GET", "", 0, time.Minute, 10 * time.Second, 10 * time.Second, "revoked_token"},
		"revoked in the grace":        {"GET", "", 0, time.Minute, 75 * time.Second, 75 * time.Second, "revoked_token"},
		"a change, but not for it":    {"GET", "", 0, time.Minute, -75 * time.Second, 90 * time.Second, "expired_token"},
		"the gateway's longest token": {"GET", "", 0, 24 * time.Hour, 0, 24*time.Hour + 30*time.Second, "expired_token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, echoPong())
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				store := snapshot.NewStore()
				store.Replace(began, []*snapshot.Tenant{b.acme})
				runtime, events := &slowly{after: c.after}, newEvents()
				front, err := edge.New(edge.Config{
					Snapshots: store, Auth: func(http.ResponseWriter, *http.Request, *snapshot.Tenant) {},
					Transport: runtime, Recorder: events, Clock: clock.System{}, Log: quiet,
				})
				require.NoError(t, err)
				front.Start()
				defer front.Stop()
				token := b.tokenOf(set("iat", began.Unix()), set("exp", began.Add(c.life).Unix()))
				send := func() *watched {
					req := b.request(c.method, c.body, "Authorization", token).WithContext(t.Context())
					req.RequestURI, req.URL = "/crm/mcp", &url.URL{Path: "/crm/mcp"}
					w := &watched{statusOnly: newRecorder()}
					front.Handler("http").ServeHTTP(w, req)
					return w
				}
				if c.revoke != 0 {
					timer := time.AfterFunc(max(c.revoke, -c.revoke), func() {
						next := *b.acme
						next.Revoked = map[string]struct{}{map[bool]string{true: "fam_1", false: "fam_other"}[c.revoke > 0]: {}}
						store.Put(time.Now(), next.ID, &next)
					})
					defer timer.Stop()
				}
				if c.ends > c.after+time.Second { // something of it arrives before the end
					timer := time.AfterFunc(c.ends-time.Millisecond, func() { runtime.say("data: last\n\n") })
					defer timer.Stop()
				}
				w := send()
				require.Equal(t, c.ends, time.Since(began))
				require.Equal(t, http.StatusOK, w.status)
				if c.ends > c.after+time.Second {
					require.Equal(t, "data: last\n\n", w.text(), "it was open to the last moment")
				} else {
					require.Empty(t, w.text())
				}
				all := events.list()
				require.Equal(t, c.reason, all[len(all)-1].Reason)

				if c.ends >= c.life { // expired: nothing begins, in the grace or after it
					require.Equal(t, http.StatusUnauthorized, send().status)
					require.Equal(t, 1, runtime.count())
				}
			})
		})
	}
}

// TestNothingBeginsInTheGrace: the grace is the stream's, not the token's.
func TestNothingBeginsInTheGrace(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	token := b.tokenOf(set("exp", start.Add(time.Minute).Unix()))
	for _, c := range []struct {
		at     time.Duration
		status int
	}{{59 * time.Second, 200}, {60 * time.Second, 401}, {61 * time.Second, 401}, {89 * time.Second, 401}} {
		b.clock.Advance(start.Add(c.at).Sub(b.clock.Now()))
		for _, method := range []string{"GET", "POST"} {
			resp, _ := b.do(b.request(method, map[string]string{"POST": ping}[method], "Authorization", token))
			require.Equal(t, c.status, resp.StatusCode, "%s at %s", method, c.at)
		}
	}
	require.Len(t, runtime.requests(), 2)
}
