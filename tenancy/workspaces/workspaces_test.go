package workspaces_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
)

func nothing(*tenancy.Tx) error { return nil }

var byHost = workspaces.Placement{Pattern: "https://{tenant}.MCP.test"}

func requireKind(t *testing.T, err error, want errs.Kind) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, errs.KindOf(err), "%v", err)
}

func TestCreate(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		ctx := t.Context()
		ada, eve := tenancytest.Account(t, env, "ada@example.com"), tenancytest.Account(t, env, "eve@example.com")
		var within tenancy.Handle
		ws := workspaces.New(env.DB, byHost, func(tx *tenancy.Tx) error {
			within = tx.Handle()
			sealed, err := tx.Seal("signing_keys", "private", "x", []byte("y"))
			require.NotEmpty(t, sealed, "the tenant has its data key by now")
			return err
		})
		sub := env.DB.Notices().Subscribe(func(tenancy.Topic) bool { return true })
		defer sub.Close()
		made, err := ws.Create(ctx, ada, " Acme\u202e  Inc. ", " ACME ")
		require.NoError(t, err)
		require.Equal(t, workspaces.Workspace{ID: made.ID, Slug: "acme", Name: "Acme Inc.", Role: authz.Owner, Origin: "https://acme.mcp.test"}, made)
		require.Equal(t, made.ID, within.Tenant())
		require.Equal(t, tenancy.Actor{Kind: "member", ID: ada, Role: authz.Owner}, within.Actor())
		<-sub.Wake()
		heard := sub.Take()
		// A process that has only just begun to listen reads everything instead.
		require.True(t, slices.Contains(heard, tenancy.ConfigTopic(made.ID)) || slices.Contains(heard, tenancy.ResyncTopic), heard)

		h, member, err := env.DB.ForMember(ctx, ada, "acme")
		require.NoError(t, err)
		require.Equal(t, authz.Owner, member.Role)
		require.NoError(t, env.DB.Read(ctx, h, func(tx *tenancy.Tx) error {
			entries, err := audit.Latest(tx, 10)
			require.NoError(t, err)
			require.Equal(t, []audit.Recorded{{
				At: env.Clock.Now(), ActorKind: "member", ActorID: ada, Action: "workspace.create", TargetID: made.ID,
				After: `{"name":"Acme Inc.","origin":"https://acme.mcp.test","slug":"acme"}`,
			}}, entries)
			loaded, err := workspaces.Load(tx)
			require.Equal(t, workspaces.Tenant{ID: made.ID, Slug: "acme", Name: "Acme Inc.", Origins: []string{"https://acme.mcp.test"}, Generation: 1}, loaded)
			return err
		}))

		second, err := ws.Create(ctx, ada, "Ähnlich", "")
		require.NoError(t, err)
		require.Equal(t, "ahnlich", second.Slug, "without a slug the name makes one")
		mine, err := ws.Of(ctx, ada)
		require.NoError(t, err)
		require.Equal(t, []workspaces.Workspace{made, second}, mine)
		theirs, err := ws.Of(ctx, eve)
		require.NoError(t, err)
		require.Empty(t, theirs)

		handles, err := ws.Handles(ctx)
		require.NoError(t, err)
		ids := []string{}
		for _, h := range handles {
			ids = append(ids, h.Tenant())
		}
		require.ElementsMatch(t, []string{made.ID, second.ID}, ids)
		require.Equal(t, byHost, ws.Placement())
	})
}

func TestCreateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		ada := tenancytest.Account(t, env, "ada@example.com")
		ws := workspaces.New(env.DB, byHost, nothing)
		_, err := ws.Create(t.Context(), ada, "Acme", "acme")
		require.NoError(t, err)
		before := tenancytest.Counts(t, env)
		for name, c := range map[string]struct {
			name, slug string
			wrong      []string
		}{
			"nothing":            {"", "", []string{"name", "slug"}},
			"invisible":          {"\u200b\u200b\u200b", "fine", []string{"name"}},
			"long":               {strings.Repeat("ä", 61), "fine", []string{"name"}},
			"no latin letter":    {"日本語", "", []string{"slug"}},
			"a bad slug":         {"Fine", "no good", []string{"slug"}},
			"a reserved slug":    {"Fine", "adm1n", []string{"slug"}},
			"the name's slug":    {"Status", "", []string{"slug"}},
			"a taken slug":       {"Acme", "acme", []string{"slug"}},
			"taken in capitals":  {"Acme", "ACME", []string{"slug"}},
			"NUL":                {"Fine", "ac\x00me", []string{"slug"}},
			"a taken slug again": {"Acme", "", []string{"slug"}},
		} {
			_, err := ws.Create(t.Context(), ada, c.name, c.slug)
			requireKind(t, err, errs.Invalid)
			fields := errs.FieldsOf(err)
			require.Len(t, fields, len(c.wrong), name)
			for _, field := range c.wrong {
				require.NotEmpty(t, fields[field], "%s: %s", name, field)
			}
		}
		_, err = ws.Create(t.Context(), ada, "Acme", "acme")
		for _, other := range []string{"acme-hq", "acme-team", "acme-mcp"} {
			require.Contains(t, errs.FieldsOf(err)["slug"], other)
			require.Empty(t, workspaces.CheckSlug(other))
		}
		_, err = ws.Create(t.Context(), "acc_none", "Orphan", "orphan")
		require.Error(t, err, "a workspace has an owner")
		require.Equal(t, before, tenancytest.Counts(t, env), "what is refused leaves nothing")
	})
}

func TestProposalsForTheLongestSlugAreSlugs(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	ada := tenancytest.Account(t, env, "ada@example.com")
	ws := workspaces.New(env.DB, byHost, nothing)
	for _, slug := range []string{strings.Repeat("a", 32), strings.Repeat("b", 26) + "-bbbbb"} {
		_, err := ws.Create(t.Context(), ada, "Long", slug)
		require.NoError(t, err)
		_, err = ws.Create(t.Context(), ada, "Long", slug)
		requireKind(t, err, errs.Invalid)
		said := errs.FieldsOf(err)["slug"]
		for _, end := range []string{"-hq", "-team", "-mcp"} {
			proposal := said[:strings.Index(said, end)+len(end)]
			proposal = proposal[strings.LastIndex(proposal, " ")+1:]
			require.Empty(t, workspaces.CheckSlug(proposal), proposal)
		}
	}
}

// TestCreationIsAllOrNothing: whatever fails last, no table knows of the workspace.
func TestCreationIsAllOrNothing(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		ada := tenancytest.Account(t, env, "ada@example.com")
		before := tenancytest.Counts(t, env)
		sub := env.DB.Notices().Subscribe(func(tp tenancy.Topic) bool { _, ok := tp.Config(); return ok })
		defer sub.Close()
		boom := errors.New("boom")
		for name, within := range map[string]func(*tenancy.Tx) error{
			"fails": func(*tenancy.Tx) error { return boom },
			"fails after its own rows": func(tx *tenancy.Tx) error {
				if err := audit.Record(tx, audit.Entry{Action: "x", TargetKind: "y", TargetID: "z"}); err != nil {
					return err
				}
				return boom
			},
		} {
			ws := workspaces.New(env.DB, workspaces.Placement{FirstPort: 1024, LastPort: 65535}, within)
			_, err := ws.Create(t.Context(), ada, "Acme", "acme")
			require.ErrorIs(t, err, boom, name)
			require.Equal(t, before, tenancytest.Counts(t, env), name)
			require.NotContains(t, topics(sub), "config:", name)
		}
		gone, cancel := context.WithCancel(t.Context())
		ws := workspaces.New(env.DB, byHost, func(*tenancy.Tx) error { cancel(); return nil })
		_, err := ws.Create(gone, ada, "Acme", "acme")
		require.Error(t, err)
		require.Equal(t, before, tenancytest.Counts(t, env), "a caller that went away")
	})
}

