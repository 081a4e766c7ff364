//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// killed waits for a node that killed itself.
func (n *grantNode) killed(t *testing.T) {
	t.Helper()
	select {
	case <-n.exited:
	case <-time.After(patience):
		require.FailNow(t, "the node lives on")
	}
	status, ok := n.cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	require.Equal(t, syscall.SIGKILL, status.Signal())
}

// state asks a node for the grant.
func (i *installation) state(t *testing.T, n *grantNode) grants.Grant {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.at+"/grant?"+url.Values{"tenant": {i.tenant}, "id": {i.grant.ID}}.Encode(), nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	var g grants.Grant
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&g))
	return g
}

// The points of a refresh at which a process can be killed. lost says that the provider
// has rotated then, and nobody has its answer.
var killPoints = []struct {
	name  string
	lost  bool
	fault *fake.Fault
}{
	{name: "grants.leased"},
	{name: "grants.answered", lost: true},
	{name: "grants.storing", lost: true},
	{name: "grants.written", lost: true},
	{name: "grants.stored"},
	{name: "grants.refused", fault: &unwell},
	{name: "grants.noted", fault: &unwell},
}

var unwell = fake.Status(http.StatusServiceUnavailable)

// TestKilledInARefresh kills a node with SIGKILL at every point of a refresh, on every
// database. With a provider that gives a lost answer again no grant is ever lost. With
// one that does not, a grant is lost exactly where the provider lost it, and then it is
// asked once and no more.
func TestKilledInARefresh(t *testing.T) {
	t.Parallel()
	for _, db := range databases {
		for _, strict := range []bool{false, true} {
			name := string(db) + ", a provider with a grace"
			if strict {
				name = string(db) + ", a strict provider"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, point := range killPoints {
					t.Run(point.name, func(t *testing.T) {
						var options []fake.Option
						if !strict {
							options = append(options, fake.Grace(time.Hour))
						}
						i := newInstallation(t, db, options...)
						for range 3 {
							dead := i.killOnce(t, point.name, point.fault)
							require.Equal(t, strict && point.lost, dead, "a grant is lost where the provider lost it, and only there")
							if dead {
								break
							}
						}
					})
				}
			})
		}
	}
}

// killOnce kills a node in a refresh, starts another one, and looks at the grant. It
// reports whether the grant is dead.
func (i *installation) killOnce(t *testing.T, point string, fault *fake.Fault) bool {
	t.Helper()
	before := i.provider.RefreshRequests()
	rotated := i.rotations()
	if fault != nil {
		i.provider.Fail("refresh", *fault, 1)
	}
	i.nodes = nil
	doomed := i.start(t, point)
	i.pass(t, time.Hour)
	require.Error(t, doomed.try(t.Context(), "/call", i.form(10), nil), "its connection ends with it")
	doomed.killed(t)

	i.nodes = nil
	next := i.start(t, "")
	i.pass(t, 16*time.Second) // what the dead one leased is over
	var got calls
	next.post(t, "/call", i.form(10), &got)
	g := i.state(t, next)
	sent := i.provider.RefreshRequests() - before
	require.LessOrEqual(t, sent, 2, "the stored token is tried once")
	dead := g.State == grants.StateNeedsReconnect
	if dead {
		require.Equal(t, "lost_answer", g.Reason)
		var again calls
		next.post(t, "/call", i.form(10), &again)
		require.Equal(t, sent, i.provider.RefreshRequests()-before, "a dead grant is left alone")
	} else {
		require.Empty(t, got.Errors)
		require.Len(t, got.Tokens, 1)
		require.Equal(t, grants.StateConnected, g.State)
		require.Equal(t, rotated+1, i.rotations(), "one expiry is one rotation")
		require.Zero(t, i.provider.Reuses())
	}
	require.NoError(t, next.cmd.Process.Signal(syscall.SIGTERM))
	<-next.exited
	return dead
}
