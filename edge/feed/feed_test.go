package feed

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/upstreams"
)

// patience is far below FullReload: what a test sees in it came by a notice.
const patience = 30 * time.Second

// gate is one process's view: the gate and what writes through it.
type gate struct {
	db         *tenancy.DB
	workspaces *workspaces.Workspaces
	registry   *upstreams.Registry
}

type bundle struct {
	tenancytest.Env
	gate
	owner string
	store *snapshot.Store
	feed  *Feed
}

func open(t *testing.T, db *tenancy.DB) gate {
	t.Helper()
	queue, err := jobs.New(db, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return gate{
		db: db, workspaces: workspaces.New(db, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, keys.Create),
		registry: upstreams.New(db, outbound.New(outbound.Config{AllowPrivate: true}), nil, noTokens{}, queue),
	}
}

// noTokens stands where nothing was issued.
type noTokens struct{}

func (noTokens) RevokeUpstream(*tenancy.Tx, string, string) error { return nil }

func setup(t *testing.T, env tenancytest.Env) *bundle {
	t.Helper()
	b := &bundle{Env: env, gate: open(t, env.DB), store: snapshot.NewStore()}
	b.owner = tenancytest.Account(t, env, "ada@example.com")
	b.feed = New(env.DB, b.workspaces, b.store, slog.New(slog.DiscardHandler))
	return b
}

func each(t *testing.T, test func(t *testing.T, b *bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(t, setup(t, env)) })
}

func (b *bundle) tenant(t *testing.T, slug string) tenancy.Handle {
	t.Helper()
	_, err := b.workspaces.Create(t.Context(), b.owner, "Workspace "+slug, slug)
	require.NoError(t, err)
	h, _, err := b.DB.ForMember(t.Context(), b.owner, slug)
	require.NoError(t, err)
	return h
}

func (g gate) runtime(t *testing.T, h tenancy.Handle, slug string) upstreams.Upstream {
	t.Helper()
	u, err := g.registry.Create(t.Context(), h, upstreams.Input{
		Name: "Runtime " + slug, Slug: slug, URL: "http://127.0.0.1:9/" + slug, HeaderNames: []string{"X-Key"}, HeaderValues: []string{"key of " + slug},
	})
	require.NoError(t, err)
	return u
}

func (b *bundle) start(t *testing.T) {
	t.Helper()
	require.NoError(t, b.feed.Start(t.Context()))
	t.Cleanup(b.feed.Stop)
}

// until waits for a snapshot for which cond holds.
func (b *bundle) until(t *testing.T, what string, cond func(*snapshot.Snapshot) bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		changed := b.store.Changed()
		if cond(b.store.Load()) {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			require.FailNow(t, "not published: "+what)
		}
	}
}

func (b *bundle) edges(s *snapshot.Snapshot, h tenancy.Handle) map[string]*snapshot.Edge {
	t := s.ByID(h.Tenant())
	if t == nil {
		return nil
	}
	return t.Edges
}

// row is the runtime's, to break it behind the registry's back.
type row struct{ TenantID, ID, URL string }

func (row) TableName() string { return "upstreams" }

func (b *bundle) set(t *testing.T, id, url string, notify tenancy.Topic) {
	t.Helper()
	require.NoError(t, b.DB.System(t.Context(), tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		if notify != "" {
			tx.Notify(notify)
		}
		return tx.DB().Model(&row{}).Where("id = ?", id).Update("url", url).Error
	}))
}

