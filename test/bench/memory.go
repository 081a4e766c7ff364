package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/emcy/gateway/test/bench/load"
)

// allocs counts allocations of whole processes over a number of calls.
func (b *bench) allocs(ctx context.Context) (err error) {
	upstream, err := startRole(ctx, "upstream")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upstream.stop()) }()
	proxy, err := startRole(ctx, "proxy", "-to", upstream.addr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, proxy.stop()) }()
	bare, err := b.allocsOf(ctx, proxy, target{addr: proxy.addr, script: calls(proxy.addr, pathJSON, "token")})
	if err != nil {
		return err
	}
	b.report.figure("allocations a call: bare proxy", "%.1f", bare)
	for _, one := range []struct{ name, database string }{{"edge without recorder", ""}, {"edge that records into SQLite", databaseSQLite}} {
		dir, err := os.MkdirTemp(b.dir, "edge-")
		if err != nil {
			return err
		}
		e, err := startEdge(ctx, upstream.addr, one.database, dir)
		if err != nil {
			return err
		}
		found, err := b.allocsOf(ctx, e.role, e.target(one.name, pathJSON))
		if err := errors.Join(err, e.stop()); err != nil {
			return err
		}
		b.report.atMost("allocations a call above the bare proxy's: "+one.name, found-bare, 25, "%.1f")
	}
	return nil
}

func (b *bench) allocsOf(ctx context.Context, r *role, t target) (float64, error) {
	g, err := load.Open(ctx, t.addr, 16, t.script)
	if err != nil {
		return 0, err
	}
	defer g.Close()
	if _, err := g.Run(ctx, b.window); err != nil { // pools and caches fill up
		return 0, err
	}
	before, err := r.memory(ctx)
	if err != nil {
		return 0, err
	}
	result, err := g.Run(ctx, 2*b.window)
	if err != nil {
		return 0, err
	}
	after, err := r.memory(ctx)
	return float64(after.Mallocs-before.Mallocs) / float64(result.Requests), err
}

// idleStreams is how many streams are opened at each target.
const idleStreams = 2000

// streams measures what an open stream on which nothing happens costs.
func (b *bench) streams(ctx context.Context) (err error) {
	f, err := b.newField(ctx, []string{"GOGC=100"}, pathIdle) // garbage that is left lying would count as the streams'
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.stop()) }()
	e, err := startEdge(ctx, f.upstream.addr, "", "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.stop()) }()

	bare, err := heldBy(ctx, f.proxy.addr, f.proxy.addr, "token", f.proxy.resident)
	if err != nil {
		return err
	}
	b.report.figure("resident memory of an idle stream, bare proxy (KiB)", "%.1f", bare)
	gateway, err := heldBy(ctx, f.site.addr, f.site.host, f.token(pathIdle), f.site.gateway.resident)
	if err != nil {
		return err
	}
	b.report.atMost("resident memory of an idle stream, gateway (KiB)", gateway, 16, "%.1f")
	live, err := heldBy(ctx, e.addr, benchHost, e.token, func() (float64, error) {
		m, err := e.memory(ctx)
		return float64(m.Live), err
	})
	b.report.figure("heap and stacks of an idle stream, edge (KiB)", "%.1f", live)
	return err
}

// heldBy opens streams and gives what each adds to a measure, in KiB.
func heldBy(ctx context.Context, addr, host, token string, measure func() (float64, error)) (kib float64, err error) {
	// A few first: what the process needs once for all streams is not theirs.
	closeFew, err := openStreams(ctx, addr, host, token, 16)
	if err != nil {
		return 0, err
	}
	defer closeFew()
	before, err := measure()
	if err != nil {
		return 0, err
	}
	closeAll, err := openStreams(ctx, addr, host, token, idleStreams)
	if err != nil {
		return 0, err
	}
	defer closeAll()
	after, err := measure()
	return (after - before) / idleStreams / 1024, err
}

// openStreams returns once every stream has begun.
func openStreams(ctx context.Context, addr, host, token string, n int) (func(), error) {
	conns := make([]net.Conn, n)
	closeAll := func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close() // which ends the stream
			}
		}
	}
	const atOnce = 32
	failed := make([]error, atOnce)
	var wg sync.WaitGroup
	for w := range atOnce {
		wg.Go(func() {
			for i := w; i < n && failed[w] == nil; i += atOnce {
				conns[i], failed[w] = openStream(ctx, addr, host, token)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		closeAll()
		return nil, err
	}
	return closeAll, nil
}

func openStream(ctx context.Context, addr, host, token string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // or the reads below may wait for ever
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nAccept: text/event-stream\r\n"+
		"User-Agent: bench/1\r\nMcp-Protocol-Version: 2025-11-25\r\n\r\n", pathIdle, host, token)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil) //nolint:bodyclose // closing the connection ends it
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	opening := make([]byte, len(idleOpening))
	if _, err := io.ReadFull(resp.Body, opening); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, errors.Join(check(resp.StatusCode, opening, idleOpening), conn.SetDeadline(time.Time{}))
}
