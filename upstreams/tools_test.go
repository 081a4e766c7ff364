package upstreams_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/fakes/lister"
	"github.com/emcy/gateway/upstreams"
)

func start(t *testing.T, tools ...string) *lister.Lister {
	t.Helper()
	l := lister.Start(tools...)
	t.Cleanup(l.Close)
	return l
}

func tool(name, description string, more ...string) string {
	return lister.Tool(name, description, more...)
}

func (b *bundle) sync(t *testing.T, slug string) upstreams.ToolSync {
	t.Helper()
	b.Clock.Advance(time.Minute)
	got, err := b.registry.SyncTools(t.Context(), b.a, slug)
	require.NoError(t, err)
	return got
}

func (b *bundle) tools(t *testing.T, h tenancy.Handle, slug string) upstreams.ToolList {
	t.Helper()
	got, err := b.registry.Tools(t.Context(), h, slug)
	require.NoError(t, err)
	return got
}

func (b *bundle) tool(t *testing.T, slug, name string) upstreams.ToolDetail {
	t.Helper()
	got, err := b.registry.Tool(t.Context(), b.a, slug, upstreams.ToolID(name))
	require.NoError(t, err)
	return got
}

func names(tools []upstreams.Tool) []string {
	out := []string{}
	for _, tool := range tools {
		out = append(out, tool.Name)
	}
	return out
}

func kinds(changes []upstreams.ToolChange) []upstreams.ChangeKind {
	out := []upstreams.ChangeKind{}
	for _, c := range changes {
		out = append(out, c.Kind)
	}
	return out
}

// hears subscribes to the notices of A's configuration.
func (b *bundle) hears(t *testing.T) *tenancy.Subscription {
	t.Helper()
	topic := tenancy.ConfigTopic(b.a.Tenant())
	sub := b.DB.Notices().Subscribe(func(tp tenancy.Topic) bool { return tp == topic })
	t.Cleanup(sub.Close)
	return sub
}

