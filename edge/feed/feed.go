package feed

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/scopes"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/upstreams"
)

const (
	// Debounce is the least time between two publications of a burst of changes.
	Debounce = 50 * time.Millisecond
	// FullReload bounds how long a lost notice can go unseen.
	FullReload = 60 * time.Second
	retry      = time.Second
	// sessionsPurpose names the keys under which the ids of MCP sessions are sealed. Another name ends every session.
	sessionsPurpose = "mcp-session"
	// statesPurpose names those of what clients bring back from connecting. Another name ends what is under way.
	statesPurpose = "mcp-request-state"
)

// Feed publishes snapshots.
type Feed struct {
	db         *tenancy.DB
	workspaces *workspaces.Workspaces
	store      *snapshot.Store
	clock      clock.Clock
	log        *slog.Logger
	// full and retry are the times to the next full load, and to the next try of what failed.
	full, retry time.Duration
	cancel      context.CancelFunc
	done        chan struct{}

	// missed are the tenants whose newest rows are not published yet; missedAll says
	// that it may be any of them. Only Start and then follow's goroutine touch them.
	missed    map[string]struct{}
	missedAll bool
}

// New makes a feed into the store.
func New(db *tenancy.DB, ws *workspaces.Workspaces, store *snapshot.Store, log *slog.Logger) *Feed {
	return &Feed{db: db, workspaces: ws, store: store, clock: db.Clock(), log: log, full: FullReload, retry: retry, missed: map[string]struct{}{}}
}

// Start loads everything once, then follows changes until Stop.
func (f *Feed) Start(ctx context.Context) error {
	// Listen first: a change between the load and the subscription would be lost.
	sub := f.db.Notices().Subscribe(func(t tenancy.Topic) bool { _, ok := t.Config(); return ok })
	if err := f.reload(ctx); f.missedAll {
		sub.Close()
		return fmt.Errorf("load the first snapshot: %w", err)
	} else if err != nil {
		f.log.ErrorContext(ctx, "snapshot not complete", logx.Err, err)
	}
	ctx, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
	f.done = make(chan struct{})
	go func() {
		defer close(f.done)
		defer sub.Close()
		f.follow(ctx, sub)
	}()
	return nil
}

// Stop ends following. It is safe to call twice, and before Start.
func (f *Feed) Stop() {
	if f.cancel != nil {
		f.cancel()
		<-f.done
	}
}

// follow publishes on notices, and everything once per FullReload however many
// notices there are: a lost one must not stay lost, and some of what is published
// depends on the time alone.
func (f *Feed) follow(ctx context.Context, sub *tenancy.Subscription) {
	full, again, wait := time.NewTimer(f.full), time.NewTimer(f.retry), f.retry // the first load may have missed something
	defer full.Stop()
	defer again.Stop()
	for {
		all := false
		select {
		case <-ctx.Done():
			return
		case <-full.C:
			full.Reset(f.full)
			all = true
		case <-again.C:
		case <-sub.Wake():
		}
		err := f.apply(ctx, sub.Take(), all)
		// The first notice of a burst is served at once, because somebody waits for it;
		// those right behind it are gathered.
		if !sleep(ctx, Debounce) {
			return
		}
		if err == nil {
			again.Stop()
			wait = f.retry
			continue
		}
		f.log.ErrorContext(ctx, "snapshot not complete, what was there before goes on", logx.Err, err)
		again.Reset(wait)
		wait = min(2*wait, f.full)
	}
}

// apply reads what the topics name, and what failed before.
func (f *Feed) apply(ctx context.Context, topics []tenancy.Topic, all bool) error {
	for _, t := range topics {
		if id, ok := t.Config(); ok {
			f.missed[id] = struct{}{}
		}
		f.missedAll = f.missedAll || t == tenancy.ResyncTopic
	}
	if all || f.missedAll {
		return f.reload(ctx)
	}
	var failed error
	for id := range f.missed {
		if err := f.reloadTenant(ctx, id); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		delete(f.missed, id)
	}
	return failed
}

// reload publishes every tenant. One whose rows cannot be read stays as it was and
// is remembered: it must not take the others' changes away.
func (f *Feed) reload(ctx context.Context) error {
	f.missedAll = true
	handles, err := f.workspaces.Handles(ctx)
	if err != nil {
		return err
	}
	missed := map[string]struct{}{}
	var failed error
	tenants := make([]*snapshot.Tenant, 0, len(handles))
	for _, h := range handles {
		t, err := f.load(ctx, h)
		if err != nil {
			missed[h.Tenant()] = struct{}{}
			failed = errors.Join(failed, err)
			if t = f.store.Load().ByID(h.Tenant()); t == nil {
				continue
			}
		}
		tenants = append(tenants, t)
	}
	if ctx.Err() != nil {
		return ctx.Err() // every load failed for that reason alone
	}
	f.missed, f.missedAll = missed, false
	f.store.Replace(f.clock.Now(), tenants)
	return failed
}

