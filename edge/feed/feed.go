// Package feed fills the edge's snapshot: it reads every tenant's rows, listens
// for change notices and publishes. It is the control side; nothing of a request
// passes through it.
//
// Bounds: a change is at the edge after the notice's way plus Debounce; without
// notices, after FullReload at the latest. While the database is away the last
// snapshot goes on being served.
package feed

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/upstreams"
)

const (
	// Debounce gathers the notices of one burst of changes.
	Debounce = 50 * time.Millisecond
	// FullReload bounds how long a lost notice can go unseen.
	FullReload = 60 * time.Second
	retry      = time.Second
)

// Feed publishes snapshots.
type Feed struct {
	db         *tenancy.DB
	workspaces *workspaces.Workspaces
	store      *snapshot.Store
	clock      clock.Clock
	log        *slog.Logger
	cancel     context.CancelFunc
	done       chan struct{}
}

// New makes a feed into the store.
func New(db *tenancy.DB, ws *workspaces.Workspaces, store *snapshot.Store, log *slog.Logger) *Feed {
	return &Feed{db: db, workspaces: ws, store: store, clock: db.Clock(), log: log}
}

// Start loads everything once, then follows changes until Stop.
func (f *Feed) Start(ctx context.Context) error {
	// Listen first: a change between the load and the subscription would be lost.
	sub := f.db.Notices().Subscribe(func(t tenancy.Topic) bool { _, ok := t.Config(); return ok })
	if err := f.reload(ctx); err != nil {
		sub.Close()
		return err
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

func (f *Feed) follow(ctx context.Context, sub *tenancy.Subscription) {
	full := time.NewTimer(FullReload)
	defer full.Stop()
	for {
		all := false
		select {
		case <-ctx.Done():
			return
		case <-full.C:
			all = true
		case <-sub.Wake():
			if !sleep(ctx, Debounce) {
				return
			}
		}
		if err := f.apply(ctx, sub.Take(), all); err != nil && ctx.Err() == nil {
			f.log.ErrorContext(ctx, "snapshot not updated, the last one goes on", logx.Err, err)
			// Which tenants were missed is not remembered: the next load reads all.
			full.Reset(retry)
			continue
		}
		full.Reset(FullReload)
	}
}

func (f *Feed) apply(ctx context.Context, topics []tenancy.Topic, all bool) error {
	for _, t := range topics {
		all = all || t == tenancy.ResyncTopic
	}
	if all {
		return f.reload(ctx)
	}
	for _, t := range topics {
		if id, ok := t.Config(); ok {
			if err := f.reloadTenant(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Feed) reload(ctx context.Context) error {
	handles, err := f.workspaces.Handles(ctx)
	if err != nil {
		return err
	}
	tenants := make([]*snapshot.Tenant, 0, len(handles))
	for _, h := range handles {
		t, err := f.load(ctx, h)
		if err != nil {
			// One tenant's bad rows must not take the others' changes away.
			f.log.ErrorContext(ctx, "tenant left out of the snapshot", logx.Tenant, h.Tenant(), logx.Err, err)
			if t = f.store.Load().ByID(h.Tenant()); t == nil {
				continue
			}
		}
		tenants = append(tenants, t)
	}
	f.store.Replace(f.clock.Now(), tenants)
	return ctx.Err()
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
		out, err = build(tx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load tenant %s: %w", h.Tenant(), err)
	}
	return out, nil
}

func build(tx *tenancy.Tx) (*snapshot.Tenant, error) {
	t, err := workspaces.Load(tx)
	if err != nil {
		return nil, err
	}
	if len(t.Origins) == 0 {
		return nil, fmt.Errorf("tenant %s has no origin", t.ID)
	}
	keys, err := server.LoadKeys(tx)
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
	out := &snapshot.Tenant{
		ID: t.ID, Slug: t.Slug, Name: t.Name, Issuer: t.Origins[0], Origins: t.Origins,
		Keys: map[string]*ecdsa.PublicKey{}, Signer: snapshot.Signer{KID: keys.ActiveKID, Key: keys.Active},
		Edges: map[string]*snapshot.Edge{}, Revoked: map[string]struct{}{},
	}
	for _, jwk := range keys.Public {
		if key, ok := jwk.Key.(*ecdsa.PublicKey); ok {
			out.Keys[jwk.KeyID] = key
		}
	}
	for _, id := range revoked {
		out.Revoked[id] = struct{}{}
	}
	for _, u := range configured {
		e, err := buildEdge(out.Issuer, u)
		if err != nil {
			return nil, err
		}
		out.Edges[u.Slug] = e
	}
	return out, nil
}

func buildEdge(issuer string, u upstreams.Configured) (*snapshot.Edge, error) {
	target, err := url.Parse(u.URL)
	if err != nil {
		return nil, fmt.Errorf("address of upstream %s: %w", u.ID, err)
	}
	e := &snapshot.Edge{
		ID: u.ID, Slug: u.Slug, Name: u.Name, Resource: issuer + "/" + u.Slug + "/mcp",
		MetadataURL: issuer + "/.well-known/oauth-protected-resource/" + u.Slug + "/mcp", Upstream: target,
		SecretHeader: u.SecretHeader, WorkerSecret: u.WorkerSecret, Scopes: []string{authz.ScopeMCP},
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