func TestTheSnapshotFollowsTheRuntime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t, tool("b", "Second."), tool("a", "First.", `"annotations":{"readOnlyHint":true,"destructiveHint":false}`))
		u := b.create(t, b.a, input("files", l.URL()))
		require.Equal(t, upstreams.ToolList{Upstream: b.get(t, b.a, "files")}, b.tools(t, b.a, "files"), "nothing is known before the first list")

		require.Equal(t, upstreams.ToolSync{Listed: true, Revision: 1, Added: 2}, b.sync(t, "files"))
		first := b.Clock.Now()
		got := b.tools(t, b.a, "files")
		require.Equal(t, []string{"a", "b"}, names(got.Tools))
		require.Empty(t, got.Removed)
		require.EqualValues(t, 1, got.Revision)
		require.Equal(t, first, got.SyncedAt.UTC())
		a := got.Tools[0]
		require.Nil(t, a.Last, "the first list is not a change")
		require.Equal(t, []time.Time{first, first}, []time.Time{a.FirstSeenAt.UTC(), a.ChangedAt.UTC()})
		require.True(t, a.Hints.ReadOnly())
		require.False(t, a.Hints.Destructive())
		require.True(t, got.Tools[1].Hints.Destructive(), "who says nothing may destroy, by the specification")
		require.JSONEq(t, tool("a", "First.", `"annotations":{"readOnlyHint":true,"destructiveHint":false}`), a.Definition)
		require.Equal(t, "upstream.tools_changed", b.audit(t, b.a)[0].Action)
		require.Equal(t, u.ID, b.audit(t, b.a)[0].TargetID)
		require.JSONEq(t, `{"revision":1,"added":2,"changed":0,"removed":0}`, b.audit(t, b.a)[0].After)

		// Another order of tools, of members and another way to write the same text are the same list.
		l.List(`{ "annotations":{"destructiveHint":false, "readOnlyHint":true},"inputSchema":{"properties":{"b":{},"a":{}},"type":"object"},"description":"\u0046irst.","name":"a"}`, tool("b", "Second."))
		audited, sub := len(b.audit(t, b.a)), b.hears(t)
		counts := tenancytest.Counts(t, b.Env)
		require.Equal(t, upstreams.ToolSync{Listed: true, Revision: 1}, b.sync(t, "files"))
		require.Equal(t, counts, tenancytest.Counts(t, b.Env))
		require.Len(t, b.audit(t, b.a), audited)
		require.Equal(t, first, b.tools(t, b.a, "files").SyncedAt.UTC(), "a time that is known well enough is not written")
		require.Equal(t, got.Tools, b.tools(t, b.a, "files").Tools)
		b.Clock.Advance(5 * time.Minute)
		b.sync(t, "files")
		require.Equal(t, b.Clock.Now(), b.tools(t, b.a, "files").SyncedAt.UTC())
		require.NotContains(t, sub.Take(), tenancy.ConfigTopic(b.a.Tenant()), "and the edge has nothing to read")

		l.List(tool("a", "First, and more."), tool("c", "Third."))
		require.Equal(t, upstreams.ToolSync{Listed: true, Revision: 2, Added: 1, Changed: 1, Removed: 1}, b.sync(t, "files"))
		second := b.Clock.Now()
		require.Eventually(t, func() bool { return len(sub.Take()) > 0 }, 10*time.Second, time.Millisecond, "the edge is told")
		got = b.tools(t, b.a, "files")
		require.Equal(t, []string{"a", "c"}, names(got.Tools))
		require.Equal(t, []string{"b"}, names(got.Removed))
		require.Equal(t, second, got.Removed[0].RemovedAt.UTC())
		require.Equal(t, upstreams.Changed, got.Tools[0].Last.Kind)
		require.Equal(t, second, got.Tools[0].ChangedAt.UTC())
		require.Equal(t, first, got.Tools[0].FirstSeenAt.UTC())
		require.Equal(t, upstreams.Added, got.Tools[1].Last.Kind)
		require.Empty(t, got.Tools[1].Last.OldHash)
		require.Zero(t, got.Tools[0].Hints, "the hints are those of the new definition")
		detail := b.tool(t, "files", "a")
		require.Contains(t, detail.Definitions[detail.Changes[0].OldHash], `"First."`)
		require.Contains(t, detail.Definitions[detail.Changes[0].NewHash], `"First, and more."`)

		// A tool that comes back is the same one, and it is seen whether it comes back as it was.
		l.List(tool("a", "First, and more."), tool("c", "Third."), tool("b", "Second, with poison."))
		require.Equal(t, upstreams.ToolSync{Listed: true, Revision: 3, Added: 1}, b.sync(t, "files"))
		detail = b.tool(t, "files", "b")
		require.Nil(t, detail.Tool.RemovedAt)
		require.Equal(t, first, detail.Tool.FirstSeenAt.UTC())
		require.Equal(t, []upstreams.ChangeKind{upstreams.Added, upstreams.Removed}, kinds(detail.Changes))
		require.Contains(t, detail.Definitions[detail.Changes[0].OldHash], `"Second."`)
		require.Equal(t, []int64{3, 2}, []int64{detail.Changes[0].Revision, detail.Changes[1].Revision})
		for hash, text := range detail.Definitions {
			require.Len(t, hash, 64)
			require.True(t, json.Valid([]byte(text)))
		}

		_, err := b.registry.Tool(t.Context(), b.a, "files", upstreams.ToolID("none"))
		requireKind(t, err, errs.NotFound)
		require.NoError(t, b.registry.Remove(t.Context(), b.a, "files"))
		for table, n := range tenancytest.Counts(t, b.Env) {
			require.False(t, strings.HasPrefix(table, "upstream_tool") && n > 0, "%s goes with its runtime", table)
		}
	})
}

// TestAFailedListingLeavesTheSnapshot: whatever goes wrong, what was known stays, and the report says what went wrong.
func TestAFailedListingLeavesTheSnapshot(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t, tool("a", "First."), tool("b", "Second."))
		b.create(t, b.a, input("files", l.URL()))
		b.sync(t, "files")
		want := b.tools(t, b.a, "files")
		for name, answer := range map[string]func() (int, string){
			"an error":  func() (int, string) { return http.StatusInternalServerError, `{}` },
			"a refusal": func() (int, string) { return http.StatusUnauthorized, `{}` },
			"no list":   func() (int, string) { return http.StatusOK, `{"tools":7}` },
			"not JSON":  func() (int, string) { return http.StatusOK, `{"tools":[` },
			"too large": func() (int, string) {
				return http.StatusOK, `{"tools":[` + tool("a", strings.Repeat("x", 2<<20)) + `]}`
			},
			"two of one": func() (int, string) { return http.StatusOK, `{"tools":[],"tools":[]}` },
		} {
			l.Answer(answer)
			require.Equal(t, upstreams.ToolSync{}, b.sync(t, "files"), name)
			got := b.tools(t, b.a, "files")
			require.NotEqual(t, upstreams.Ready, got.Upstream.State, name)
			require.Equal(t, want.Tools, got.Tools, name)
			require.Equal(t, want.SyncedAt, got.SyncedAt, name)
		}
		l.Close()
		require.Equal(t, upstreams.ToolSync{}, b.sync(t, "files"))
		require.Equal(t, want.Tools, b.tools(t, b.a, "files").Tools)
	})
}

