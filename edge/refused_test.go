package edge_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/secret"
)

// picky is a runtime that refuses tokens the way runtimes do, and counts what it did.
type picky struct {
	mu     sync.Mutex
	good   map[string]bool // tokens that it takes
	status int             // of a refusal; 401 unless set
	says   string          // with a refusal
	got    []string        // the tokens that came
	ran    int
}

func (p *picky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	token := r.Header.Get("X-Emcy-Upstream-Access-Token")
	p.got = append(p.got, token)
	if !p.good[token] {
		status := http.StatusUnauthorized
		if p.status != 0 {
			status = p.status
		}
		if p.says != "" {
			w.Header().Set("WWW-Authenticate", p.says)
		}
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":"canary of the runtime"}`)
		return
	}
	p.ran++
	if len(body) > 0 && !strings.Contains(string(body), `"name":"echo"`) {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", jsonType)
	_, _ = io.WriteString(w, pong)
}

func (p *picky) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.got
	p.got = nil
	return got
}

// TestARefusedTokenIsRenewedOnce: one other token, one more try, and the tool ran once.
func TestARefusedTokenIsRenewedOnce(t *testing.T) {
	t.Parallel()
	p := &picky{good: map[string]bool{"new": true}, says: `Bearer error="invalid_token", resource_metadata="https://runtime/canary"`}
	g := ofAda()
	g.renewed["acc_ada"] = token("new", 2)
	b := withGrants(t, p, g, nil)
	resp, body := b.do(b.request("POST", toolCall))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, pong, body)
	require.Equal(t, []string{accessOfAda, "new"}, p.seen())
	require.Equal(t, 1, p.ran)
	require.Equal(t, 1, g.suspect)
	require.Empty(t, g.links)
	e := b.events.list()[0]
	require.Empty(t, e.Reason)
	require.Len(t, b.events.list(), 1, "one call, one event")
	require.LessOrEqual(t, e.Gateway+e.Upstream, e.Total)

	_, _ = b.do(b.request("POST", toolCall))
	require.Equal(t, []string{"new"}, p.seen())
}

// TestATokenThatStaysRefused: the client is asked to connect, and sees nothing of the runtime's challenge.
func TestATokenThatStaysRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		renewed *edge.DownstreamToken
		tries   []string
		suspect int // of two calls
	}{
		"a new one as well":         {ptr(token("newer", 2)), []string{accessOfAda, "newer"}, 1},
		"there is none":             {nil, []string{accessOfAda}, 2},
		"a new one of an exchange":  {&edge.DownstreamToken{Value: token("newer", 0).Value}, []string{accessOfAda, "newer"}, 1},
		"the same under new colour": {ptr(token(accessOfAda, 1)), []string{accessOfAda}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &picky{says: `Bearer realm="canary", Basic realm="canary"`}
			g := ofAda()
			if name == "a new one of an exchange" { // those have no grant
				g.tokens["acc_ada"] = edge.DownstreamToken{Value: secret.New(accessOfAda)}
			}
			if c.renewed != nil {
				g.renewed["acc_ada"] = *c.renewed
			}
			b := withGrants(t, p, g, nil)
			resp, body := b.do(b.request("POST", toolCall))
			require.Equal(t, http.StatusOK, resp.StatusCode)
			a := read(t, body)
			require.True(t, a.Result.IsError)
			require.Contains(t, a.Result.Content[0].Text, "Your connection to Todo has ended. It has to be made again. Open this link")
			require.NotContains(t, body, "canary")
			require.Empty(t, resp.Header.Values("Www-Authenticate"))
			require.Equal(t, c.tries, p.seen())
			require.Equal(t, "downstream_rejected", b.events.list()[0].Reason)
			require.Zero(t, p.ran)

			// A runtime that takes nothing does not cost a refresh per call.
			_, _ = b.do(b.request("POST", toolCall))
			require.Equal(t, c.suspect, g.suspect)
			b.clock.Advance(time.Minute)
			_, _ = b.do(b.request("POST", toolCall))
			require.Equal(t, c.suspect+1, g.suspect)

			resp, body = b.do(b.request("GET", ""))
			require.Equal(t, http.StatusBadGateway, resp.StatusCode)
			require.Contains(t, body, b.server.URL+"/me/apps")
		})
	}
}

func ptr[T any](v T) *T { return &v }

// TestWhenRenewingFails: a fault of the moment is one, and a dead grant is asked for anew.
func TestWhenRenewingFails(t *testing.T) {
	t.Parallel()
	p := &picky{}
	g := ofAda()
	b := withGrants(t, p, renewing{g, errors.New("canary")}, nil)
	resp, body := b.do(b.request("POST", toolCall))
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.NotContains(t, body, "canary")
	require.Equal(t, "downstream_unavailable", b.events.list()[0].Reason)

	for _, c := range []struct {
		why    edge.Reason
		reason string
	}{{edge.Ended, "downstream_rejected"}, {edge.NotConnected, "needs_connect:not_connected"}, {edge.MoreScopes, "needs_connect:more_scopes"}} {
		b := withGrants(t, p, renewing{g, &edge.NeedsConnect{Profile: "Todo", Reason: c.why}}, nil)
		resp, body := b.do(b.request("POST", toolCall))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Contains(t, body, "/connect/link-")
		require.Equal(t, c.reason, b.events.list()[0].Reason)
	}
}

