package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/feed"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/connect"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/notify"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/accounts"
	"github.com/emcy/gateway/tenancy/workspaces"
	"github.com/emcy/gateway/ui/assets"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
	"github.com/emcy/gateway/usage"
	"github.com/emcy/gateway/web"
)

// drain is how long a stopping process lets requests and jobs finish.
const (
	drain = 15 * time.Second
	// edgeDrain leaves of it what storing the last events needs.
	edgeDrain = 10 * time.Second
	// lastWords is how long requests that were cut off may take to be recorded.
	lastWords = 2 * time.Second
)

// openDatabase opens the data folder, the key and the database, and migrates.
func openDatabase(ctx context.Context, cfg config, log *slog.Logger) (*tenancy.DB, error) {
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return nil, configError{fmt.Errorf("the data folder cannot be made: %w", err)}
	}
	if err := writable(cfg.DataDir); err != nil {
		return nil, configError{fmt.Errorf("the data folder %s cannot be written: %w", cfg.DataDir, err)}
	}
	keyFile, create := cfg.KeyFile, false
	if keyFile == "" {
		keyFile, create = filepath.Join(cfg.DataDir, "key"), true
	}
	sqlitePath := filepath.Join(cfg.DataDir, "emcy.db")
	if _, err := os.Stat(sqlitePath); err == nil && cfg.DatabaseURL == "" {
		create = false // a new key could not open what is in there
	}
	kek, err := seal.LoadOrCreateFile(keyFile, create)
	if err != nil {
		return nil, configError{err}
	}
	db, err := tenancy.Open(ctx, tenancy.Config{DatabaseURL: cfg.DatabaseURL, SQLitePath: sqlitePath, KEK: kek, Clock: clock.System{}, Log: log})
	if err != nil {
		return nil, configError{err}
	}
	if err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.CheckKeys(ctx); err != nil {
		return nil, configError{errors.Join(err, db.Close())}
	}
	return db, nil
}

func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".write-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func migrate(ctx context.Context, cfg config, stdout, stderr io.Writer) error {
	db, err := openDatabase(ctx, cfg, logx.New(stderr, cfg.LogLevel, cfg.LogJSON))
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintln(stdout, "The database is up to date.")
	return db.Close()
}

// gateway is the running process: what was started, to be stopped the other way round.
type gateway struct {
	cfg   config
	log   *slog.Logger
	quiet *slog.Logger
	db    *tenancy.DB
	stops []func(context.Context) error
	// traces takes the steps of connecting clients, from the edge and the authorization server.
	traces   *trace.Recorder
	outbound *outbound.Client
	// grants keeps downstream tokens, provider speaks with those who issue them, and
	// downstream is what the edge takes them from.
	grants     *grants.Service
	provider   *provider.Provider
	downstream *grants.Source
	// connects takes people to providers and back.
	connects *connect.Connects
}

// onStop adds something to stop. The last one started stops first.
func (g *gateway) onStop(stop func(context.Context) error) { g.stops = append(g.stops, stop) }

func (g *gateway) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	var failed error
	for i := len(g.stops) - 1; i >= 0; i-- {
		failed = errors.Join(failed, g.stops[i](ctx))
	}
	return failed
}

func serve(ctx context.Context, cfg config, stdout, stderr io.Writer) (err error) {
	log := logx.New(stderr, cfg.LogLevel, cfg.LogJSON)
	// Libraries log through the default logger, one line for every refused request of
	// a stranger among them; what they have to say to an operator are errors.
	slog.SetDefault(logx.New(stderr, max(cfg.LogLevel, slog.LevelError), cfg.LogJSON))
	db, err := openDatabase(ctx, cfg, log)
	if err != nil {
		return err
	}
	// The queue tells about its own comings and goings at the level of the gateway's.
	quiet := logx.New(stderr, max(cfg.LogLevel, slog.LevelWarn), cfg.LogJSON)
	g := &gateway{cfg: cfg, log: log, quiet: quiet, db: db}
	g.onStop(func(context.Context) error { return db.Close() })
	defer func() { err = errors.Join(err, g.stop()) }()
	if err := g.start(ctx); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(stdout, "Emcy Gateway is ready: open %s\n", cfg.PublicURL)
	if cfg.PrivateByItself {
		_, _ = fmt.Fprintln(stdout, "Runtimes on loopback and private addresses are allowed, because the console is on localhost (EMCY_ALLOW_PRIVATE_UPSTREAMS).")
	}
	<-ctx.Done()
	log.InfoContext(ctx, "stopping: requests and jobs get a moment to finish")
	return nil
}

