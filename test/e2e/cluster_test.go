//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// soon is how long a change may take to reach every edge.
const soon = 2 * time.Second

const clusterOrigin = "http://acme.mcp.test"

// cluster is two processes on one PostgreSQL database that serve the same tenants,
// as they stand behind a load balancer.
type cluster struct {
	a, b *gateway
	// atA and atB reach the console, and the tenants through the edge of one of them.
	atA, atB http.RoundTripper
	ada      *httpflow.Person
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	listen := make([]string, 0, 3)
	for _, port := range freePorts(t, 3) {
		listen = append(listen, "127.0.0.1:"+strconv.Itoa(port))
	}
	origin := "EMCY_EDGE_ORIGIN=http://{tenant}.mcp.test"
	a := newGateway(t, postgres, nil, origin, "EMCY_EDGE_LISTEN="+listen[0])
	dir := t.TempDir()
	b := &gateway{Console: a.Console, Log: filepath.Join(dir, "gateway.log"), Database: a.Database, binary: a.binary, dir: dir}
	b.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + t.TempDir(), "EMCY_PUBLIC_URL=" + a.Console, "EMCY_LISTEN=" + listen[2],
		"EMCY_DATA_DIR=" + filepath.Join(a.dir, "data"), "EMCY_DATABASE_URL=" + a.Database, origin, "EMCY_EDGE_LISTEN=" + listen[1],
	}
	b.serve(t)
	c := &cluster{a: a, b: b, atA: through(listen[0]), atB: through(listen[1])}
	c.ada = httpflow.NewPerson(a.Console, "Ada Lovelace", c.atA)
	require.NoError(t, c.ada.SignUp(t.Context()))
	require.NoError(t, c.ada.CreateWorkspace(t.Context(), "Acme Works", "acme"))
	return c
}

// through reaches every name under mcp.test at one edge.
func through(edge string) http.RoundTripper {
	dialer := &net.Dialer{}
	return &http.Transport{
		MaxIdleConnsPerHost: 16,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if host, _, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".mcp.test") {
				address = edge
			}
			return dialer.DialContext(ctx, network, address)
		},
	}
}

// runtime adds a runtime at the console of A and gives its client, connected through A.
func (c *cluster) runtime(t *testing.T, slug string, config upstream.Config) (*upstream.Upstream, *httpflow.Client) {
	t.Helper()
	up := upstream.Start(config)
	t.Cleanup(up.Close)
	runtime, err := c.ada.AddRuntime(t.Context(), "acme", httpflow.RuntimeForm{Name: slug, Slug: slug, URL: up.URL()})
	require.NoError(t, err)
	return up, c.client(t, runtime.MCPURL)
}

func (c *cluster) client(t *testing.T, mcpURL string) *httpflow.Client {
	t.Helper()
	client := httpflow.NewClient(mcpURL, c.atA)
	require.Eventually(t, func() bool { return client.Discover(t.Context()) == nil }, patience, 20*time.Millisecond)
	require.NoError(t, client.Register(t.Context()))
	callback, err := c.ada.Allow(t.Context(), client.AuthorizeURL(), client.RedirectURI)
	require.NoError(t, err)
	require.NoError(t, client.Redeem(t.Context(), callback))
	return client
}

// twin is the same client, its requests sent through another edge.
func twin(client *httpflow.Client, transport http.RoundTripper) *httpflow.Client {
	other := httpflow.NewClient(client.MCPURL, transport)
	other.Server, other.Resource, other.ClientID = client.Server, client.Resource, client.ClientID
	other.Tokens, other.SessionID = client.Tokens, client.SessionID
	return other
}

// generation is what the edge behind a transport says of the tenant's configuration.
func generation(t *testing.T, transport http.RoundTripper, slug string) (number, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, clusterOrigin+"/.well-known/oauth-protected-resource/"+slug+"/mcp", nil)
	require.NoError(t, err)
	resp, err := transport.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	number, _ = strconv.Atoi(resp.Header.Get("Emcy-Generation"))
	return number, resp.StatusCode
}

