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