// start wires the packages. It is the one place that knows them all.
func (g *gateway) start(ctx context.Context) error {
	// Addresses first: what cannot be bound ends the start before anything has begun.
	bound, err := g.bind(ctx)
	if err != nil {
		return err
	}
	out := outbound.Config{AllowPrivate: g.cfg.AllowPrivate, UserAgent: "Emcy-Gateway/" + version()}
	client := outbound.New(out)
	g.outbound = client
	queue, err := jobs.New(g.db, g.quiet)
	if err != nil {
		return err
	}
	people := people{accounts.New(g.db, accounts.DefaultCost)}
	ws := workspaces.New(g.db, g.cfg.Placement, keys.Create)
	if g.traces, err = trace.New(trace.Config{DB: g.db, Log: g.log}); err != nil {
		return err
	}
	g.traces.Start()
	g.onStop(g.traces.Stop)
	alerts, err := g.newNotify(people.accounts, out)
	if err != nil {
		return err
	}
	if g.grants, g.provider, err = g.newGrants(queue, alerts, client); err != nil {
		return err
	}
	if g.connects, err = g.newConnects(); err != nil {
		return err
	}
	as := server.New(server.Config{
		DB: g.db, People: people, Resources: resources{}, Calls: calls{usage.NewLog(g.db)}, Connects: g.connectPages(), Outbound: client, SignIn: out, Assets: assets.Handler(), AssetsPrefix: assets.Prefix,
		ClientIP: func(r *http.Request) netip.Addr { return httpx.ClientIP(r, g.cfg.TrustedProxies) }, Log: g.log, Trace: g.traces,
	})
	registry := upstreams.New(g.db, client, probe.New(probe.Config{Outbound: out, Clock: g.db.Clock(), Version: version()}), as, queue)
	registry.UseAssertions(workerAssertions{})

	if g.cfg.Edge {
		if err := g.startEdge(ctx, bound.edge, client, as, ws); err != nil {
			return err
		}
	}
	if g.cfg.Worker {
		if err := g.startWorker(ctx, queue, registry, people.accounts, as, alerts); err != nil {
			return err
		}
	}
	if g.cfg.Console {
		return g.startConsole(bound.console, people.accounts, ws, registry, as, alerts)
	}
	return nil
}

// pseudonym names this installation in Via headers: the same on all of its nodes,
// and nobody else's.
func pseudonym(kek *seal.KEK) string {
	mac := kek.MAC("via")
	return "emcy-" + hex.EncodeToString(mac[:6])
}

func (g *gateway) startEdge(ctx context.Context, listener net.Listener, client *outbound.Client, as *server.Server, ws *workspaces.Workspaces) error {
	recorder, err := usage.New(usage.Config{DB: g.db, Dir: filepath.Join(g.cfg.DataDir, "spool"), Log: g.log})
	if err != nil {
		return configError{err}
	}
	if err := recorder.Start(); err != nil {
		return err
	}
	g.onStop(recorder.Stop)
	g.downstream = grants.NewSource(g.db, g.grants, g.log)
	if err := g.downstream.Start(); err != nil {
		return err
	}
	g.onStop(func(context.Context) error { g.downstream.Stop(); return nil })
	store := snapshot.NewStore()
	front, err := edge.New(edge.Config{
		Snapshots: store, Transport: client.Relay(outbound.TransportOptions{}), Recorder: recorder, Clock: g.db.Clock(), Log: g.log, Via: pseudonym(g.db.KEK()), Pages: g.cfg.EdgePages,
		Tracer: tracer{g.traces, g.cfg.TrustedProxies}, StepUps: as, Downstreams: downstreams{g.db, g.downstream, g.connects, store},
		Auth: func(w http.ResponseWriter, r *http.Request, t *snapshot.Tenant) { as.Serve(w, r, t.Issuer) },
	})
	if err != nil {
		return err
	}
	follow := feed.New(g.db, ws, store, g.log)
	if err := follow.Start(ctx); err != nil {
		return err
	}
	g.onStop(func(context.Context) error { follow.Stop(); return nil })
	front.Start()

	// Workspaces of one machine keep their ports, also where others are served by name.
	p := newPorts(store, front.Handler("http"), g.log)
	p.sync(ctx)
	following, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go p.follow(following, func() <-chan struct{} { return after(following, portRetry) })
	servers := []*http.Server{p.server}
	if listener != nil {
		s := edge.NewServer(front.Handler(g.cfg.EdgeScheme), g.log)
		go func() { _ = s.Serve(listener) }() // it ends with the server's shutdown
		servers = append(servers, s)
	}
	g.onStop(func(ctx context.Context) error {
		cancel()
		front.Stop()
		return g.stopEdge(ctx, front, servers)
	})
	g.warnOfUnserved(ctx, store.Load())
	return nil
}