// TestBrokenDefinitionsAreLeftOut: the sound ones stay, and the report says how many did not.
func TestBrokenDefinitionsAreLeftOut(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		odd := "we/ird \u202e<b>&\"'\x1b[31m ключ 🙂"
		l := start(t,
			tool("a", "First."), `7`, `null`, `{"description":"no name"}`, `{"name":7}`, `{"name":""}`, tool("nul\x00", "x"), tool(strings.Repeat("n", 1025), "x"),
			tool(odd, "odd"), tool("a", "The second of this name."), `{"name":"bare"}`,
		)
		b.create(t, b.a, input("files", l.URL()))
		require.Equal(t, 3, b.sync(t, "files").Added)
		got := b.tools(t, b.a, "files")
		require.Equal(t, []string{"a", "bare", odd}, names(got.Tools))
		require.Contains(t, got.Tools[0].Definition, "First.", "of two with one name the first")
		var codes []string
		for _, w := range got.Upstream.Report.Warnings {
			codes = append(codes, w.Code+" "+w.Tool)
		}
		require.Contains(t, codes, "malformed_tool ")
		require.Contains(t, codes, "duplicate_name a")
		require.Equal(t, odd, b.tool(t, "files", odd).Tool.Name)
	})
}

// TestASecretThatTheRuntimeRepeatsIsNotKept: and the sealed text still has a hash of its own.
func TestASecretThatTheRuntimeRepeatsIsNotKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t)
		b.create(t, b.a, input("files", l.URL(), "X-Api-Key", "canary-api-key"))
		secret := b.secret(t, b.a, "files")
		l.List(tool("a", "Use "+secret+" or canary-api-key.", `"x-canary-api-key":{"canary-api-key":["canary-api-key"]}`))
		require.Equal(t, 1, b.sync(t, "files").Added)
		definition := b.tools(t, b.a, "files").Tools[0].Definition
		require.Contains(t, definition, "Use [sealed] or [sealed].")
		require.Contains(t, definition, `"x-[sealed]":{"[sealed]":["[sealed]"]}`)
		require.Empty(t, tenancytest.Find(t, b.Env, secret))
		require.Empty(t, tenancytest.Find(t, b.Env, "canary-api-key"))
	})
}

func TestLongListsAreCapped(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		longList := func(prefix string) []string {
			out := make([]string, 1000)
			for i := range out {
				out[i] = tool(fmt.Sprintf("%s-%04d", prefix, i), "d")
			}
			return out
		}
		l := start(t, longList("one")...)
		b.create(t, b.a, input("files", l.URL()))
		require.Equal(t, 500, b.sync(t, "files").Added)
		got := b.tools(t, b.a, "files")
		require.Len(t, got.Tools, 500)
		require.Equal(t, "one-0499", got.Tools[499].Name)
		require.Equal(t, 500, got.Upstream.Report.ToolCount)

		// A runtime that lists other tools each time does not fill the database.
		for i, prefix := range []string{"two", "three", "four"} {
			l.List(longList(prefix)...)
			require.Equal(t, upstreams.ToolSync{Listed: true, Revision: int64(i + 2), Added: 500, Removed: 500}, b.sync(t, "files"))
		}
		got = b.tools(t, b.a, "files")
		require.Len(t, got.Tools, 500)
		require.Len(t, got.Removed, 200)
		require.Equal(t, "three", got.Removed[0].Name[:5], "the newest are kept")
		counts := tenancytest.Counts(t, b.Env)
		require.Equal(t, 700, counts["upstream_tools"])
		require.LessOrEqual(t, counts["upstream_tool_changes"], 500)
		require.Equal(t, 700, counts["upstream_tool_definitions"], "no text is kept that nothing names")
	})
}

