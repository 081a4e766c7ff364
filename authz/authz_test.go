package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
)

func TestRoles(t *testing.T) {
	t.Parallel()
	require.True(t, authz.Allow(authz.Owner, authz.WriteUpstreams))
	require.True(t, authz.Allow(authz.Developer, authz.WriteUpstreams))
	require.False(t, authz.Allow(authz.Viewer, authz.WriteUpstreams))
	require.True(t, authz.Allow(authz.Viewer, authz.ReadLogs))
	require.False(t, authz.Allow("root", authz.ReadWorkspace), "an unknown role has nothing")
	require.Equal(t, authz.Developer, authz.Needs(authz.WriteUpstreams))
}

func TestScopes(t *testing.T) {
	t.Parallel()
	require.Equal(t, authz.Scopes{"a", "b"}, authz.ParseScopes(" a  b a "))
	require.Equal(t, "mcp", authz.Narrow(nil).String())
	require.Equal(t, "mcp", authz.Narrow(authz.ParseScopes("openid profile")).String())
	require.Equal(t, "mcp offline_access", authz.Narrow(authz.ParseScopes("offline_access mcp x")).String())
	require.True(t, authz.ParseScopes("mcp x").Covers(authz.Scopes{"mcp"}))
	require.False(t, authz.Scopes{}.Covers(authz.Scopes{"mcp"}))
}
