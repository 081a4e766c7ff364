//go:build e2e

package e2e

import (
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

const kills = 8

// TestKillAtAnyMoment kills the gateway at random moments while clients register,
// call tools and refresh their tokens. Whatever was answered with success is there
// afterwards: each client, each call's row in the log, and the newest tokens.
func TestKillAtAnyMoment(t *testing.T) {
	t.Parallel()

	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()

			ctx := t.Context()
			g := newGateway(t, db, freePorts(t, 2))
			up := upstream.Start(upstream.Config{Stateless: true})
			t.Cleanup(up.Close)
			ada := httpflow.NewPerson(g.Console, "Ada Lovelace", nil)
			require.NoError(t, ada.SignUp(ctx))
			require.NoError(t, ada.CreateWorkspace(ctx, "Acme Works", "acme"))
			runtime, err := ada.AddRuntime(ctx, "acme", httpflow.RuntimeForm{Name: "Todos", Slug: "todos", URL: up.URL()})
			require.NoError(t, err)
			calling, seen := connected(t, ada, runtime), &lastRequest{through: http.DefaultTransport}
			calling.HTTP.Transport = seen
			refreshing := connected(t, ada, runtime)

			stop := make(chan struct{})
			var loops sync.WaitGroup
			var called []string
			loops.Go(func() {
				until(stop, func() {
					if _, err := calling.CallTool(ctx, "echo", map[string]any{"text": "x"}); err == nil {
						called = append(called, seen.id)
					}
				})
			})
			refreshed := 0
			loops.Go(func() {
				until(stop, func() {
					// A reply that was lost is asked for again with the same token, as clients do.
					if refreshing.Refresh(ctx) == nil {
						refreshed++
					}
				})
			})
			var registered []*httpflow.Client
			loops.Go(func() {
				until(stop, func() {
					c := httpflow.NewClient(runtime.MCPURL, nil)
					c.Server, c.Resource = calling.Server, calling.Resource
					if c.Register(ctx) == nil {
						registered = append(registered, c)
					}
					<-time.After(50 * time.Millisecond) // below the limit of registrations
				})
			})
			for range kills {
				<-time.After(time.Duration(100+rand.IntN(400)) * time.Millisecond)
				g.restart(t)
			}
			<-time.After(200 * time.Millisecond) // the last process serves, too
			close(stop)
			loops.Wait()

			require.NotEmpty(t, called)
			require.NotEmpty(t, registered)
			require.Positive(t, refreshed)
			g.restart(t)
			for _, id := range called {
				untilPage(t, ada, "/acme/logs/evt"+strings.TrimPrefix(id, "req"), id)
			}
			for _, c := range registered {
				page, err := httpflow.NewBrowser(nil).Open(ctx, c.AuthorizeURL())
				require.NoError(t, err)
				require.NoError(t, page.Expect(http.StatusOK), "a client that was registered")
			}
			require.NoError(t, refreshing.Refresh(ctx), "the newest refresh token")
			_, err = refreshing.CallTool(ctx, "echo", map[string]any{"text": "after all"})
			require.NoError(t, err, "the newest access token")
			t.Logf("%d calls, %d refreshes and %d registrations were answered over %d kills", len(called), refreshed, len(registered), kills)
		})
	}
}

// connected is a client that has its tokens.
func connected(t *testing.T, person *httpflow.Person, runtime *httpflow.Runtime) *httpflow.Client {
	t.Helper()
	client := httpflow.NewClient(runtime.MCPURL, nil)
	require.Eventually(t, func() bool { return client.Discover(t.Context()) == nil }, patience, 20*time.Millisecond)
	require.NoError(t, client.Register(t.Context()))
	callback, err := person.Allow(t.Context(), client.AuthorizeURL(), client.RedirectURI)
	require.NoError(t, err)
	require.NoError(t, client.Redeem(t.Context(), callback))
	return client
}

// until repeats what it is given until stop is closed.
func until(stop <-chan struct{}, do func()) {
	for {
		select {
		case <-stop:
			return
		default:
			do()
		}
	}
}

// lastRequest remembers the request id of the latest answer. It is used by one
// goroutine.
type lastRequest struct {
	through http.RoundTripper
	id      string
}

func (l *lastRequest) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.through.RoundTrip(r)
	if err == nil {
		l.id = resp.Header.Get("X-Request-Id")
	}
	return resp, err
}
