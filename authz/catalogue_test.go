package authz_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
)

// library is a tenant with a hierarchy, two runtimes and a scope beside it.
func library(t *testing.T) authz.Catalogue {
	t.Helper()
	c, err := authz.NewCatalogue([]authz.Scope{
		{Name: "read", Initial: true, Tools: []authz.Tool{{UpstreamID: "ups_a", Name: "search"}, {UpstreamID: "ups_b", Name: "peek"}}},
		{Name: "write", Includes: authz.Scopes{"read"}, Initial: true, Tools: []authz.Tool{{UpstreamID: "ups_a", Name: "lend"}, {UpstreamID: "ups_a", Name: "search"}}},
		{Name: "danger", Includes: authz.Scopes{"write"}, Tools: []authz.Tool{{UpstreamID: "ups_a", Name: "burn"}, {UpstreamID: "ups_a", Name: authz.AnyTool}}},
		{Name: "fines", Tools: []authz.Tool{{UpstreamID: "ups_b", Name: "fine"}}},
	})
	require.NoError(t, err)
	return c
}

func TestNarrow(t *testing.T) {
	t.Parallel()
	c := library(t)
	for _, row := range []struct{ asked, ceiling, want string }{
		{"", "-", "mcp read write"},
		{"openid profile", "-", "mcp read write"},
		{"offline_access", "-", "mcp read write offline_access"},
		{"mcp", "-", "mcp"},
		{"danger", "-", "mcp danger"},
		{"offline_access danger x read mcp", "-", "mcp read danger offline_access"},
		{"danger", "read", "mcp read"},
		{"danger", "write", "mcp read write"},
		{"read", "danger", "mcp read"},
		{"fines", "read", "mcp"},
		{"", "fines", "mcp"},
		{"read fines", "nothing", "mcp"},
		{"offline_access", "read", "mcp read offline_access"},
	} {
		var ceiling authz.Scopes
		if row.ceiling != "-" {
			ceiling = authz.ParseScopes(row.ceiling)
		}
		got := c.Narrow(authz.ParseScopes(row.asked), ceiling)
		require.Equal(t, row.want, got.String(), "%q under %q", row.asked, row.ceiling)
		require.Equal(t, got, c.Narrow(got, ceiling), "what was granted can be asked for again")
	}
	require.Equal(t, "mcp", authz.Catalogue{}.Narrow(authz.ParseScopes("read danger"), nil).String())
	require.Equal(t, "mcp offline_access", authz.Catalogue{}.Supported().String())
	require.Equal(t, "mcp read write offline_access", c.Supported().String())
	require.Equal(t, "mcp", c.Keep(authz.ParseScopes("mcp gone"), nil).String(), "keeping asks for nothing new")
	require.Equal(t, "mcp read", c.Keep(authz.ParseScopes("mcp read fines"), authz.Scopes{"read"}).String())
}

// TestRS14_Hierarchy: whoever holds a scope holds what it includes.
func TestRS14_Hierarchy(t *testing.T) {
	t.Parallel()
	c := library(t)
	require.True(t, c.Covers(authz.Scopes{"mcp", "danger"}, authz.Scopes{"mcp", "read", "write"}))
	require.False(t, c.Covers(authz.Scopes{"mcp", "read"}, authz.Scopes{"write"}))
	require.False(t, c.Covers(authz.Scopes{"danger"}, authz.Scopes{"fines"}))
	g := c.Gate("ups_a")
	for held, closed := range map[string]map[string]string{
		"mcp":        {"search": "read", "lend": "write", "burn": "danger", "unheard of": "danger"},
		"mcp read":   {"search": "", "lend": "write", "burn": "danger", "unheard of": "danger"},
		"mcp write":  {"search": "", "lend": "", "burn": "danger", "unheard of": "danger"},
		"mcp danger": {"search": "", "lend": "", "burn": "", "unheard of": ""},
		"mcp fines":  {"search": "read", "burn": "danger"},
		"":           {"search": "read"},
	} {
		for tool, missing := range closed {
			require.Equal(t, missing, g.Missing(authz.ParseScopes(held), tool), "%q calls %s", held, tool)
			require.Equal(t, missing == "", c.Covers(authz.ParseScopes(held+" mcp"), c.Needs("ups_a", tool)), "%q calls %s", held, tool)
		}
	}
	require.Equal(t, "mcp read", c.Needs("ups_a", "search").String(), "the least of those that open it")
	require.Equal(t, "mcp danger", c.Needs("ups_a", "unheard of").String())
	require.Equal(t, "mcp", c.Needs("ups_b", "unheard of").String(), "a tool that nobody claims")
}