// TestLargeDefinitionsAreForgottenSooner: what is kept of the past is bounded in bytes too.
func TestLargeDefinitionsAreForgottenSooner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t)
		b.create(t, b.a, input("files", l.URL()))
		b.sync(t, "files")
		for i := range 9 {
			l.List(tool("large", strings.Repeat(fmt.Sprint(i), 900_000)), tool(fmt.Sprintf("other-%d", i), "d"))
			b.sync(t, "files")
		}
		detail := b.tool(t, "files", "large")
		require.Len(t, detail.Changes, 4)
		require.Len(t, detail.Definitions, 5)
		require.Contains(t, detail.Tool.Definition, "8888")
		l.List()
		b.sync(t, "files")
		for i := range 4 {
			l.List(tool(fmt.Sprintf("gone-%d", i), strings.Repeat("x", 900_000)))
			b.sync(t, "files")
		}
		l.List()
		b.sync(t, "files")
		removed := names(b.tools(t, b.a, "files").Removed)
		require.Contains(t, removed, "gone-3")
		require.NotContains(t, removed, "gone-0")
		require.NotContains(t, removed, "large")
	})
}

// TestListsThatOvertakeEachOther: of two lists under way at once, the one that ends second does not replace what the
// first one changed, because nobody knows which is the older.
func TestListsThatOvertakeEachOther(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t, tool("a", "old"))
		b.create(t, b.a, input("files", l.URL()))
		b.sync(t, "files")
		l.Meanwhile(func() { // the answer with the old list is on its way
			l.Meanwhile(nil)
			l.List(tool("a", "new"), tool("b", "new"))
			if _, err := b.registry.SyncTools(t.Context(), b.a, "files"); err != nil {
				t.Errorf("the second: %v", err)
			}
		})
		_, err := b.registry.SyncTools(t.Context(), b.a, "files")
		requireKind(t, err, errs.Conflict)
		got := b.tools(t, b.a, "files")
		require.EqualValues(t, 2, got.Revision)
		require.Equal(t, []string{"a", "b"}, names(got.Tools))
		require.Contains(t, got.Tools[0].Definition, "new")
		require.Equal(t, upstreams.ToolSync{Listed: true, Revision: 2}, b.sync(t, "files"), "and the next try finds nothing to do")
	})
}

// TestAPartOfAListChangesNothing: what a list that has no end does not show may be
// there, and how much of it can be read depends on its order.
func TestAPartOfAListChangesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t, tool("a", "old"), tool("b", "old"))
		b.create(t, b.a, input("files", l.URL()))
		b.sync(t, "files")
		before := b.tools(t, b.a, "files")
		l.Answer(func() (int, string) {
			return http.StatusOK, `{"tools":[` + tool("c", "new") + `],"nextCursor":"again"}`
		})
		require.Equal(t, upstreams.ToolSync{Listed: true, Revision: before.Revision}, b.sync(t, "files"))
		after := b.tools(t, b.a, "files")
		require.Equal(t, before.Revision, after.Revision)
		require.Equal(t, []string{"a", "b"}, names(after.Tools))
	})
}

// TestSyncsAtOnce: many at a time make one history.
func TestSyncsAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t)
		var n atomic.Int64
		l.Answer(func() (int, string) { return http.StatusOK, `{"tools":[` + tool("a", fmt.Sprint(n.Add(1))) + `]}` })
		b.create(t, b.a, input("files", l.URL()))
		done := make(chan error, 12)
		for range cap(done) {
			go func() {
				_, err := b.registry.SyncTools(t.Context(), b.a, "files")
				done <- err
			}()
		}
		stored := int64(0)
		for range cap(done) {
			if err := <-done; err == nil {
				stored++
			} else {
				requireKind(t, err, errs.Conflict)
			}
		}
		require.Positive(t, stored)
		require.Equal(t, stored, b.tools(t, b.a, "files").Revision, "each that was kept is one revision")
		changes := b.tool(t, "files", "a").Changes
		require.Len(t, changes, int(stored)-1)
		for i := range len(changes) - 1 {
			require.Equal(t, changes[i].OldHash, changes[i+1].NewHash, "each begins where the one before ended")
		}
	})
}

