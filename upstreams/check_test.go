package upstreams_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
)

func TestProbeStoresWhatItFound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		up := runtime(t, "not known yet")
		u := b.create(t, b.a, input("files", up.URL(), "X-Api-Key", "canary-api-key"))
		report, err := b.registry.Probe(t.Context(), b.a, "files")
		require.NoError(t, err)
		require.Equal(t, probe.StateWaiting, report.State)
		require.Equal(t, upstreams.Waiting, b.get(t, b.a, "files").State)

		up.SetSecrets(b.secret(t, b.a, "files"))
		report, err = b.registry.ProbeByID(t.Context(), b.a, u.ID)
		require.NoError(t, err)
		require.Equal(t, probe.StateReady, report.State)
		got := b.get(t, b.a, "files")
		require.Equal(t, upstreams.Ready, got.State)
		require.Equal(t, "fake upstream", got.Report.ServerName)
		require.NotEmpty(t, report.Tools)
		require.Equal(t, len(report.Tools), got.Report.ToolCount)
		require.Empty(t, got.Report.Tools, "the definitions are in the snapshot, once")
		require.False(t, got.Report.OpenWithoutSecret)
		require.Equal(t, b.Clock.Now(), got.ProbedAt.UTC())
		require.Equal(t, u.Version, got.Version, "a probe is no edit: an open form stays good")
		sent := 0
		for _, r := range up.Requests() {
			if r.Header.Get("X-Api-Key") == "canary-api-key" {
				sent++
			}
		}
		require.Positive(t, sent, "the static headers are the runtime's")

		up.Close()
		_, err = b.registry.Probe(t.Context(), b.a, "files")
		require.NoError(t, err)
		got = b.get(t, b.a, "files")
		require.Equal(t, upstreams.Error, got.State)
		require.NotEmpty(t, got.Report.Steps)

		for _, missing := range []string{"none", "", "\x00", "\xff", "FILES", "files/../files", "' or 1=1"} {
			_, err = b.registry.Probe(t.Context(), b.a, missing)
			requireKind(t, err, errs.NotFound)
		}
		_, err = b.registry.ProbeByID(t.Context(), b.a, "ups_none")
		requireKind(t, err, errs.NotFound)
	})
}

// TestAReportIsAboutWhatWasProbed: whatever changes while a probe is under way, its
// report is not stored as if it were about the new configuration.
func TestAReportIsAboutWhatWasProbed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		up := runtime(t)
		target, err := url.Parse(up.URL())
		require.NoError(t, err)
		for name, change := range map[string]func(ctx context.Context, slug, url string) error{
			"address": func(ctx context.Context, slug, url string) error {
				_, _, err := b.registry.Update(ctx, b.a, slug, input("", url+"/moved", "X-Key", ""), 1)
				return err
			},
			"header": func(ctx context.Context, slug, url string) error {
				_, _, err := b.registry.Update(ctx, b.a, slug, input("", url, "X-Key", "another"), 1)
				return err
			},
			"secret": func(ctx context.Context, slug, _ string) error { return b.registry.RotateSecret(ctx, b.a, slug) },
			"all":    func(ctx context.Context, slug, _ string) error { return b.registry.Remove(ctx, b.a, slug) },
		} {
			var once sync.Once
			var address string
			proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: target.Scheme, Host: target.Host})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				once.Do(func() {
					if err := change(context.WithoutCancel(r.Context()), name, address); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
				proxy.ServeHTTP(w, r)
			}))
			address = srv.URL + target.Path
			b.create(t, b.a, input(name, address, "X-Key", "value"))
			_, err := b.registry.Probe(t.Context(), b.a, name)
			requireKind(t, err, errs.Conflict)
			srv.Close()
			if got, err := b.registry.Get(t.Context(), b.a, name); name == "all" {
				requireKind(t, err, errs.NotFound)
			} else {
				require.NoError(t, err)
				require.Equal(t, upstreams.Waiting, got.State, name)
				require.Nil(t, got.Report, name)
			}
		}
	})
}

// TestAProbeThatWasCutShortSaysNothing: the report is about the runtime, and what
// ended here was ours.
func TestAProbeThatWasCutShortSaysNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx, cancel := context.WithCancel(t.Context())
		srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the caller is gone
			cancel()
			<-r.Context().Done()
		}))
		defer srv.Close()
		b.create(t, b.a, input("files", srv.URL))
		_, err := b.registry.Probe(ctx, b.a, "files")
		require.ErrorIs(t, err, context.Canceled)
		require.Nil(t, b.get(t, b.a, "files").Report)
	})
}