func TestTheFirstLoadIsWhole(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a, other := b.tenant(t, "alpha"), b.tenant(t, "beta")
		ua := b.runtime(t, a, "files")
		b.runtime(t, other, "files")
		_, secret, err := b.registry.Setup(t.Context(), a, "files")
		require.NoError(t, err)
		b.start(t)
		s := b.store.Load()
		require.Len(t, s.Tenants(), 2)
		got := s.ByOrigin("https://alpha.mcp.test")
		require.Same(t, got, s.ByID(a.Tenant()))
		require.Equal(t, "https://alpha.mcp.test", got.Issuer)
		require.Equal(t, []string{got.Issuer}, got.Origins)
		require.Equal(t, []string{a.Tenant(), "alpha", "Workspace alpha"}, []string{got.ID, got.Slug, got.Name})
		require.Len(t, got.Keys, 1)
		require.Equal(t, got.Signer.Key.Public(), got.Keys[got.Signer.KID])
		require.Empty(t, got.Revoked)
		e := got.Edges["files"]
		require.Equal(t, ua.ID, e.ID)
		require.Equal(t, "Runtime files", e.Name)
		require.Equal(t, "https://alpha.mcp.test/files/mcp", e.Resource)
		require.Equal(t, "https://alpha.mcp.test/.well-known/oauth-protected-resource/files/mcp", e.MetadataURL)
		require.Equal(t, "http://127.0.0.1:9/files", e.Upstream.String())
		require.Nil(t, e.Contract, "the documented one")
		require.Equal(t, secret, e.WorkerSecret)
		require.Len(t, e.Headers, 1)
		require.Equal(t, "key of files", e.Headers[0].Value.Reveal())
		require.Equal(t, []string{authz.ScopeMCP}, e.Scopes)
		beta := s.ByOrigin("https://beta.mcp.test")
		require.NotEqual(t, got.Signer.KID, beta.Signer.KID)
		require.NotEqual(t, e.WorkerSecret, beta.Edges["files"].WorkerSecret)
		require.Nil(t, s.ByOrigin("http://alpha.mcp.test"))
	})
}

func TestChangesArePublished(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.tenant(t, "alpha")
		b.start(t)
		before := b.store.Load()
		u := b.runtime(t, a, "files")
		b.until(t, "a new runtime", func(s *snapshot.Snapshot) bool { return b.edges(s, a)["files"] != nil })
		require.Greater(t, b.store.Load().Edition, before.Edition)
		require.Empty(t, b.edges(before, a), "what was published does not change")

		other := b.tenant(t, "beta")
		b.until(t, "a new tenant", func(s *snapshot.Snapshot) bool { return s.ByOrigin("https://beta.mcp.test") != nil })
		b.runtime(t, other, "files")
		b.until(t, "its runtime", func(s *snapshot.Snapshot) bool { return b.edges(s, other)["files"] != nil })

		_, _, err := b.registry.Update(t.Context(), a, "files", upstreams.Input{Name: "Moved", URL: "http://127.0.0.1:9/moved"}, u.Version)
		require.NoError(t, err)
		b.until(t, "an edit", func(s *snapshot.Snapshot) bool {
			e := b.edges(s, a)["files"]
			return e != nil && e.Upstream.Path == "/moved" && len(e.Headers) == 0
		})
		require.NoError(t, b.registry.Remove(t.Context(), a, "files"))
		b.until(t, "a removal", func(s *snapshot.Snapshot) bool { return len(b.edges(s, a)) == 0 && s.ByID(a.Tenant()) != nil })
		require.NotEmpty(t, b.edges(b.store.Load(), other))

		require.NoError(t, b.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
			now := tx.Now()
			tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
			return tx.DB().Create(&family{TenantID: tx.Tenant(), ID: "fam_1", CreatedAt: now, ExpiresAt: now.Add(time.Hour), RevokedAt: &now}).Error
		}))
		b.until(t, "a revocation", func(s *snapshot.Snapshot) bool { _, ok := s.ByID(a.Tenant()).Revoked["fam_1"]; return ok })
	})
}

type family struct {
	TenantID, ID, ClientID, Subject, UpstreamID, Resource, Scope, RevokedReason string
	CreatedAt, ExpiresAt                                                        time.Time
	RevokedAt                                                                   *time.Time
}

func (family) TableName() string { return "token_families" }

