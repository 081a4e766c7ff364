//go:build e2e

package e2e

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/clients/wire"
)

// clientsOf says which database and runtime a client is tested with. Between them
// both databases and both runtimes see every era.
var clientsOf = []struct {
	db      database
	runtime exampleKind
	// method is how a client with a secret is entered in the console; some send it
	// the other way, which has to be no matter.
	method   string
	programs map[string]func(*testing.T) program
}{
	{sqlite, fastMCP, "client_secret_basic", map[string]func(*testing.T) program{
		"TypeScript SDK 1": typeScript1, "Go SDK": goSDK, "MCP Inspector": inspector,
	}},
	{postgres, typeScript, "client_secret_post", map[string]func(*testing.T) program{
		"mcp-go": mcpGo, "mcp-remote": mcpRemote, "FastMCP": fastMCPClient,
	}},
}

// TestClients is every client that others wrote: found by itself, registered in
// every way that it knows, allowed by a person, answered, and with another token
// when its own is over.
// That it can fail is proven with the same clients before a broken server.
func TestClients(t *testing.T) {
	t.Parallel()

	for _, group := range clientsOf {
		t.Run(string(group.db), func(t *testing.T) {
			t.Parallel()

			s := newService(t, group.db, group.runtime)
			for name, build := range group.programs {
				t.Run(name, func(t *testing.T) {
					t.Parallel()

					p := build(t)
					for _, e := range p.eras {
						t.Run(string(e), func(t *testing.T) {
							t.Parallel()
							testClient(t, s, p, e)
						})
					}
					t.Run("the refresh token is refused", func(t *testing.T) {
						t.Parallel()
						testRefusedRefresh(t, s, p)
					})
					testKinds(t, s, name, group.method, p)
					require.GreaterOrEqual(t, len(p.faults), 4)
					for _, f := range p.faults {
						t.Run(f.name, func(t *testing.T) {
							t.Parallel()
							testFault(t, s, p, f)
						})
					}
				})
			}
		})
	}
}

func testClient(t *testing.T, s *service, p program, e clientEra) {
	t.Helper()
	d := newDesk(t, elsewhere(s.owner))
	require.NoError(t, p.run(t.Context(), d, s.runtime.MCPURL, e))
	require.Equal(t, 1, d.browsed(), "the person is asked once")
	before := p.kept(t, d)
	asked := s.asked(t, before.clientID)
	require.NotEmpty(t, asked, "the runtime knows the client")
	for _, request := range asked {
		require.Empty(t, request.header("authorization"))
		require.Empty(t, request.header("cookie"))
	}
	require.Equal(t, revisions[e], asked[len(asked)-1].header("mcp-protocol-version"))

	p.age(t, d, e)
	require.NoError(t, p.run(t.Context(), d, s.runtime.MCPURL, e), "after the token's end")
	require.Equal(t, 1, d.browsed(), "nobody is asked for a refresh")
	after := p.kept(t, d)
	require.Equal(t, before.clientID, after.clientID)
	require.NotEqual(t, before.access, after.access)
	require.NotEqual(t, before.refresh, after.refresh)
	require.Greater(t, len(s.asked(t, before.clientID)), len(asked), "the runtime was called again")
	require.True(t, s.refreshed(t, before, after), "the old refresh token was used up for the new one")
}

// testRefusedRefresh holds that a wire by itself is in no client's way, and that a
// client which cannot refresh is not taken for one which did: it fails, or the
// person is asked again.
func testRefusedRefresh(t *testing.T, s *service, p program) {
	t.Helper()
	w := newWire(t, s, wire.RefusedRefresh)
	d := newDesk(t, elsewhere(s.owner))
	require.NoError(t, p.run(t.Context(), d, w.Origin+"/todos/mcp", p.eras[0]))
	require.Equal(t, toCall, reached(w))
	p.age(t, d, p.eras[0])
	err := p.run(t.Context(), d, w.Origin+"/todos/mcp", p.eras[0])
	require.True(t, err != nil || d.browsed() > 1, "it goes on as if it had a token")
	require.Contains(t, w.Seen(), wire.Seen{Method: "POST", Path: "/token", Grant: "refresh_token", Status: 400})
}

// testFault holds that a client stops at what is broken, and not before or after.
func testFault(t *testing.T, s *service, p program, f fault) {
	t.Helper()
	w := newWire(t, s, f.breaks)
	err := p.run(t.Context(), newDesk(t, elsewhere(s.owner)), w.Origin+"/todos/mcp", p.eras[0])
	var failed *stageError
	require.ErrorAs(t, err, &failed)
	stage := p.login
	if f.reached == toCall {
		stage = "call"
	}
	require.Equal(t, stage, failed.stage, failed.said)
	require.Contains(t, failed.said, f.says)
	require.Equal(t, f.reached, reached(w), failed.said)
}

func newWire(t *testing.T, s *service, breaks wire.Break) *wire.Wire {
	t.Helper()
	w, err := wire.Start(s.origin(), breaks)
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

// reached is how far clients came through a wire.
func reached(w *wire.Wire) reach {
	saw := func(match func(wire.Seen) bool) bool { return slices.ContainsFunc(w.Seen(), match) }
	return reach{
		register:  saw(func(s wire.Seen) bool { return s.Path == "/register" }),
		authorize: saw(func(s wire.Seen) bool { return s.Path == "/authorize" }),
		token:     saw(func(s wire.Seen) bool { return s.Path == "/token" }),
		mcp:       saw(func(s wire.Seen) bool { return s.Path == "/todos/mcp" && s.Status < 300 }),
	}
}