func topics(sub *tenancy.Subscription) string { return fmt.Sprint(sub.Take()) }

// TestOneSlugOneWorkspace: of parallel creations of one slug exactly one succeeds,
// and the others are told so in the form's own words.
func TestOneSlugOneWorkspace(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		const n = 20
		ws := workspaces.New(env.DB, byHost, nothing)
		accounts := make([]string, n)
		for i := range accounts {
			accounts[i] = tenancytest.Account(t, env, fmt.Sprintf("p%d@example.com", i))
		}
		results := make(chan error, n)
		for _, account := range accounts {
			go func() {
				_, err := ws.Create(t.Context(), account, "Acme", "acme")
				results <- err
			}()
		}
		made := 0
		for range n {
			err := <-results
			if err == nil {
				made++
				continue
			}
			requireKind(t, err, errs.Invalid)
			require.Contains(t, errs.FieldsOf(err)["slug"], "taken")
		}
		require.Equal(t, 1, made)
		counts := tenancytest.Counts(t, env)
		for _, table := range []string{"tenants", "tenant_origins", "members", "tenant_keys", "audit_events"} {
			require.Equal(t, 1, counts[table], table)
		}
	})
}

// run is a range of ports that nobody listens on, held until release.
func run(t *testing.T, n int) (first int, held []net.Listener) {
	t.Helper()
	for range 200 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		require.NoError(t, err)
		first := l.Addr().(*net.TCPAddr).Port
		held := []net.Listener{l}
		for len(held) < n {
			next, err := net.Listen("tcp4", "127.0.0.1:"+strconv.Itoa(first+len(held)))
			if err != nil {
				break
			}
			held = append(held, next)
		}
		if len(held) == n {
			t.Cleanup(func() { release(held...) })
			return first, held
		}
		release(held...)
	}
	require.FailNow(t, "no free run of ports")
	return 0, nil
}

func release(held ...net.Listener) {
	for _, l := range held {
		_ = l.Close() // it may be closed already
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		ada := tenancytest.Account(t, env, "ada@example.com")
		const n = 5
		first, held := run(t, n)
		ws := workspaces.New(env.DB, workspaces.Placement{FirstPort: first, LastPort: first + n - 1}, nothing)
		origin := func(i int) string { return "http://localhost:" + strconv.Itoa(first+i) }
		create := func(slug string) (string, error) {
			made, err := ws.Create(t.Context(), ada, slug, slug)
			return made.Origin, err
		}

		before := tenancytest.Counts(t, env)
		_, err := create("everything-occupied")
		requireKind(t, err, errs.Conflict)
		require.Contains(t, errs.Public(err), "EMCY_EDGE_PORTS")
		require.Equal(t, before, tenancytest.Counts(t, env))

		release(held[0], held[2], held[3])
		got, err := create("one")
		require.NoError(t, err)
		require.Equal(t, origin(0), got, "the lowest")
		got, err = create("two")
		require.NoError(t, err)
		require.Equal(t, origin(2), got, "an occupied one is passed over")
		release(held[1], held[4])
		got, err = create("three")
		require.NoError(t, err)
		require.Equal(t, origin(1), got, "and given away once it is free")

		if l, err := net.Listen("tcp6", net.JoinHostPort("::1", strconv.Itoa(first+3))); err == nil {
			got, err = create("four")
			require.NoError(t, err)
			require.Equal(t, origin(4), got, "occupied on the other loopback address is occupied")
			release(l)
		} else {
			_, err = create("four")
			require.NoError(t, err)
		}
		_, err = create("five")
		require.NoError(t, err)
		_, err = create("six")
		requireKind(t, err, errs.Conflict)

		// Everybody keeps what they have, and nobody listens there: a port is never given twice.
		wider := workspaces.New(env.DB, workspaces.Placement{FirstPort: first, LastPort: 65535}, nothing)
		made, err := wider.Create(t.Context(), ada, "Seven", "seven")
		require.NoError(t, err)
		mine, err := ws.Of(t.Context(), ada)
		require.NoError(t, err)
		require.Len(t, mine, 6)
		origins := map[string]string{}
		for _, w := range mine {
			require.NotContains(t, origins, w.Origin)
			origins[w.Origin] = w.Slug
		}
		require.Equal(t, "one", origins[origin(0)])
		require.Equal(t, "three", origins[origin(1)])
		require.Equal(t, "two", origins[origin(2)])
		require.Equal(t, "seven", origins[made.Origin])
	})
}

