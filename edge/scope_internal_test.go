package edge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/mcpwire"
)

// TestScopesCostNothing: a call that may run allocates nothing to find that out.
func TestScopesCostNothing(t *testing.T) { //nolint:paralleltest // allocations are counted for the whole process
	c, err := authz.NewCatalogue([]authz.Scope{
		{Name: "read", Tools: []authz.Tool{{UpstreamID: "ups_1", Name: "search"}}},
		{Name: "danger", Includes: authz.Scopes{"read"}, Tools: []authz.Tool{{UpstreamID: "ups_1", Name: authz.AnyTool}}},
	})
	require.NoError(t, err)
	x := exchange{call: call{edge: &snapshot.Edge{Gate: c.Gate("ups_1")}}, access: &access{scopes: []string{"mcp", "danger"}}}
	for _, m := range []mcpwire.Message{
		{Kind: mcpwire.KindRequest, Method: mcpwire.MethodToolsCall, Name: "search"},
		{Kind: mcpwire.KindRequest, Method: mcpwire.MethodToolsCall, Name: "unheard of"},
		{Kind: mcpwire.KindBatch, Batch: []mcpwire.Message{{Method: mcpwire.MethodToolsCall, Name: "search"}, {Method: mcpwire.MethodToolsList}}},
	} {
		x.message = m
		require.Nil(t, x.checkTools())
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = x.checkTools() }))
	}
	x.edge, x.message = &snapshot.Edge{}, mcpwire.Message{Method: mcpwire.MethodToolsCall, Name: "search"}
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = x.checkTools() }))
}