func (f *Feed) reloadTenant(ctx context.Context, id string) error {
	h, err := f.db.ForJob(ctx, id, "snapshot")
	if errs.Is(err, errs.NotFound) {
		f.store.Put(f.clock.Now(), id, nil)
		return nil
	}
	if err != nil {
		return err
	}
	t, err := f.load(ctx, h)
	if err != nil {
		return err
	}
	f.store.Put(f.clock.Now(), id, t)
	return nil
}

func (f *Feed) load(ctx context.Context, h tenancy.Handle) (*snapshot.Tenant, error) {
	var out *snapshot.Tenant
	err := f.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		out, err = build(tx, f.store.Load().ByID(h.Tenant()))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load tenant %s: %w", h.Tenant(), err)
	}
	return out, nil
}

// build reads a tenant's rows. Of what was published before only the tools are taken over, where they are the same: they
// are the one thing that can be large.
func build(tx *tenancy.Tx, before *snapshot.Tenant) (*snapshot.Tenant, error) {
	t, err := workspaces.Load(tx)
	if err != nil {
		return nil, err
	}
	if len(t.Origins) == 0 {
		return nil, fmt.Errorf("tenant %s has no origin", t.ID)
	}
	signing, err := keys.LoadAll(tx)
	if err != nil {
		return nil, err
	}
	chosen, err := settings.Load(tx)
	if err != nil {
		return nil, err
	}
	revoked, err := server.Revoked(tx)
	if err != nil {
		return nil, err
	}
	configured, err := upstreams.Load(tx)
	if err != nil {
		return nil, err
	}
	sessions, err := tx.Envelope(sessionsPurpose)
	if err != nil {
		return nil, err
	}
	states, err := tx.Envelope(statesPurpose)
	if err != nil {
		return nil, err
	}
	attached, err := profiles.LoadAttached(tx)
	if err != nil {
		return nil, err
	}
	out := &snapshot.Tenant{
		ID: t.ID, Slug: t.Slug, Name: t.Name, Generation: t.Generation, Issuer: t.Origins[0], Origins: t.Origins,
		Keys: map[string]crypto.PublicKey{}, DPoP: chosen.DPoP != settings.Never, DPoPRequired: chosen.DPoP == settings.Required, Signer: snapshot.Signer{KID: signing.Active.KID, Key: signing.Active.Key},
		Edges: map[string]*snapshot.Edge{}, Revoked: map[string]struct{}{}, Sessions: sessions, States: states,
	}
	for _, jwk := range signing.Public {
		out.Keys[jwk.KeyID] = jwk.Key
	}
	for _, id := range revoked {
		out.Revoked[id] = struct{}{}
	}
	catalogue, err := scopes.Load(tx)
	if err != nil {
		return nil, err
	}
	tools, err := upstreams.LoadTools(tx, publishedTools(before))
	if err != nil {
		return nil, err
	}
	for _, u := range configured {
		e, err := buildEdge(out.Issuer, u)
		if err != nil {
			return nil, err
		}
		e.Tools = tools[u.ID]
		if d, ok := attached[u.ID]; ok {
			e.Downstream = downstreamOf(d)
		}
		e.Scopes, e.Initial, e.Gate = []string{authz.ScopeMCP}, catalogue.At(u.ID).Initial()[1:], catalogue.Gate(u.ID)
		out.Edges[u.Slug] = e
	}
	return out, nil
}

func publishedTools(t *snapshot.Tenant) map[string]*snapshot.Tools {
	out := map[string]*snapshot.Tools{}
	if t != nil {
		for _, e := range t.Edges {
			out[e.ID] = e.Tools
		}
	}
	return out
}

func buildEdge(issuer string, u upstreams.Configured) (*snapshot.Edge, error) {
	target, err := url.Parse(u.URL)
	if err != nil {
		return nil, fmt.Errorf("address of upstream %s: %w", u.ID, err)
	}
	e := &snapshot.Edge{
		ID: u.ID, Slug: u.Slug, Name: u.Name, Resource: issuer + "/" + u.Slug + "/mcp",
		MetadataURL: issuer + "/.well-known/oauth-protected-resource/" + u.Slug + "/mcp", Upstream: target,
		Contract: contractOf(u.Contract), WorkerSecret: u.WorkerSecret,
	}
	for _, h := range u.Headers {
		e.Headers = append(e.Headers, snapshot.Header{Name: h.Name, Value: h.Value})
	}
	return e, nil
}

// sleep waits, unless the context ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
