package scopes_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

func TestScopesAreKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		require.Empty(t, b.catalogue(t, b.a).All())
		b.make(t, "read", "", "search", "list", "search")
		b.make(t, "write", "read", "lend")
		require.NoError(t, b.scopes.SetTools(t.Context(), b.a, "write", "", b.y, []string{authz.AnyTool}))
		require.Equal(t, authz.Scope{
			Name: "write", Title: "Title of write", Includes: authz.Scopes{"read"},
			Tools: []authz.Tool{{UpstreamID: b.x, Name: "lend"}, {UpstreamID: b.y, Name: "*"}},
		}, sorted(b.get(t, "write"), b.x))
		require.Len(t, b.get(t, "read").Tools, 2, "a tool counts once")
		require.Equal(t, []string{"read", "write"}, names(b.catalogue(t, b.a)))
		require.Empty(t, b.catalogue(t, b.b).All(), "another tenant sees nothing of it")

		require.NoError(t, b.scopes.Update(t.Context(), b.a, scopes.Edition(b.get(t, "read")), scopes.Input{Name: "read", Title: " Look ", Description: "At all of it.", Initial: true}))
		read := b.get(t, "read")
		require.Equal(t, "Look", read.Title)
		require.Equal(t, "At all of it.", read.Description)
		require.True(t, read.Initial)
		require.Len(t, read.Tools, 2, "tools stay")

		require.NoError(t, b.scopes.Move(t.Context(), b.a, "write", true))
		require.NoError(t, b.scopes.Move(t.Context(), b.a, "write", true), "the first stays the first")
		require.Equal(t, []string{"write", "read"}, names(b.catalogue(t, b.a)))
		b.make(t, "last", "")
		require.NoError(t, b.scopes.Move(t.Context(), b.a, "write", false))
		require.Equal(t, []string{"read", "write", "last"}, names(b.catalogue(t, b.a)))

		require.NoError(t, b.scopes.Delete(t.Context(), b.a, "read"))
		require.Equal(t, []string{"write", "last"}, names(b.catalogue(t, b.a)))
		require.Empty(t, b.get(t, "write").Includes, "nothing includes what is gone")
		b.make(t, "read", "")
		require.Empty(t, b.get(t, "read").Tools, "a later scope of the name opens nothing of the former")
		require.Equal(t, []string{"write", "last", "read"}, names(b.catalogue(t, b.a)))

		require.NoError(t, b.registry.Remove(t.Context(), b.a, "y"))
		require.Equal(t, []authz.Tool{{UpstreamID: b.x, Name: "lend"}}, b.get(t, "write").Tools, "tools go with their runtime")
	})
}

// sorted puts the tools of x first: ids have no order of their own.
func sorted(s authz.Scope, x string) authz.Scope {
	if len(s.Tools) == 2 && s.Tools[0].UpstreamID != x {
		s.Tools[0], s.Tools[1] = s.Tools[1], s.Tools[0]
	}
	return s
}