// stopEdge lets requests finish as long as ctx allows. Those that do not are cut off,
// and waited for: their events have to reach the recorder, which stops after the edge.
func (g *gateway) stopEdge(ctx context.Context, front *edge.Front, servers []*http.Server) error {
	patient, end := context.WithTimeout(ctx, edgeDrain)
	defer end()
	var stopping sync.WaitGroup
	for _, s := range servers {
		stopping.Go(func() {
			if s.Shutdown(patient) != nil {
				g.log.WarnContext(ctx, "requests are cut off: they did not end in time")
				_ = s.Close() // its connections are what is to end
			}
		})
	}
	stopping.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	return front.Wait(ctx)
}

// portRetry is how often an occupied workspace port is tried again.
const portRetry = 30 * time.Second

// after is a channel that is closed once the time is up or ctx ends.
func after(ctx context.Context, d time.Duration) <-chan struct{} {
	done, cancel := context.WithTimeout(ctx, d)
	context.AfterFunc(done, cancel)
	return done.Done()
}

func (g *gateway) startWorker(ctx context.Context, queue *jobs.Queue, registry *upstreams.Registry, people *accounts.Accounts, as *server.Server, alerts *notify.Notify) error {
	err := queue.Start(context.WithoutCancel(ctx), jobs.Work{
		Probe: func(ctx context.Context, h tenancy.Handle, id string) error {
			_, err := registry.ProbeByID(ctx, h, id)
			return err
		},
		ProbeAll:             registry.ProbeDue,
		TurnKeys:             func(ctx context.Context) error { return keys.TurnAll(ctx, g.db) },
		RenewDocuments:       as.Clients().Renew,
		DeliverNotifications: alerts.Deliver,
		Grants:               jobs.WorkOn(g.grants),
		Sweep: func(ctx context.Context) error {
			return errors.Join(g.grants.Sweep(ctx), g.connects.Sweep(ctx), alerts.Sweep(ctx), g.tendProfiles(ctx), people.Sweep(ctx), as.Sweep(ctx), g.traces.Sweep(ctx), g.sweepUsage(ctx))
		},
	})
	if err != nil {
		return err
	}
	g.onStop(queue.Stop)
	return nil
}

func (g *gateway) sweepUsage(ctx context.Context) error {
	events := usage.NewLog(g.db)
	return errors.Join(events.Settle(ctx), events.Sweep(ctx))
}

func (g *gateway) startConsole(listeners []net.Listener, people *accounts.Accounts, ws *workspaces.Workspaces, registry *upstreams.Registry, as *server.Server, alerts *notify.Notify) error {
	console, err := web.New(web.Config{
		Profiles: g.newProfiles(as), ProfileTrials: g.connects,
		PublicURL: g.cfg.PublicURL, DB: g.db, Accounts: people, Workspaces: ws, Upstreams: registry, Usage: usage.NewLog(g.db),
		Connect: connectFacts{g.db}, Notice: g.notice(), TrustedProxies: g.cfg.TrustedProxies, Log: g.log, Ready: g.db.Ping, URLs: g.outbound, Clients: as.Clients(), Providers: as.Providers(), Issuers: as,
		Grants: g.grants, Notify: alerts, People: endUsers{db: g.db, accounts: people, profileUser: profileUser},
	})
	if err != nil {
		return configError{err}
	}
	s := edge.NewServer(console, g.log)
	for _, l := range listeners {
		go func() { _ = s.Serve(l) }() // it ends with the server's shutdown
	}
	g.onStop(func(ctx context.Context) error { console.Close(); return s.Shutdown(ctx) })
	return nil
}

func (g *gateway) notice() string {
	switch {
	case g.cfg.PrivateByItself:
		return "Runtimes on loopback and private addresses are allowed, because this gateway's console is on localhost."
	case g.cfg.AllowPrivate:
		return "Runtimes on loopback and private addresses are allowed by this gateway's settings."
	}
	return ""
}
