package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emcy/gateway/test/bench/load"
)

// target is a server in a comparison.
type target struct {
	name    string
	child   *child
	addr    string
	script  func(i int) load.Script
	prepare func(ctx context.Context, d time.Duration) error // before each of its turns; may be nil
}

// measured is what the rounds found out about one target.
type measured struct {
	perSecond, p50, p99, first []float64 // times in microseconds
	requests                   int
	cpu                        time.Duration
}

func (m *measured) cpuPerRequest() float64 {
	return float64(m.cpu.Microseconds()) / float64(m.requests)
}

// compare lets the targets take turns, in every round.
func (b *bench) compare(ctx context.Context, conns int, targets ...target) (found []*measured, err error) {
	var groups []*load.Group
	defer func() {
		for _, g := range groups {
			g.Close()
		}
	}()
	for _, t := range targets {
		if t.prepare != nil {
			if err := t.prepare(ctx, b.window); err != nil {
				return nil, err
			}
		}
		g, err := load.Open(ctx, t.addr, conns, t.script)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.name, err)
		}
		groups = append(groups, g)
		found = append(found, &measured{})
	}
	for round := range b.rounds {
		for turn := range targets {
			i := (round + turn) % len(targets) // nobody is always first
			if err := b.turn(ctx, &targets[i], groups[i], found[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", targets[i].name, err)
			}
		}
	}
	return found, nil
}