func TestGateOfAnotherRuntime(t *testing.T) {
	t.Parallel()
	c := library(t)
	require.Nil(t, c.Gate("ups_c"))
	require.Empty(t, c.Gate("ups_c").Missing(nil, "anything"))
	g := c.Gate("ups_b")
	require.Empty(t, g.Missing(authz.Scopes{"mcp"}, "search"), "what a runtime does not claim is open there")
	require.Equal(t, "read", g.Missing(authz.Scopes{"mcp"}, "peek"))
	require.Empty(t, g.Missing(authz.Scopes{"danger"}, "peek"))
	require.Equal(t, "read", g.Missing(authz.Scopes{"fines"}, "peek"))
}

func TestAt(t *testing.T) {
	t.Parallel()
	c := library(t)
	at := func(id string) (names authz.Scopes) {
		for _, s := range c.At(id).All() {
			names = append(names, s.Name)
		}
		return names
	}
	require.Equal(t, authz.Scopes{"read", "write", "danger"}, at("ups_a"))
	require.Equal(t, authz.Scopes{"read", "write", "danger", "fines"}, at("ups_b"), "write opens there what it includes")
	require.Empty(t, at("ups_c"))
	require.Equal(t, "mcp", c.At("ups_c").Initial().String())
	require.Equal(t, "mcp read", c.At("ups_a").Narrow(authz.Scopes{"fines", "read"}, nil).String())
	s, ok := c.Get("fines")
	require.True(t, ok)
	require.True(t, s.Opens("ups_b", "fine"))
	_, ok = c.Get("mcp")
	require.False(t, ok)
}

func TestCatalogueFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		scopes []authz.Scope
		fault  error
	}{
		"no token":  {[]authz.Scope{{Name: "a b"}}, authz.ErrScopeName},
		"empty":     {[]authz.Scope{{Name: ""}}, authz.ErrScopeName},
		"quote":     {[]authz.Scope{{Name: `a"`}}, authz.ErrScopeName},
		"base":      {[]authz.Scope{{Name: "mcp"}}, authz.ErrScopeReserved},
		"offline":   {[]authz.Scope{{Name: "offline_access"}}, authz.ErrScopeReserved},
		"twice":     {[]authz.Scope{{Name: "a"}, {Name: "a"}}, authz.ErrScopeTwice},
		"unknown":   {[]authz.Scope{{Name: "a", Includes: authz.Scopes{"b"}}}, authz.ErrUnknownInclude},
		"self":      {[]authz.Scope{{Name: "a", Includes: authz.Scopes{"a"}}}, authz.ErrCycle},
		"two":       {[]authz.Scope{{Name: "a", Includes: authz.Scopes{"b"}}, {Name: "b", Includes: authz.Scopes{"a"}}}, authz.ErrCycle},
		"long way":  {[]authz.Scope{{Name: "a", Includes: authz.Scopes{"b"}}, {Name: "b", Includes: authz.Scopes{"c"}}, {Name: "c", Includes: authz.Scopes{"a"}}}, authz.ErrCycle},
		"a diamond": {[]authz.Scope{{Name: "a", Includes: authz.Scopes{"b", "c"}}, {Name: "b", Includes: authz.Scopes{"d"}}, {Name: "c", Includes: authz.Scopes{"d"}}, {Name: "d"}}, nil},
	} {
		_, err := authz.NewCatalogue(c.scopes)
		require.ErrorIs(t, err, c.fault, name)
	}
}

// TestGateAllocatesNothing: every call of every tool asks it.
func TestGateAllocatesNothing(t *testing.T) { //nolint:paralleltest // allocations are counted for the whole process
	g := library(t).Gate("ups_a")
	held := authz.Scopes{"mcp", "write"}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_ = g.Missing(held, "search")
		_ = g.Missing(held, "burn")
		_ = g.Missing(held, "unheard of")
	}))
}