// TestABrokenTenantIsItsOwnTrouble: the others are loaded and go on changing; the
// broken one is served as it was last, and comes back by itself.
func TestABrokenTenantIsItsOwnTrouble(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a, broken := b.tenant(t, "alpha"), b.tenant(t, "broken")
		u := b.runtime(t, broken, "files")
		const good, bad = "http://127.0.0.1:9/files", "http://[::1"
		b.set(t, u.ID, bad, "")
		b.feed.retry = 10 * time.Millisecond
		b.start(t)
		require.NotNil(t, b.store.Load().ByID(a.Tenant()))
		require.Nil(t, b.store.Load().ByID(broken.Tenant()))
		b.runtime(t, a, "one")
		b.until(t, "the other's change", func(s *snapshot.Snapshot) bool { return b.edges(s, a)["one"] != nil })

		b.set(t, u.ID, good, "")
		b.until(t, "the tenant that was repaired, without a notice", func(s *snapshot.Snapshot) bool { return b.edges(s, broken)["files"] != nil })

		b.set(t, u.ID, bad, tenancy.ConfigTopic(broken.Tenant()))
		b.runtime(t, a, "two")
		b.until(t, "the other's next change", func(s *snapshot.Snapshot) bool { return b.edges(s, a)["two"] != nil })
		require.Equal(t, good, b.edges(b.store.Load(), broken)["files"].Upstream.String(), "the last good state goes on")
		b.set(t, u.ID, good+"/again", "")
		b.until(t, "the repair", func(s *snapshot.Snapshot) bool { return b.edges(s, broken)["files"].Upstream.Path == "/files/again" })
	})
}

// TestEverythingIsReadNowAndThen: a change whose notice was lost is published, also
// while others keep the feed busy.
func TestEverythingIsReadNowAndThen(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a, busy := b.tenant(t, "alpha"), b.tenant(t, "busy")
		u := b.runtime(t, a, "files")
		b.feed.full = 10 * Debounce
		b.start(t)
		b.set(t, u.ID, "http://127.0.0.1:9/silent", "")
		deadline := time.NewTimer(patience)
		defer deadline.Stop()
		for b.edges(b.store.Load(), a)["files"].Upstream.Path != "/silent" {
			changed := b.store.Changed()
			require.NoError(t, b.DB.Write(t.Context(), busy, func(tx *tenancy.Tx) error {
				tx.Notify(tenancy.ConfigTopic(tx.Tenant()))
				return nil
			}))
			select {
			case <-changed:
			case <-deadline.C:
				require.FailNow(t, "notices of one tenant keep the full load away")
			}
		}
	})
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.feed.Stop()
		a := b.tenant(t, "alpha")
		require.NoError(t, b.feed.Start(t.Context()))
		b.feed.Stop()
		b.feed.Stop()
		generation := b.store.Load().Edition
		b.runtime(t, a, "files")
		require.Equal(t, generation, b.store.Load().Edition)
		require.NotNil(t, b.store.Load().ByID(a.Tenant()), "the last snapshot stays")
	})
}