// within requires that a change is seen in time, and says when it was.
func within(t *testing.T, what string, seen func() bool) {
	t.Helper()
	start := time.Now()
	require.Eventually(t, seen, soon, 5*time.Millisecond, what)
	t.Logf("%s after %s", what, time.Since(start).Round(time.Millisecond))
}

// TestTwoProcessesShareOneConfiguration: what is changed at one process is served
// by the other within two seconds, and both tell the same generation.
func TestTwoProcessesShareOneConfiguration(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx := t.Context()
	up := upstream.Start(upstream.Config{Stateless: true})
	t.Cleanup(up.Close)
	runtime, err := c.ada.PostRuntime(ctx, "acme", httpflow.RuntimeForm{Name: "Todos", Slug: "todos", URL: up.URL()})
	require.NoError(t, err)
	served := func(transport http.RoundTripper) int {
		n, status := generation(t, transport, "todos")
		if status != http.StatusOK {
			return 0
		}
		return n
	}
	within(t, "the new runtime at the other edge", func() bool { return served(c.atB) > 0 })
	within(t, "one generation at both", func() bool { return served(c.atA) == served(c.atB) })
	first := served(c.atB)

	// A session that began at one edge goes on at the other: nothing of it is kept in a process.
	_, opened := c.runtime(t, "sessions", upstream.Config{})
	require.NoError(t, opened.Initialize(ctx))
	require.NotEmpty(t, opened.SessionID)
	said, err := twin(opened, c.atB).CallTool(ctx, "echo", map[string]any{"text": "on the other side"})
	require.NoError(t, err)
	require.Contains(t, said, "on the other side")

	within(t, "the same newer generation at both", func() bool { return served(c.atA) == served(c.atB) && served(c.atB) > first })
	require.NoError(t, c.ada.RemoveRuntime(ctx, runtime))
	within(t, "the removal at the other edge", func() bool { return served(c.atB) == 0 })
	within(t, "and at this one", func() bool { return served(c.atA) == 0 })
}

// TestRevocationReachesBothEdges: while calls flow through both, a token that is
// revoked at one is refused by both within two seconds, and open streams end.
func TestRevocationReachesBothEdges(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx := t.Context()
	_, client := c.runtime(t, "todos", upstream.Config{})
	require.NoError(t, client.Initialize(ctx))
	bystander := twin(client, c.atB)
	bystander.Tokens = c.client(t, client.MCPURL).Tokens

	stream := openStream(t, twin(client, c.atB))
	answered := map[string]*lastAnswer{"this edge": {}, "the other edge": {}}
	stop := make(chan struct{})
	var loops sync.WaitGroup
	for name, transport := range map[string]http.RoundTripper{"this edge": c.atA, "the other edge": c.atB} {
		caller := twin(client, transport)
		loops.Go(func() {
			until(stop, func() { answered[name].call(ctx, caller) })
		})
	}
	for name, last := range answered {
		require.Eventually(t, func() bool { return last.count() > 20 }, patience, time.Millisecond, name)
	}

	revoke(t, client)
	revoked := time.Now()
	within(t, "the end of the open stream", func() bool {
		select {
		case <-stream:
			return true
		default:
			return false
		}
	})
	<-time.After(time.Until(revoked.Add(soon)))
	for range 20 {
		for _, transport := range []http.RoundTripper{c.atA, c.atB} {
			_, err := twin(client, transport).CallTool(ctx, "echo", map[string]any{"text": "refused"})
			var refused *httpflow.Answer
			require.ErrorAs(t, err, &refused)
			require.Equal(t, http.StatusUnauthorized, refused.Status)
		}
	}
	close(stop)
	loops.Wait()
	for name, last := range answered {
		last.mu.Lock()
		took := last.at.Sub(revoked)
		last.mu.Unlock()
		require.Less(t, took, soon, name)
		t.Logf("the last call that %s answered began %s after the revocation", name, took.Round(time.Millisecond))
	}
	_, err := bystander.Tools(ctx)
	var other *httpflow.Answer
	require.ErrorAs(t, err, &other, "another client's session is not this one's")
	require.Equal(t, http.StatusNotFound, other.Status, "its token is still good")
}

