package main

import (
	"context"
	"net"
	"net/url"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/httpx"
	"github.com/emcy/gateway/internal/logx"
)

// listeners are the addresses that the settings name. Workspaces' own ports are
// opened as the workspaces come.
type listeners struct {
	console []net.Listener
	edge    net.Listener
}

func (g *gateway) bind(ctx context.Context) (listeners, error) {
	var out listeners
	var err error
	if g.cfg.Console {
		if out.console, err = listenAll(ctx, g.cfg.Listen); err != nil {
			return listeners{}, err
		}
	}
	for i, l := range out.console {
		g.onStop(func(context.Context) error { _ = l.Close(); return nil }) // a served one is closed already
		if out.console[i], err = withTLS(l, g.cfg.TLSCert, g.cfg.TLSKey); err != nil {
			return listeners{}, err
		}
	}
	if !g.cfg.Edge || g.cfg.EdgeListen == "" {
		return out, nil
	}
	l, err := listen(ctx, g.cfg.EdgeListen)
	if err != nil {
		return listeners{}, err
	}
	g.onStop(func(context.Context) error { _ = l.Close(); return nil })
	if out.edge, err = withTLS(l, g.cfg.EdgeCert, g.cfg.EdgeTK); err != nil {
		return listeners{}, err
	}
	return out, nil
}

// warnOfUnserved names the workspaces whose address no listener answers, which
// happens when the settings that gave it to them have changed since.
func (g *gateway) warnOfUnserved(ctx context.Context, snap *snapshot.Snapshot) {
	for _, t := range snap.Tenants() {
		u, err := url.Parse(t.Issuer)
		onPort := err == nil && u.Scheme == "http" && u.Hostname() == "localhost" && u.Port() != ""
		byName := err == nil && g.cfg.EdgeListen != "" && u.Scheme == g.cfg.EdgeScheme
		if !onPort && !byName {
			g.log.ErrorContext(ctx, "workspace "+t.Slug+" is not served: its address does not fit EMCY_EDGE_ORIGIN and EMCY_EDGE_LISTEN any more, and addresses never change", logx.Origin, t.Issuer)
		}
	}
	if g.cfg.Placement.Pattern == "" && !httpx.IsLoopbackHost(g.cfg.Public.Hostname()) {
		g.log.WarnContext(ctx, "the console is public, but workspaces get addresses on this machine only: set EMCY_EDGE_ORIGIN and EMCY_EDGE_LISTEN")
	}
}
