package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/logx"
)

// listen opens a listener; an occupied port is told in words.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, configError{fmt.Errorf("%s is in use by another program: stop it, or choose another address", addr)}
	}
	if err != nil {
		return nil, configError{fmt.Errorf("listen on %s: %w", addr, err)}
	}
	return l, nil
}

// listenAll opens several listeners. A machine without IPv6 does without the
// addresses of that family that follow the first one.
func listenAll(ctx context.Context, addrs []string) ([]net.Listener, error) {
	var out []net.Listener
	for _, addr := range addrs {
		l, err := listen(ctx, addr)
		if err != nil && len(out) > 0 && (errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)) {
			continue
		}
		if err != nil {
			for _, open := range out {
				_ = open.Close()
			}
			return nil, err
		}
		out = append(out, l)
	}
	return out, nil
}

func withTLS(l net.Listener, certFile, keyFile string) (net.Listener, error) {
	if certFile == "" {
		return l, nil
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, configError{fmt.Errorf("read certificate: %w", err)}
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}), nil
}

// ports keeps one listener per workspace on one machine, following the snapshot.
// A port never changes hands: its workspace keeps it for good.
type ports struct {
	store  *snapshot.Store
	server *http.Server
	log    *slog.Logger
	mu     sync.Mutex
	open   map[string][]net.Listener // by port
	failed map[string]bool
}

func newPorts(store *snapshot.Store, handler http.Handler, log *slog.Logger) *ports {
	return &ports{store: store, server: edge.NewServer(handler, log), log: log, open: map[string][]net.Listener{}, failed: map[string]bool{}}
}

// sync opens what is missing.
func (p *ports) sync(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.store.Load().Tenants() {
		for _, origin := range t.Origins {
			u, err := url.Parse(origin)
			if err != nil || u.Scheme != "http" || u.Hostname() != "localhost" || u.Port() == "" || p.open[u.Port()] != nil {
				continue
			}
			listeners, err := listenAll(ctx, []string{"127.0.0.1:" + u.Port(), "[::1]:" + u.Port()})
			if err != nil {
				if !p.failed[u.Port()] {
					p.log.ErrorContext(ctx, fmt.Sprintf("workspace %s is not served: its port %s cannot be opened; it is tried again", t.Slug, u.Port()), logx.Err, err)
				}
				p.failed[u.Port()] = true
				continue
			}
			delete(p.failed, u.Port())
			p.open[u.Port()] = listeners
			for _, l := range listeners {
				go func() { _ = p.server.Serve(l) }() // it ends with the server's shutdown
			}
			p.log.InfoContext(ctx, "workspace is served", logx.Origin, origin, "workspace", t.Slug)
		}
	}
}

// follow opens ports of new workspaces until ctx ends, and tries occupied ones again.
func (p *ports) follow(ctx context.Context, again func() <-chan struct{}) {
	for {
		changed := p.store.Changed()
		p.sync(ctx)
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-again():
		}
	}
}