// TestTheEdgesTools is what the feed reads.
func TestTheEdgesTools(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t, tool("a", "First.", `"annotations":{"readOnlyHint":true}`), tool("b", "Second."))
		one, two := b.create(t, b.a, input("one", l.URL())), b.create(t, b.a, input("two", l.URL()))
		other := b.create(t, b.b, input("one", l.URL()))
		load := func(h tenancy.Handle, known map[string]*snapshot.Tools) (out map[string]*snapshot.Tools) {
			b.read(t, h, func(tx *tenancy.Tx) (err error) {
				out, err = upstreams.LoadTools(tx, known)
				return err
			})
			return out
		}
		require.Empty(t, load(b.a, nil))
		b.sync(t, "one")
		b.sync(t, "two")
		_, err := b.registry.SyncTools(t.Context(), b.b, "one")
		require.NoError(t, err)
		first := load(b.a, nil)
		require.Len(t, first, 2)
		got, ok := first[one.ID].Get("a")
		require.True(t, ok)
		require.Equal(t, b.tool(t, "one", "a").Tool.Hash, fmt.Sprintf("%x", got.Hash))
		require.True(t, got.Hints.ReadOnly())
		_, ok = first[one.ID].Get("c")
		require.False(t, ok)
		require.Contains(t, load(b.b, nil), other.ID)

		l.List(tool("a", "Changed."))
		b.sync(t, "one")
		second := load(b.a, first)
		require.Same(t, first[two.ID], second[two.ID], "what did not change is not read again")
		require.EqualValues(t, 2, second[one.ID].Revision)
		require.Len(t, second[one.ID].ByName, 1, "a tool that is gone is not the edge's")
		require.Len(t, first[one.ID].ByName, 2, "and what was published stays as it was")
	})
}

// TestRowsOfToolsAreFenced goes to the rows past the registry.
func TestRowsOfToolsAreFenced(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t, tool("a", "First."))
		u := b.create(t, b.a, input("files", l.URL()))
		b.sync(t, "files")
		l.List(tool("a", "Second."))
		b.sync(t, "files")
		want := b.tool(t, "files", "a")
		for _, table := range []any{&toolLists{}, &tools{}, &toolDefinitions{}, &toolChanges{}} {
			count := func(h tenancy.Handle) (n int64) {
				b.read(t, h, func(tx *tenancy.Tx) error { return tx.DB().Model(table).Where("upstream_id = ?", u.ID).Count(&n).Error })
				return n
			}
			require.Positive(t, count(b.a))
			require.Zero(t, count(b.b))
			require.NoError(t, b.DB.Write(t.Context(), b.b, func(tx *tenancy.Tx) error {
				res := tx.DB().Where("upstream_id = ?", u.ID).Delete(table)
				require.Zero(t, res.RowsAffected)
				return res.Error
			}))
		}
		require.Equal(t, want, b.tool(t, "files", "a"))
		// A row of B's cannot hang on A's runtime.
		require.Error(t, b.DB.Write(t.Context(), b.b, func(tx *tenancy.Tx) error {
			return tx.DB().Create(&toolLists{TenantID: tx.Tenant(), UpstreamID: u.ID, Revision: 1, CreatedAt: tx.Now(), SyncedAt: tx.Now()}).Error
		}))
	})
}

type toolLists struct {
	TenantID, UpstreamID string
	Revision             int64
	CreatedAt, SyncedAt  time.Time
}

func (toolLists) TableName() string { return "upstream_tool_lists" }

type tools struct{ TenantID, UpstreamID, ID string }

func (tools) TableName() string { return "upstream_tools" }

type toolDefinitions struct{ TenantID, UpstreamID, Hash string }

func (toolDefinitions) TableName() string { return "upstream_tool_definitions" }

type toolChanges struct{ TenantID, ID, UpstreamID string }

func (toolChanges) TableName() string { return "upstream_tool_changes" }

func TestToolIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, upstreams.ToolID("a"), upstreams.ToolID("a"))
	for _, name := range []string{"", "a", "A", "a/b", "\x00", "\u202e", strings.Repeat("x", 5000)} {
		require.Regexp(t, `^tol_[0-9a-z]{32}$`, upstreams.ToolID(name))
	}
	require.NotEqual(t, upstreams.ToolID("a"), upstreams.ToolID("A"))
}

// TestToolsOfAnotherAddressAreNotTheRuntimes: a probe that suggests a neighbour shows what it found there, and keeps nothing.
func TestToolsOfAnotherAddressAreNotTheRuntimes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t, tool("a", "First."))
		target, err := url.Parse(l.URL())
		require.NoError(t, err)
		proxy := httputil.NewSingleHostReverseProxy(target)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/mcp" {
				http.NotFound(w, r)
				return
			}
			proxy.ServeHTTP(w, r)
		}))
		defer srv.Close()
		b.create(t, b.a, input("files", srv.URL+"/"))
		report, err := b.registry.Probe(t.Context(), b.a, "files")
		require.NoError(t, err)
		require.Equal(t, srv.URL+"/mcp", report.SuggestedURL)
		require.Len(t, report.Tools, 1, "they are shown")
		require.Zero(t, b.tools(t, b.a, "files").Revision)
	})
}
