package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// build builds the gateway as a release does.
func (b *bench) build(ctx context.Context) (string, error) {
	path := filepath.Join(b.dir, "emcy")
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", path, "./cmd/emcy").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	return path, nil
}

// gateway is the built binary with data of its own.
type gateway struct {
	*child
	binary, dir, console string
	env                  []string
}

// heardIn is how long a new runtime may take to reach the edge.
const heardIn = 5 * time.Second

const readyLine = "Emcy Gateway is ready: open "

// newGateway starts a gateway on fresh data. An empty URL is SQLite.
func (b *bench) newGateway(ctx context.Context, databaseURL string, settings ...string) (*gateway, error) {
	dir, err := os.MkdirTemp(b.dir, "gateway-")
	if err != nil {
		return nil, err
	}
	port, err := freePorts(ctx, 5)
	if err != nil {
		return nil, err
	}
	g := &gateway{binary: b.binary, dir: dir, console: "http://localhost:" + strconv.Itoa(port)}
	g.env = append(settings,
		"HOME="+dir, "TMPDIR="+dir, "EMCY_PUBLIC_URL="+g.console, "EMCY_DATA_DIR="+g.data(),
		fmt.Sprintf("EMCY_EDGE_PORTS=%d-%d", port+1, port+4), "EMCY_DATABASE_URL="+databaseURL,
	)
	return g, g.start(ctx)
}

func (g *gateway) data() string { return filepath.Join(g.dir, "data") }

func (g *gateway) start(ctx context.Context) (err error) {
	cmd := exec.CommandContext(ctx, g.binary, "serve") //nolint:gosec // the binary that was built
	cmd.Cancel = func() error { return nil }           // stop ends it
	cmd.Dir, cmd.Env = g.dir, g.env
	g.child, err = start(ctx, "the gateway", readyLine, cmd)
	return err
}

// freePorts gives the first of a block of ports that nothing uses, below the range
// from which the system takes ports by itself.
func freePorts(ctx context.Context, n int) (int, error) {
	for range 100 {
		first := 20000 + rand.IntN(10000) //nolint:gosec // any will do
		taken := false
		for port := first; port < first+n && !taken; port++ {
			for _, host := range []string{"127.0.0.1", "::1"} {
				var lc net.ListenConfig
				l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
				if err == nil {
					_ = l.Close()
				}
				taken = taken || err != nil && host == "127.0.0.1"
			}
		}
		if !taken {
			return first, nil
		}
	}
	return 0, errors.New("no free ports")
}

// site is a workspace on a gateway, as its owner and its clients know it.
type site struct {
	gateway *gateway
	person  *httpflow.Person
	// addr is where it is served, host what the Host header says.
	addr, host string
	clients    map[string]*httpflow.Client // by the runtime's path
}

// setUp signs up, makes a workspace, adds a runtime for each path and gets a token
// for it, all through the pages and endpoints that people and clients use.
func (g *gateway) setUp(ctx context.Context, upstream string, paths ...string) (*site, error) {
	s := &site{gateway: g, person: httpflow.NewPerson(g.console, "Ada Lovelace", nil), clients: map[string]*httpflow.Client{}}
	if err := s.person.SignUp(ctx); err != nil {
		return nil, err
	}
	if err := s.person.CreateWorkspace(ctx, "Bench", "bench"); err != nil {
		return nil, err
	}
	for _, path := range paths {
		slug, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		runtime, err := s.person.AddRuntime(ctx, "bench", httpflow.RuntimeForm{Name: "Runtime " + slug, Slug: slug, URL: "http://" + upstream + path})
		if err != nil {
			return nil, err
		}
		client := httpflow.NewClient(runtime.MCPURL, nil)
		if err := discover(ctx, client); err != nil {
			return nil, err
		}
		if err := client.Register(ctx); err != nil {
			return nil, err
		}
		s.clients[path] = client
		if err := s.authorize(ctx, path); err != nil {
			return nil, err
		}
		s.host = strings.TrimPrefix(client.Server.Issuer, "http://")
		s.addr = strings.Replace(s.host, "localhost", "127.0.0.1", 1)
	}
	return s, nil
}

// discover tries until the edge has heard of the runtime.
func discover(ctx context.Context, client *httpflow.Client) error {
	ctx, cancel := context.WithTimeout(ctx, heardIn)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := client.Discover(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

// authorize gets new tokens for a runtime, of a token family of their own.
func (s *site) authorize(ctx context.Context, path string) error {
	client := s.clients[path]
	callback, err := s.person.Allow(ctx, client.AuthorizeURL(), client.RedirectURI)
	if err != nil {
		return err
	}
	return client.Redeem(ctx, callback)
}

// coldStart measures how long the binary takes until it is ready, on no data and
// on its own.
func (b *bench) coldStart(ctx context.Context) error {
	var fresh, again []time.Duration
	for range b.rounds {
		begun := time.Now()
		g, err := b.newGateway(ctx, "")
		if err != nil {
			return err
		}
		fresh = append(fresh, time.Since(begun))
		if err := g.stop(); err != nil {
			return err
		}
		begun = time.Now()
		if err := g.start(ctx); err != nil {
			return err
		}
		again = append(again, time.Since(begun))
		if err := g.stop(); err != nil {
			return err
		}
	}
	b.report.atMost("cold start to ready on an empty data folder (s)", median(fresh).Seconds(), 1, "%.2f")
	b.report.atMost("cold start to ready on its data (s)", median(again).Seconds(), 1, "%.2f")
	return nil
}