// TestParallelWorkspacesGetPortsOfTheirOwn: no creation fails because another one
// wanted the same port at the same moment.
func TestParallelWorkspacesGetPortsOfTheirOwn(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		const n = 12
		ada := tenancytest.Account(t, env, "ada@example.com")
		first, held := run(t, n)
		release(held...)
		ws := workspaces.New(env.DB, workspaces.Placement{FirstPort: first, LastPort: 65535}, nothing)
		type result struct {
			origin string
			err    error
		}
		results := make(chan result, n)
		for i := range n {
			go func() {
				made, err := ws.Create(t.Context(), ada, "Workspace", fmt.Sprintf("workspace-%d", i))
				results <- result{made.Origin, err}
			}()
		}
		origins := map[string]bool{}
		for range n {
			r := <-results
			require.NoError(t, r.err)
			origins[r.origin] = true
		}
		require.Len(t, origins, n)
	})
}

// TestAnAccountOwnsSoMany holds for parallel creations, too.
func TestAnAccountOwnsSoMany(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		const tries = workspaces.MaxOwned + 5
		ada, eve := tenancytest.Account(t, env, "ada@example.com"), tenancytest.Account(t, env, "eve@example.com")
		ws := workspaces.New(env.DB, byHost, nothing)
		results := make(chan error, tries)
		for i := range tries {
			go func() {
				_, err := ws.Create(t.Context(), ada, "Workspace", fmt.Sprintf("workspace-%d", i))
				results <- err
			}()
		}
		made := 0
		for range tries {
			err := <-results
			if err == nil {
				made++
				continue
			}
			requireKind(t, err, errs.Invalid)
			require.Contains(t, errs.FieldsOf(err)["name"], "20")
		}
		require.Equal(t, workspaces.MaxOwned, made)
		_, err := ws.Create(t.Context(), eve, "Workspace", "of-eve")
		require.NoError(t, err, "others are not kept out")
	})
}

// TestAnOriginOfAnotherTenantIsTaken: origins are global names.
func TestAnOriginOfAnotherTenantIsTaken(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		ada := tenancytest.Account(t, env, "ada@example.com")
		one := workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, nothing)
		_, err := one.Create(t.Context(), ada, "Acme", "acme")
		require.NoError(t, err)
		before := tenancytest.Counts(t, env)
		// The pattern was changed so that another slug makes the first one's origin.
		two := workspaces.New(env.DB, workspaces.Placement{Pattern: "https://acme.mcp.test"}, nothing)
		_, err = two.Create(t.Context(), ada, "Other", "other")
		requireKind(t, err, errs.Invalid)
		require.Contains(t, errs.FieldsOf(err)["slug"], "taken")
		require.Equal(t, before, tenancytest.Counts(t, env))
	})
}

func TestPreview(t *testing.T) {
	t.Parallel()
	require.Equal(t, "https://acme.mcp.test", workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}.Preview("acme"))
	require.Equal(t, "http://localhost:8081", workspaces.Placement{FirstPort: 8081, LastPort: 8180}.Preview("acme"))
}