func TestScopesAreChecked(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		b.make(t, "read", "")
		b.make(t, "write", "read")
		for _, row := range []struct {
			in    scopes.Input
			field string
		}{
			{scopes.Input{Name: "", Title: "T"}, "name"},
			{scopes.Input{Name: "a b", Title: "T"}, "name"},
			{scopes.Input{Name: `a"b`, Title: "T"}, "name"},
			{scopes.Input{Name: "é", Title: "T"}, "name"},
			{scopes.Input{Name: "mcp", Title: "T"}, "name"},
			{scopes.Input{Name: "offline_access", Title: "T"}, "name"},
			{scopes.Input{Name: strings.Repeat("x", 65), Title: "T"}, "name"},
			{scopes.Input{Name: "read", Title: "T"}, "name"},
			{scopes.Input{Name: "x"}, "title"},
			{scopes.Input{Name: "x", Title: strings.Repeat("é", 81)}, "title"},
			{scopes.Input{Name: "x", Title: "a\u202eb"}, "title"},
			{scopes.Input{Name: "x", Title: "a\x00b"}, "title"},
			{scopes.Input{Name: "x", Title: "a\xffb"}, "title"},
			{scopes.Input{Name: "x", Title: "T", Description: strings.Repeat("x", 301)}, "description"},
			{scopes.Input{Name: "x", Title: "T", Description: "a\nb"}, "description"},
			{scopes.Input{Name: "x", Title: "T", Includes: authz.Scopes{"nothing"}}, "includes"},
			{scopes.Input{Name: "x", Title: "T", Includes: authz.Scopes{"x"}}, "includes"},
		} {
			err := b.scopes.Create(ctx, b.a, row.in)
			require.True(t, errs.Is(err, errs.Invalid), "%+v: %v", row.in, err)
			require.Contains(t, errs.FieldsOf(err), row.field, "%+v", row.in)
		}
		err := b.scopes.Update(ctx, b.a, "", scopes.Input{Name: "read", Title: "T", Includes: authz.Scopes{"write"}})
		require.Contains(t, errs.FieldsOf(err), "includes", "a circle")
		require.Empty(t, b.get(t, "read").Includes)

		require.True(t, errs.Is(b.scopes.Update(ctx, b.a, "", scopes.Input{Name: "gone", Title: "T"}), errs.NotFound))
		require.True(t, errs.Is(b.scopes.SetTools(ctx, b.a, "gone", "", b.x, nil), errs.NotFound))
		require.True(t, errs.Is(b.scopes.SetTools(ctx, b.a, "read", "", "ups_none", nil), errs.NotFound))
		require.True(t, errs.Is(b.scopes.SetTools(ctx, b.a, "read", "", "a\x00b", nil), errs.NotFound))
		require.True(t, errs.Is(b.scopes.SetTools(ctx, b.b, "read", "", b.x, nil), errs.NotFound))
		require.True(t, errs.Is(b.scopes.Delete(ctx, b.b, "read"), errs.NotFound))
		require.True(t, errs.Is(b.scopes.Move(ctx, b.a, "gone", true), errs.NotFound))
		for _, bad := range []string{"", "a\x00b", "a\xffb", strings.Repeat("x", 257)} {
			require.Contains(t, errs.FieldsOf(b.scopes.SetTools(ctx, b.a, "read", "", b.x, []string{bad})), "tools")
		}
		many := make([]string, 2001)
		for i := range many {
			many[i] = fmt.Sprintf("tool_%d", i)
		}
		require.Contains(t, errs.FieldsOf(b.scopes.SetTools(ctx, b.a, "read", "", b.x, many)), "tools")
		require.NoError(t, b.scopes.SetTools(ctx, b.a, "read", "", b.x, many[1:]))
		require.Len(t, b.get(t, "read").Tools, 2000)

		old := scopes.Edition(b.get(t, "read"))
		require.NoError(t, b.scopes.SetTools(ctx, b.a, "read", old, b.x, []string{"one"}))
		require.True(t, errs.Is(b.scopes.SetTools(ctx, b.a, "read", old, b.x, nil), errs.Stale))
		require.True(t, errs.Is(b.scopes.Update(ctx, b.a, old, scopes.Input{Name: "read", Title: "T"}), errs.Stale))

		for i := 2; i < 50; i++ {
			require.NoError(t, b.scopes.Create(ctx, b.a, scopes.Input{Name: fmt.Sprintf("s%d", i), Title: "T"}))
		}
		require.Contains(t, errs.FieldsOf(b.scopes.Create(ctx, b.a, scopes.Input{Name: "more", Title: "T"})), "name")
		require.True(t, errs.Is(b.scopes.FromHints(ctx, b.a, b.x, []scopes.Tool{{Name: "t"}}), errs.Invalid))
	})
}

// TestNoCircleComesOfTwoChangesAtOnce: each is judged with the other in it.
func TestNoCircleComesOfTwoChangesAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.make(t, "one", "")
		b.make(t, "two", "")
		failed := make([]error, 2)
		var both sync.WaitGroup
		for i, pair := range [][2]string{{"one", "two"}, {"two", "one"}} {
			both.Go(func() {
				failed[i] = b.scopes.Update(t.Context(), b.a, "", scopes.Input{Name: pair[0], Title: "T", Includes: authz.Scopes{pair[1]}})
			})
		}
		both.Wait()
		require.NotEqual(t, failed[0] == nil, failed[1] == nil, "%v, %v", failed[0], failed[1])
		require.Len(t, b.catalogue(t, b.a).All(), 2)
	})
}

func TestHints(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		ctx := t.Context()
		b.make(t, "fines", "", "fine")
		require.True(t, errs.Is(b.scopes.FromHints(ctx, b.a, b.x, nil), errs.Invalid))
		require.True(t, errs.Is(b.scopes.FromHints(ctx, b.a, "ups_none", []scopes.Tool{{Name: "t"}}), errs.NotFound))
		tools := []scopes.Tool{{Name: "search", ReadOnly: true}, {Name: "lend"}, {Name: "burn", Destructive: true}, {Name: "wipe", Destructive: true}}
		for range 2 { // the second time changes nothing
			require.NoError(t, b.scopes.FromHints(ctx, b.a, b.x, tools))
			c := b.catalogue(t, b.a)
			require.Equal(t, []string{"fines", "read", "write", "danger"}, names(c))
			require.Equal(t, "mcp read", c.Needs(b.x, "search").String())
			require.Equal(t, "mcp write", c.Needs(b.x, "lend").String())
			require.Equal(t, "mcp danger", c.Needs(b.x, "burn").String())
			require.Equal(t, "mcp danger", c.Needs(b.x, "added later").String())
			require.Equal(t, "mcp fines", c.Needs(b.x, "fine").String(), "other scopes stay")
			require.Equal(t, "mcp", c.Needs(b.y, "burn").String(), "other runtimes stay")
			require.Equal(t, "mcp read write", c.At(b.x).Initial().String())
			require.True(t, c.Covers(authz.Scopes{"danger"}, authz.Scopes{"read", "write"}))
		}
		require.NoError(t, b.scopes.FromHints(ctx, b.a, b.y, []scopes.Tool{{Name: "peek", ReadOnly: true}}))
		require.NoError(t, b.scopes.FromHints(ctx, b.a, b.x, tools[1:]))
		c := b.catalogue(t, b.a)
		require.Equal(t, "mcp read", c.Needs(b.y, "peek").String())
		require.Equal(t, "mcp danger", c.Needs(b.x, "search").String(), "what is no longer sorted needs the most")
	})
}

