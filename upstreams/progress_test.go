package upstreams_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
)

// held is a runtime that keeps every tools/list waiting until it is let go.
type held struct {
	url     string
	reached chan struct{}
	release chan struct{}
}

func hold(t *testing.T) *held {
	t.Helper()
	up := runtime(t)
	target, err := url.Parse(up.URL())
	require.NoError(t, err)
	h := &held{reached: make(chan struct{}, 10), release: make(chan struct{})}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller is gone
		}
		if strings.Contains(string(body), `"tools/list"`) {
			h.reached <- struct{}{}
			select {
			case <-h.release:
			case <-r.Context().Done():
				return
			}
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	h.url = srv.URL + target.Path
	return h
}

// progressed waits for notices until the progress is as wanted.
func (b *bundle) progressed(t *testing.T, sub *tenancy.Subscription, id string, want func(upstreams.Progress) bool) upstreams.Progress {
	t.Helper()
	for {
		p, err := b.registry.Progress(t.Context(), b.a, id)
		require.NoError(t, err)
		if want(p) {
			return p
		}
		select {
		case <-sub.Wake():
			sub.Take()
		case <-time.After(20 * time.Second):
			require.Fail(t, "no notice of any progress", "%+v", p)
		}
	}
}

func asks(step string) func(upstreams.Progress) bool {
	return func(p upstreams.Progress) bool {
		return p.Running && len(p.Steps) > 0 && p.Steps[len(p.Steps)-1] == probe.Step{Name: step, Status: probe.StatusRunning}
	}
}

func (b *bundle) hearProbes(t *testing.T) *tenancy.Subscription {
	t.Helper()
	sub := b.DB.Notices().Subscribe(func(topic tenancy.Topic) bool { return topic == tenancy.ProbesTopic(b.a.Tenant()) })
	t.Cleanup(sub.Close)
	return sub
}

func TestProgressIsSeenWhileItHappens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		slow := hold(t)
		u := b.create(t, b.a, input("files", slow.url))
		none, err := b.registry.Progress(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.Zero(t, none)
		sub := b.hearProbes(t)
		run, err := b.registry.BeginProbe(t.Context(), b.a, "files", false)
		require.NoError(t, err)
		require.False(t, run.Joined)
		begun, err := b.registry.Progress(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.True(t, begun.Running)
		require.Empty(t, begun.Steps)

		done := make(chan error, 1)
		go func() {
			_, err := b.registry.RunProbe(t.Context(), b.a, run)
			done <- err
		}()
		p := b.progressed(t, sub, u.ID, asks(probe.StepTools))
		require.Equal(t, begun.ID, p.ID)
		require.Greater(t, len(p.Steps), 5)
		for _, s := range p.Steps[:len(p.Steps)-1] {
			require.NotEqual(t, probe.StatusRunning, s.Status, s.Name)
		}

		// Whoever asks for the same meanwhile joins; the job leaves it alone.
		again, err := b.registry.BeginProbe(t.Context(), b.a, "files", false)
		require.NoError(t, err)
		require.True(t, again.Joined)
		left, err := b.registry.ProbeByID(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.Empty(t, left.Steps)
		require.Len(t, slow.reached, 1)

		close(slow.release)
		require.NoError(t, <-done)
		ended, err := b.registry.Progress(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.False(t, ended.Running)
		require.Empty(t, ended.Steps, "the report has them")
		require.Equal(t, upstreams.Ready, b.get(t, b.a, "files").State)
	})
}

// TestALaterProbeCounts: of two probes at a time, the one that began later knows more.
func TestALaterProbeCounts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		slow := hold(t)
		u := b.create(t, b.a, input("files", slow.url))
		first, err := b.registry.BeginProbe(t.Context(), b.a, "files", false)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			_, err := b.registry.RunProbe(t.Context(), b.a, first)
			done <- err
		}()
		<-slow.reached
		second, err := b.registry.BeginProbe(t.Context(), b.a, "files", true)
		require.NoError(t, err)
		require.False(t, second.Joined)
		close(slow.release)
		require.NoError(t, <-done)
		require.Nil(t, b.get(t, b.a, "files").Report, "the earlier probe's report is dropped")
		p, err := b.registry.Progress(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.True(t, p.Running, "the later probe is not ended by the earlier")
		_, err = b.registry.RunProbe(t.Context(), b.a, second)
		require.NoError(t, err)
		require.Equal(t, upstreams.Ready, b.get(t, b.a, "files").State)

		// A changed configuration is probed by itself, whatever else is under way.
		third, err := b.registry.BeginProbe(t.Context(), b.a, "files", false)
		require.NoError(t, err)
		require.NoError(t, b.registry.RotateSecret(t.Context(), b.a, "files"))
		fourth, err := b.registry.BeginProbe(t.Context(), b.a, "files", false)
		require.NoError(t, err)
		require.False(t, fourth.Joined)
		_, err = b.registry.RunProbe(t.Context(), b.a, third)
		require.NoError(t, err)
		p, err = b.registry.Progress(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.True(t, p.Running)
	})
}

// TestNobodyWaitsForADeadProbe: neither for one that was given up, nor for one whose process is gone.
func TestNobodyWaitsForADeadProbe(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		slow := hold(t)
		u := b.create(t, b.a, input("files", slow.url))
		run, err := b.registry.BeginProbe(t.Context(), b.a, "files", false)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := b.registry.RunProbe(ctx, b.a, run)
			done <- err
		}()
		<-slow.reached
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		p, err := b.registry.Progress(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.False(t, p.Running)
		require.NotEmpty(t, p.ID)

		_, err = b.registry.BeginProbe(t.Context(), b.a, "files", false)
		require.NoError(t, err)
		b.Clock.Advance(time.Minute)
		p, err = b.registry.Progress(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.False(t, p.Running)
		next, err := b.registry.BeginProbe(t.Context(), b.a, "files", false)
		require.NoError(t, err)
		require.False(t, next.Joined)
		require.NoError(t, b.registry.Remove(t.Context(), b.a, "files"))
		_, err = b.registry.RunProbe(t.Context(), b.a, next)
		requireKind(t, err, errs.NotFound)
	})
}