// lastAnswer counts the calls of one caller that were answered, and remembers when
// the latest of them began.
type lastAnswer struct {
	mu sync.Mutex
	n  int
	at time.Time
}

func (l *lastAnswer) call(ctx context.Context, caller *httpflow.Client) {
	began := time.Now()
	if _, err := caller.CallTool(ctx, "echo", map[string]any{"text": "x"}); err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n, l.at = l.n+1, began
}

func (l *lastAnswer) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n
}

// openStream opens the session's own stream; the channel is closed when it ends.
func openStream(t *testing.T, client *httpflow.Client) <-chan struct{} {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, client.MCPURL, nil)
	require.NoError(t, err)
	req.Header = http.Header{
		"Accept": {"text/event-stream"}, "Authorization": {"Bearer " + client.Tokens.AccessToken},
		"Mcp-Session-Id": {client.SessionID}, "Mcp-Protocol-Version": {"2025-11-25"},
	}
	resp, err := client.HTTP.Transport.RoundTrip(req)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer func() { _ = resp.Body.Close() }()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		}
	}()
	select {
	case <-ended:
		require.FailNow(t, "the stream ended at once")
	case <-time.After(200 * time.Millisecond):
	}
	return ended
}

// revoke takes the client's tokens back at the edge that it uses (RFC 7009).
func revoke(t *testing.T, client *httpflow.Client) {
	t.Helper()
	form := url.Values{"token": {client.Tokens.RefreshToken}, "client_id": {client.ClientID}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, client.Server.RevocationEndpoint, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.HTTP.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
}

// TestOneOfTwoProcessesIsKilled: calls flow through both; one is killed, comes back
// twice and the third time does not. The other answers on without a fault, and every
// call that was answered by either is counted exactly once: what the dead process
// has not stored, the living one takes from the folder that they share.
func TestOneOfTwoProcessesIsKilled(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	ctx := t.Context()
	up, client := c.runtime(t, "todos", upstream.Config{Stateless: true})

	stop := make(chan struct{})
	var loops sync.WaitGroup
	var mu sync.Mutex
	answered := map[string]int{}
	var faults []error
	for i, transport := range []http.RoundTripper{c.atA, c.atA, c.atB, c.atB} {
		seen := &lastRequest{through: transport}
		caller := twin(client, seen)
		loops.Go(func() {
			until(stop, func() {
				_, err := caller.CallTool(ctx, "echo", map[string]any{"text": "x"})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil:
					answered[seen.id]++
				case transport == c.atA:
					faults = append(faults, fmt.Errorf("caller %d: %w", i, err))
				}
			})
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(answered) }
	for range 3 {
		if c.b.cmd == nil {
			c.b.start(t)
		}
		before := count()
		require.Eventually(t, func() bool { return count() > before+200 }, patience, time.Millisecond)
		c.b.kill(t)
		before = count()
		require.Eventually(t, func() bool { return count() > before+100 }, patience, time.Millisecond, "the other one answers on")
	}
	close(stop)
	loops.Wait()
	require.Empty(t, faults, "a call through the process that lives")

	db, err := pgx.Connect(ctx, c.a.Database)
	require.NoError(t, err)
	defer func() { _ = db.Close(ctx) }()
	counted := func() map[string]int {
		rows, err := db.Query(ctx, "select request_id from usage_events where method = 'tools/call' and status = 200")
		require.NoError(t, err)
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		out := map[string]int{}
		for _, id := range ids {
			out[id]++
		}
		return out
	}
	var rows map[string]int
	require.Eventually(t, func() bool {
		rows = counted()
		for id := range answered {
			if rows[id] == 0 {
				return false
			}
		}
		return true
	}, patience, 50*time.Millisecond, "an answered call that is not counted")
	for id, n := range rows {
		require.Equal(t, 1, n, "call %s is counted once", id)
	}
	require.LessOrEqual(t, len(rows), len(up.Calls()), "nothing is counted that the runtime did not do")
	t.Logf("%d calls were answered over 3 kills, %d counted, %d done by the runtime", len(answered), len(rows), len(up.Calls()))
}
