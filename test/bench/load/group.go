package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// Script is one connection's side of the conversation. Its methods are called in
// turn, from one goroutine.
type Script interface {
	// Request gives the bytes of the next request, or nil where there is none left.
	Request() []byte
	// Answer judges what came back. The body is valid during the call only.
	Answer(status int, body []byte) error
}

// Group is a number of connections to one server, kept from run to run.
type Group struct {
	members []*member
}

type member struct {
	conn      net.Conn
	reader    *reader
	script    Script
	latencies []time.Duration
	first     []time.Duration
}

// errNothingLeft ends a run whose scripts have run out.
var errNothingLeft = errors.New("the script has no request left: make it longer, or the run shorter")

// Open connects, and has one request answered on each connection.
func Open(ctx context.Context, addr string, conns int, script func(i int) Script) (*Group, error) {
	g := &Group{}
	var dialer net.Dialer
	for i := range conns {
		conn, err := dialer.DialContext(ctx, "tcp", addr)
		if err != nil {
			g.Close()
			return nil, fmt.Errorf("connect: %w", err)
		}
		g.members = append(g.members, &member{conn: conn, reader: newReader(conn), script: script(i)})
	}
	if _, err := g.run(ctx, func(*member) bool { return false }); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// Close closes the connections.
func (g *Group) Close() {
	for _, m := range g.members {
		_ = m.conn.Close() // nothing is left to be said
	}
}

// Result is what a run measured.
type Result struct {
	Requests int
	Elapsed  time.Duration
	// Latencies are until the last byte, FirstBytes until the first of the body; both sorted.
	Latencies, FirstBytes []time.Duration
}

// PerSecond is the throughput.
func (r Result) PerSecond() float64 { return float64(r.Requests) / r.Elapsed.Seconds() }

// Run sends requests on all connections for a time.
func (g *Group) Run(ctx context.Context, d time.Duration) (Result, error) {
	end := time.Now().Add(d)
	return g.run(ctx, func(*member) bool { return time.Now().Before(end) })
}

// run sends at least one request on each connection, and more while more says so.
func (g *Group) run(ctx context.Context, more func(*member) bool) (Result, error) {
	stop := context.AfterFunc(ctx, g.Close)
	defer stop()
	failed := make([]error, len(g.members))
	start := time.Now()
	var wg sync.WaitGroup
	for i, m := range g.members {
		wg.Go(func() { failed[i] = m.run(more) })
	}
	wg.Wait()
	r := Result{Elapsed: time.Since(start)}
	for _, m := range g.members {
		r.Requests += len(m.latencies)
		r.Latencies = append(r.Latencies, m.latencies...)
		r.FirstBytes = append(r.FirstBytes, m.first...)
	}
	slices.Sort(r.Latencies)
	slices.Sort(r.FirstBytes)
	return r, errors.Join(ctx.Err(), errors.Join(failed...))
}

func (m *member) run(more func(*member) bool) error {
	m.latencies, m.first = m.latencies[:0], m.first[:0]
	for {
		request := m.script.Request()
		if request == nil {
			return errNothingLeft
		}
		sent := time.Now()
		if _, err := m.conn.Write(request); err != nil {
			return fmt.Errorf("send: %w", err)
		}
		a, err := m.reader.answer()
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		done := time.Now()
		m.latencies = append(m.latencies, done.Sub(sent))
		m.first = append(m.first, a.first.Sub(sent))
		if err := m.script.Answer(a.status, a.body); err != nil {
			return err
		}
		if !more(m) {
			return nil
		}
	}
}

// Quantile is the value below which that part of a sorted list lies.
func Quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