func TestStartNeedsTheDatabase(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	b := setup(t, env)
	read, err := tenancy.Open(t.Context(), tenancy.Config{SQLitePath: t.TempDir() + "/empty.db", KEK: tenancytest.KEK(t), Clock: env.Clock, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	defer func() { require.NoError(t, read.Close()) }()
	empty := New(read, workspaces.New(read, workspaces.Placement{}, keys.Create), b.store, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, empty.Start(t.Context()), "load the first snapshot", "a database without tables")
	empty.Stop()
	require.Zero(t, b.store.Load().Edition)
}

// second opens the same database as another node would.
func (b *bundle) second(t *testing.T) gate {
	t.Helper()
	db, err := tenancy.Open(t.Context(), tenancy.Config{DatabaseURL: b.URL, KEK: tenancytest.KEK(t), Clock: b.Clock, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return open(t, db)
}

// listeners are the server's connections that wait for notices of this database.
func (b *bundle) listeners(t *testing.T) []int32 {
	t.Helper()
	pool, _ := b.DB.Native()
	rows, err := pool.Query(t.Context(), "select pid from pg_stat_activity where datname = current_database() and application_name = 'emcy notices' and query like any (array['listen%', '-- ping'])")
	require.NoError(t, err)
	defer rows.Close()
	var out []int32
	for rows.Next() {
		var pid int32
		require.NoError(t, rows.Scan(&pid))
		out = append(out, pid)
	}
	require.NoError(t, rows.Err())
	return out
}

func (b *bundle) listening(t *testing.T) int32 {
	t.Helper()
	require.Eventually(t, func() bool { return len(b.listeners(t)) == 1 }, patience, 10*time.Millisecond)
	return b.listeners(t)[0]
}

func TestAnotherNodesChangeIsHeard(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.Postgres(t))
	a := b.tenant(t, "alpha")
	b.start(t)
	b.listening(t)
	node := b.second(t)
	for i := range 3 {
		slug := fmt.Sprintf("files-%d", i)
		node.runtime(t, a, slug)
		b.until(t, "the other node's runtime", func(s *snapshot.Snapshot) bool { return b.edges(s, a)[slug] != nil })
	}
}

// TestALostListenerIsMadeUpFor: what was announced while nobody listened is read
// once somebody does again.
func TestALostListenerIsMadeUpFor(t *testing.T) {
	t.Parallel()
	b := setup(t, tenancytest.Postgres(t))
	a := b.tenant(t, "alpha")
	b.start(t)
	pid := b.listening(t)
	pool, _ := b.DB.Native()
	var ended bool
	require.NoError(t, pool.QueryRow(t.Context(), "select pg_terminate_backend($1, 10000)", pid).Scan(&ended))
	require.True(t, ended)
	node := b.second(t)
	node.runtime(t, a, "files")
	b.until(t, "the change of the gap", func(s *snapshot.Snapshot) bool { return b.edges(s, a)["files"] != nil })
	require.Eventually(t, func() bool { return len(b.listeners(t)) == 2 }, patience, 10*time.Millisecond, "it listens again, and so does the other node")
	node.runtime(t, a, "later")
	b.until(t, "and hears", func(s *snapshot.Snapshot) bool { return b.edges(s, a)["later"] != nil })
}

// TestApplyRemembersWhatFailed looks at the bookkeeping that the retry lives on.
func TestApplyRemembersWhatFailed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a, broken := b.tenant(t, "alpha"), b.tenant(t, "broken")
		u := b.runtime(t, broken, "files")
		require.NoError(t, b.feed.reload(t.Context()))
		b.set(t, u.ID, "http://[::1", "")
		err := b.feed.apply(t.Context(), []tenancy.Topic{tenancy.ConfigTopic(broken.Tenant()), tenancy.ConfigTopic(a.Tenant())}, false)
		require.ErrorContains(t, err, broken.Tenant())
		require.Equal(t, map[string]struct{}{broken.Tenant(): {}}, b.feed.missed)
		require.Error(t, b.feed.apply(t.Context(), nil, false), "tried again without a notice")
		require.Error(t, b.feed.apply(t.Context(), []tenancy.Topic{tenancy.ResyncTopic}, false))
		require.False(t, b.feed.missedAll)
		b.set(t, u.ID, "http://127.0.0.1:9/x", "")
		require.NoError(t, b.feed.apply(t.Context(), nil, false))
		require.Empty(t, b.feed.missed)
		require.NoError(t, b.feed.apply(t.Context(), []tenancy.Topic{tenancy.ConfigTopic("tnt_gone"), tenancy.EventsTopic(a.Tenant())}, false), "a tenant that is gone is taken out")
	})
}

// TestAGenerationIsOneConfiguration: whoever reads the same number reads the same
// rows, also while they are being changed.
func TestAGenerationIsOneConfiguration(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.tenant(t, "alpha")
		b.runtime(t, a, "files")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var mu sync.Mutex
		names := map[uint64]map[string]bool{}
		var loading sync.WaitGroup
		for range 3 {
			loading.Go(func() {
				for ctx.Err() == nil {
					loaded, err := b.feed.load(ctx, a)
					if err != nil {
						return // the end of the test
					}
					mu.Lock()
					if names[loaded.Generation] == nil {
						names[loaded.Generation] = map[string]bool{}
					}
					names[loaded.Generation][loaded.Edges["files"].Name] = true
					mu.Unlock()
				}
			})
		}
		for i := range 60 {
			u, err := b.registry.Get(t.Context(), a, "files")
			require.NoError(t, err)
			_, _, err = b.registry.Update(t.Context(), a, "files", upstreams.Input{Name: fmt.Sprintf("Name %d", i), Slug: "files", URL: u.URL}, u.Version)
			require.NoError(t, err)
		}
		cancel()
		loading.Wait()
		require.Greater(t, len(names), 3)
		for generation, seen := range names {
			require.Lenf(t, seen, 1, "generation %d", generation)
		}
	})
}