// TestTheSecretsRefusalIsTheOperators: it says nothing about the person.
func TestTheSecretsRefusalIsTheOperators(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]string{
		"alone":         `EmcyWorker error="invalid_secret"`,
		"among others":  `Bearer realm="x", emcyworker error="invalid_secret"`,
		"after a comma": `Basic realm="a, b" , EmcyWorker`,
	} {
		p := &picky{says: says}
		g := ofAda()
		b := withGrants(t, p, g, nil)
		resp, body := b.do(b.request("POST", toolCall))
		require.Equal(t, http.StatusBadGateway, resp.StatusCode, name)
		require.Contains(t, body, "worker secret")
		require.Equal(t, "upstream_refused_secret", b.events.list()[0].Reason)
		require.Zero(t, g.suspect)
		require.Len(t, p.seen(), 1)
	}

	// The second try may meet a runtime whose secret has just changed.
	p := &changing{}
	g := ofAda()
	g.renewed["acc_ada"] = token("new", 2)
	b := withGrants(t, p, g, nil)
	resp, _ := b.do(b.request("POST", toolCall))
	require.Equal(t, http.StatusBadGateway, resp.StatusCode)
	require.Equal(t, "upstream_refused_secret", b.events.list()[0].Reason)
}

type changing struct{}

func (c *changing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Emcy-Upstream-Access-Token") == "new" {
		w.Header().Set("WWW-Authenticate", `EmcyWorker error="invalid_secret"`)
	}
	w.WriteHeader(http.StatusUnauthorized)
}

// TestWithoutATokenA401IsAsEver: unless the runtime asks for a person's token.
func TestWithoutATokenA401IsAsEver(t *testing.T) {
	t.Parallel()
	for says, asked := range map[string]bool{"": false, `Basic realm="x"`: false, `Bearer`: true, `Bearer realm="x"`: true} {
		p := &picky{says: says}
		b := withGrants(t, p, &grants{}, func(e *snapshot.Edge) { e.Downstream.Need = snapshot.NeedNothing })
		resp, body := b.do(b.request("POST", toolCall))
		if asked {
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Contains(t, body, "/connect/link-1")
			require.Equal(t, "needs_connect:not_connected", b.events.list()[0].Reason)
		} else {
			require.Equal(t, http.StatusBadGateway, resp.StatusCode)
			require.Equal(t, "upstream_refused_secret", b.events.list()[0].Reason)
		}
	}
}

// TestMoreScopeIsAskedFor: of what the profile may be used for, and nothing besides.
func TestMoreScopeIsAskedFor(t *testing.T) {
	t.Parallel()
	for says, want := range map[string][]string{
		`Bearer error="insufficient_scope", scope="todo:share admin"`:       {"todo:read", "todo:share"},
		`Basic, bearer scope="todo:write",error=insufficient_scope`:         {"todo:read", "todo:write"},
		`Bearer error="insufficient_scope", scope="admin"`:                  nil,
		`Bearer error="insufficient_scope"`:                                 nil,
		`Bearer error="invalid_token", scope="todo:share"`:                  nil,
		`EmcyWorker, Bearer error="insufficient_scope", scope="todo:share"`: nil,
		``: nil,
	} {
		p := &picky{status: http.StatusForbidden, says: says}
		g := ofAda()
		b := withGrants(t, p, g, nil)
		resp, body := b.do(b.request("POST", toolCall))
		require.NotContains(t, body, "canary")
		require.NotContains(t, body, "admin")
		require.Empty(t, resp.Header.Values("Www-Authenticate"))
		require.Len(t, p.seen(), 1, "sent once")
		if want == nil {
			require.Equal(t, http.StatusBadGateway, resp.StatusCode, says)
			require.Equal(t, "upstream_forbidden", b.events.list()[0].Reason)
			require.Empty(t, g.links)
			continue
		}
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Contains(t, body, "more access to your account at Todo")
		require.Equal(t, want, g.links[0].Scopes)
		require.Equal(t, "needs_connect:more_scopes", b.events.list()[0].Reason)
	}
}

// TestOnlyA401IsSentTwice: whatever else a runtime answers, the message went out once.
func TestOnlyA401IsSentTwice(t *testing.T) {
	t.Parallel()
	for _, status := range []int{400, 403, 404, 407, 408, 409, 425, 429, 500, 502, 503, 504} {
		p := &picky{status: status, says: `Bearer error="invalid_token"`}
		g := ofAda()
		g.renewed["acc_ada"] = token("new", 2)
		b := withGrants(t, p, g, nil)
		_, _ = b.do(b.request("POST", toolCall))
		require.Len(t, p.seen(), 1, status)
		require.Zero(t, g.suspect, status)
	}
	// Without a profile a 401 is sent once, too.
	p := &picky{}
	b := setup(t, p)
	_, _ = b.do(b.request("POST", toolCall))
	require.Len(t, p.seen(), 1)
}

// TestAnotherTokenIsAnotherChance: what was refused says nothing about what a person connects after it.
func TestAnotherTokenIsAnotherChance(t *testing.T) {
	t.Parallel()
	p := &picky{good: map[string]bool{"best": true}}
	g := ofAda()
	g.renewed["acc_ada"] = token("newer", 2)
	b := withGrants(t, p, g, nil)
	_, body := b.do(b.request("POST", toolCall))
	require.Contains(t, body, "/connect/link-")
	g.set(func(g *grants) {
		g.tokens["acc_ada"], g.renewed["acc_ada"] = token("connected again", 3), token("best", 4)
	})
	_, body = b.do(b.request("POST", toolCall))
	require.Equal(t, pong, body)
	require.Equal(t, 2, g.suspect)
}
