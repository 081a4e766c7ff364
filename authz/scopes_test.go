package authz_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
)

func TestParseScopes(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]authz.Scopes{
		"":                             nil,
		" a  b a ":                     {"a", "b"},
		"a\tb\r\nc":                    {"a", "b", "c"},
		"a:read a/b a.b https://x/y!":  {"a:read", "a/b", "a.b", "https://x/y!"},
		`a "b" c\d é ` + "\x00 \u00a0": {"a"},
		strings.Repeat("x", 65) + " y": {"y"},
		strings.Repeat("x", 64) + " y": {strings.Repeat("x", 64), "y"},
	} {
		require.Equal(t, want, authz.ParseScopes(asked), "%q", asked)
	}
	var many strings.Builder
	for i := range 20_000 {
		_, _ = fmt.Fprintf(&many, "s%d ", i)
	}
	require.Len(t, authz.ParseScopes(many.String()), 256)
}

func TestSets(t *testing.T) {
	t.Parallel()
	require.True(t, authz.ParseScopes("mcp x").Covers(authz.Scopes{"mcp"}))
	require.False(t, authz.Scopes{}.Covers(authz.Scopes{"mcp"}))
	have := authz.Scopes{"a", "b"}
	require.Equal(t, authz.Scopes{"a", "b", "c"}, have.Union(authz.Scopes{"b", "c"}))
	require.Equal(t, authz.Scopes{"a", "b"}, have, "the set itself stays")
	require.Equal(t, "a b", have.String())
}