func (b *bench) turn(ctx context.Context, t *target, g *load.Group, m *measured) error {
	if t.prepare != nil {
		if err := t.prepare(ctx, b.window); err != nil {
			return err
		}
	}
	before, err := t.child.cpu()
	if err != nil {
		return err
	}
	result, err := g.Run(ctx, b.window)
	if err != nil {
		return err
	}
	after, err := t.child.cpu()
	m.cpu += after - before
	m.requests += result.Requests
	m.perSecond = append(m.perSecond, result.PerSecond())
	m.p50 = append(m.p50, micros(load.Quantile(result.Latencies, 0.5)))
	m.p99 = append(m.p99, micros(load.Quantile(result.Latencies, 0.99)))
	m.first = append(m.first, micros(load.Quantile(result.FirstBytes, 0.5)))
	return err
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// field is the servers of the throughput measurements.
type field struct {
	upstream, proxy *role
	site            *site
	signer          *tokenSigner
}

func (f *field) stop() error {
	var failed error
	if f.site != nil {
		failed = f.site.gateway.stop()
	}
	for _, r := range []*role{f.proxy, f.upstream} {
		if r != nil {
			failed = errors.Join(failed, r.stop())
		}
	}
	return failed
}

// newField starts them; the settings are added to the gateway's environment.
func (b *bench) newField(ctx context.Context, settings []string, paths ...string) (*field, error) {
	f := &field{}
	if err := b.fill(ctx, f, settings, paths); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

func (b *bench) fill(ctx context.Context, f *field, settings, paths []string) (err error) {
	if f.upstream, err = startRole(ctx, "upstream"); err != nil {
		return err
	}
	if f.proxy, err = startRole(ctx, "proxy", "-to", f.upstream.addr); err != nil {
		return err
	}
	g, err := b.newGateway(ctx, "", settings...)
	if err != nil {
		return err
	}
	f.site = &site{gateway: g}
	made, err := g.setUp(ctx, f.upstream.addr, paths...)
	if err != nil {
		return err
	}
	f.site = made
	// Its key is read while nobody holds its data folder.
	if err := g.stop(); err != nil {
		return err
	}
	if f.signer, err = readSigner(ctx, g.data()); err != nil {
		return err
	}
	return g.start(ctx)
}

func (f *field) direct(path string) target {
	return target{name: "direct", child: f.upstream.child, addr: f.upstream.addr, script: calls(f.upstream.addr, path, f.token(path))}
}

func (f *field) bare(path string) target {
	return target{name: "bare proxy", child: f.proxy.child, addr: f.proxy.addr, script: calls(f.proxy.addr, path, f.token(path))}
}

func (f *field) gateway(path string) target {
	return target{name: "gateway", child: f.site.gateway.child, addr: f.site.addr, script: calls(f.site.host, path, f.token(path))}
}

func (f *field) token(path string) string { return f.site.clients[path].Tokens.AccessToken }

// throughput compares the gateway with everything on, the bare proxy and the
// runtime itself.
func (b *bench) throughput(ctx context.Context) (err error) {
	f, err := b.newField(ctx, nil, pathJSON, pathSSE)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	for _, conns := range []int{1, 16, 64, 256} {
		found, err := b.compare(ctx, conns, f.direct(pathJSON), f.bare(pathJSON), f.gateway(pathJSON))
		if err != nil {
			return err
		}
		b.tellThroughput(conns, found[0], found[1], found[2])
	}
	if err := b.freshTokens(ctx, f); err != nil {
		return err
	}
	return b.eventStreams(ctx, f)
}

func (b *bench) tellThroughput(conns int, direct, bare, gateway *measured) {
	what := func(s string) string { return fmt.Sprintf("%s, %d connections", s, conns) }
	all := ratios(gateway.perSecond, bare.perSecond)
	if conns == 1 {
		b.report.figure(what("requests/s to the bare proxy's"), "%.2f", median(all))
	} else {
		b.report.atLeast(what("requests/s to the bare proxy's"), median(all), 1, "%.2f")
	}
	b.report.figure(what("its spread over the rounds"), "%s", spread(all))
	b.report.figure(what("requests/s: direct, bare proxy, gateway"), "%.0f, %.0f, %.0f", median(direct.perSecond), median(bare.perSecond), median(gateway.perSecond))
	b.report.figure(what("CPU us a request: direct, bare proxy, gateway"), "%.0f, %.0f, %.0f", direct.cpuPerRequest(), bare.cpuPerRequest(), gateway.cpuPerRequest())
	if conns == 16 {
		b.report.atMost(what("p50 to the bare proxy's"), median(ratios(gateway.p50, bare.p50)), 1.1, "%.2f")
	}
	b.report.figure(what("p50 us: direct, bare proxy, gateway"), "%.0f, %.0f, %.0f", median(direct.p50), median(bare.p50), median(gateway.p50))
	b.report.figure(what("p99 us: direct, bare proxy, gateway"), "%.0f, %.0f, %.0f", median(direct.p99), median(bare.p99), median(gateway.p99))
}

// freshTokens has every request come with a token that was never seen before, of a
// caller who has asked before, or of another one each time.
func (b *bench) freshTokens(ctx context.Context, f *field) error {
	for _, conns := range []int{16, 64} {
		found, err := b.compare(ctx, conns, f.bare(pathJSON), f.fresh(conns, false), f.fresh(conns, true))
		if err != nil {
			return err
		}
		bare, known, strangers := found[0], found[1], found[2]
		b.report.atLeast(fmt.Sprintf("first request with a new token, requests/s to the bare proxy's, %d connections", conns),
			median(ratios(known.perSecond, bare.perSecond)), 0.45, "%.2f")
		b.report.figure(fmt.Sprintf("the same, each of a caller who was never seen, %d connections", conns), "%.2f", median(ratios(strangers.perSecond, bare.perSecond)))
		b.report.figure(fmt.Sprintf("CPU us a request: bare proxy, new token, new caller, %d connections", conns), "%.0f, %.0f, %.0f",
			bare.cpuPerRequest(), known.cpuPerRequest(), strangers.cpuPerRequest())
	}
	return nil
}

// fresh is the gateway, asked with a new token each time. They are signed between
// the turns.
func (f *field) fresh(conns int, strangers bool) target {
	list := &tokens{}
	t := f.gateway(pathJSON)
	t.script = func(int) load.Script { return fresh{f.site.host, pathJSON, list} }
	t.prepare = func(ctx context.Context, d time.Duration) error {
		const most = 20_000 // requests in a second, with a check of a signature each
		need := int(most*d.Seconds()) + conns - list.left()
		if need <= 0 {
			return nil
		}
		more, err := f.signer.sign(ctx, f.token(pathJSON), need, strangers)
		list.list = append(list.list, more...)
		return err
	}
	return t
}

// eventStreams has the answers come as event streams.
func (b *bench) eventStreams(ctx context.Context, f *field) error {
	for _, conns := range []int{1, 16, 64} {
		found, err := b.compare(ctx, conns, f.direct(pathSSE), f.bare(pathSSE), f.gateway(pathSSE))
		if err != nil {
			return err
		}
		direct, bare, gateway := found[0], found[1], found[2]
		if conns == 1 {
			b.report.atMost("first byte of an event stream after direct, p50 (ms), 1 connection", (median(gateway.first)-median(direct.first))/1000, 0.5, "%.2f")
			b.report.figure("first byte of an event stream, p50 us: direct, bare proxy, gateway", "%.0f, %.0f, %.0f", median(direct.first), median(bare.first), median(gateway.first))
			continue
		}
		b.report.figure(fmt.Sprintf("answers as event streams, requests/s to the bare proxy's, %d connections", conns), "%.2f", median(ratios(gateway.perSecond, bare.perSecond)))
	}
	return nil
}