func TestHolders(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.make(t, "read", "")
		b.make(t, "write", "read")
		past := b.Clock.Now().Add(-time.Minute)
		b.family(t, "c1", "ada", b.x, "mcp read")
		b.family(t, "c1", "ada", b.x, "mcp write offline_access")
		b.family(t, "c2", "ada", b.x, "mcp Read")
		b.family(t, "c1", "ada", b.y, "mcp gone")
		b.family(t, "c1", "bob", b.x, "mcp danger")
		b.family(t, "c1", "ada", b.x, "mcp expired", func(f *familyRow) { f.ExpiresAt = past })
		b.family(t, "c1", "ada", b.x, "mcp revoked", func(f *familyRow) { f.RevokedAt = &past })
		held, err := b.scopes.Holders(t.Context(), b.a)
		require.NoError(t, err)
		require.Equal(t, map[string]int{"mcp": 5, "read": 2, "write": 1, "offline_access": 1, "Read": 1, "gone": 1, "danger": 1}, held)
		held, err = b.scopes.Holders(t.Context(), b.b)
		require.NoError(t, err)
		require.Empty(t, held)
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	c, err := authz.NewCatalogue([]authz.Scope{
		{Name: "read", Title: "Read", Description: "Look.", Tools: []authz.Tool{{UpstreamID: "u", Name: "search"}}},
		{Name: "write", Title: "Write", Includes: authz.Scopes{"read"}, Tools: []authz.Tool{{UpstreamID: "u", Name: "lend"}, {UpstreamID: "u", Name: "search"}}},
		{Name: "danger", Title: "Danger", Includes: authz.Scopes{"write"}, Tools: []authz.Tool{{UpstreamID: "u", Name: "*"}}},
	})
	require.NoError(t, err)
	tools := []string{"burn", "lend", "search"}
	require.Equal(t, []scopes.Asked{
		{Name: "mcp"},
		{Name: "read", Title: "Read", Description: "Look.", Tools: []string{"search"}},
		{Name: "danger", Title: "Danger", Tools: []string{"burn", "lend"}, Later: true},
	}, scopes.Describe(c, "u", authz.ParseScopes("danger mcp read offline_access unknown"), tools))
	require.Equal(t, []scopes.Asked{{Name: "mcp"}, {Name: "write", Title: "Write", Tools: []string{"lend", "search"}}}, scopes.Describe(c, "u", authz.Scopes{"write"}, tools))
	require.Equal(t, []scopes.Asked{{Name: "mcp", Tools: tools, Later: true}}, scopes.Describe(authz.Catalogue{}, "u", nil, tools))
}

func TestChangesAreAudited(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		tick := func() { b.Clock.Advance(time.Second) }
		tick()
		require.NoError(t, b.scopes.Create(t.Context(), b.a, scopes.Input{Name: "read", Title: "Read"}))
		tick()
		require.NoError(t, b.scopes.SetTools(t.Context(), b.a, "read", "", b.x, []string{"search"}))
		tick()
		require.NoError(t, b.scopes.Update(t.Context(), b.a, "", scopes.Input{Name: "read", Title: "Look"}))
		tick()
		require.NoError(t, b.scopes.Delete(t.Context(), b.a, "read"))
		var entries []audit.Recorded
		require.NoError(t, b.DB.Read(t.Context(), b.a, func(tx *tenancy.Tx) (err error) {
			entries, err = audit.Latest(tx, 4)
			return err
		}))
		var actions []string
		for _, e := range entries {
			actions = append(actions, e.Action)
			require.Equal(t, "read", e.TargetID)
		}
		require.Equal(t, []string{"scope.delete", "scope.update", "scope.tools", "scope.create"}, actions)
		require.Contains(t, entries[1].Before, `"title":"Read"`)
		require.Contains(t, entries[1].After, `"title":"Look"`)
		require.Contains(t, entries[2].After, "search")
	})
}
