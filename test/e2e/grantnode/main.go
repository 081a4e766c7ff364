// Command grantnode is one node of an installation that does nothing but keep
// downstream grants: tests run several of it on one database, and kill them. Its clock
// is moved from outside; it is built with the tag "faults" where it is to kill itself.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
)

// moved is the machine's clock with a lead.
type moved struct {
	mu   sync.Mutex
	lead time.Duration
}

func (m *moved) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return clock.System{}.Now().Add(m.lead)
}

func (m *moved) move(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lead += d
}

// nobody takes notices, and signs nothing.
type nobody struct{}

func (nobody) Record(*tenancy.Tx, grants.Notice) error { return nil }

func (nobody) Assertion(context.Context, tenancy.Handle, string, string) (secret.Text, error) {
	return secret.Text{}, errs.E(errs.Invalid, "no assertions here", nil)
}

func main() {
	database := flag.String("database", "", "PostgreSQL URL")
	sqlite := flag.String("sqlite", "", "SQLite file")
	lead := flag.Duration("lead", 0, "how far the clock is ahead")
	flag.Parse()
	if err := run(*database, *sqlite, *lead); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(database, sqlite string, lead time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	raw := bytes.Repeat([]byte("k"), 32)
	raw[0] = 'K'
	kek, err := seal.NewKEK(raw)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	now := &moved{lead: lead}
	db, err := tenancy.Open(ctx, tenancy.Config{DatabaseURL: database, SQLitePath: sqlite, KEK: kek, Clock: now, Log: log})
	if err != nil {
		return err
	}
	out := outbound.New(outbound.Config{AllowPrivate: true})
	queue, err := jobs.New(db, log)
	if err != nil {
		return err
	}
	service, err := grants.New(grants.Config{
		DB: db, Provider: provider.New(out, jwks.New(out, now), now), Signer: nobody{}, Queue: queue, Notify: nobody{}, Log: log,
	})
	if err != nil {
		return err
	}
	source := grants.NewSource(db, service, log)
	if err := source.Start(); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	n := &node{db: db, clock: now, source: source}
	server := &http.Server{Handler: n.routes(), ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	_, _ = fmt.Fprintf(os.Stdout, "ready http://%s\n", listener.Addr())
	<-ctx.Done()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_ = server.Shutdown(end)
	source.Stop()
	_ = service.Stop(end)
	return db.Close()
}

type node struct {
	db     *tenancy.DB
	clock  *moved
	source *grants.Source
}

func (n *node) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /advance", func(w http.ResponseWriter, r *http.Request) {
		d, err := time.ParseDuration(r.FormValue("d"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		n.clock.move(d)
	})
	mux.HandleFunc("POST /call", n.call)
	mux.HandleFunc("GET /grant", n.grant)
	return mux
}

// call asks for the credential as often at once as it is told to.
func (n *node) call(w http.ResponseWriter, r *http.Request) {
	count, err := strconv.Atoi(r.FormValue("n"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	q := grants.Query{ProfileID: r.FormValue("profile"), Subject: r.FormValue("subject")}
	answer := struct{ Tokens, Errors map[string]int }{map[string]int{}, map[string]int{}}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range count {
		all.Go(func() {
			c, err := n.source.Get(r.Context(), r.FormValue("tenant"), q)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				answer.Errors[fmt.Sprint(errs.KindOf(err))+": "+err.Error()]++
				return
			}
			answer.Tokens[ids.Hash(c.Token.Reveal())]++
		})
	}
	all.Wait()
	_ = json.NewEncoder(w).Encode(answer)
}

func (n *node) grant(w http.ResponseWriter, r *http.Request) {
	h, err := n.db.ForJob(r.Context(), r.FormValue("tenant"), "test")
	var g grants.Grant
	if err == nil {
		err = n.db.Read(r.Context(), h, func(tx *tenancy.Tx) error {
			g, err = grants.Get(tx, r.FormValue("id"))
			return err
		})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(g)
}
