package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Relay is the transport of a proxy: Transport for https, and for plain http connections of its own, on
// which request and answer are written and read by the caller's goroutine. Two goroutines and their
// hand-overs for each connection are most of what http.Transport costs a proxy.
//
// It sends nothing twice: a request is lost with its connection. A context that ends, ends the request
// and the reading of its answer. A body must not be read and closed at the same time.
type Relay struct {
	https     *http.Transport
	dial      func(ctx context.Context, network, address string) (net.Conn, error)
	plain     bool
	maxHeader int64
	perHost   int
	timeout   time.Duration

	mu    sync.Mutex
	idle  map[string][]*wire // by address, the one used last at the end
	sweep *time.Timer        // nil while nothing is idle
}

// Relay returns a transport for a proxy, with the client's dial check. Its errors are told by Classify.
// ResponseHeaderTimeout bounds https alone: end the context instead.
func (c *Client) Relay(opts TransportOptions) *Relay {
	https := c.Transport(opts)
	return &Relay{
		https: https, dial: c.guard.dial, plain: c.cfg.AllowPrivate, maxHeader: c.cfg.MaxHeader,
		perHost: https.MaxIdleConnsPerHost, timeout: https.IdleConnTimeout, idle: map[string][]*wire{},
	}
}

// RoundTrip implements http.RoundTripper.
func (r *Relay) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "http" || !r.plain {
		return r.https.RoundTrip(req)
	}
	ctx := req.Context()
	w, err := r.take(ctx, address(req.URL))
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // a RoundTripper closes the body, and there is nobody to tell
		}
		return nil, cause(ctx, err)
	}
	stop := context.AfterFunc(ctx, w.interrupt)
	resp, err := w.exchange(req, r.maxHeader)
	if err != nil {
		stop()
		_ = w.conn.Close() // the exchange has failed already
		return nil, cause(ctx, err)
	}
	body := &relayBody{body: resp.Body, relay: r, wire: w, ctx: ctx, stop: stop, last: resp.Close || resp.StatusCode < 200}
	if resp.Body == http.NoBody {
		body.end(true, io.EOF)
	} else {
		resp.Body = body
	}
	return resp, nil
}

// CloseIdleConnections closes the connections that wait for a request.
func (r *Relay) CloseIdleConnections() {
	r.https.CloseIdleConnections()
	r.closeIdle(0)
}

// cause prefers why the context ended over what that did to the connection.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func address(u *url.URL) string {
	if port := u.Port(); port != "" {
		return net.JoinHostPort(u.Hostname(), port)
	}
	return net.JoinHostPort(u.Hostname(), "80")
}

// take gives an idle connection that its peer has not closed, or a new one.
func (r *Relay) take(ctx context.Context, address string) (*wire, error) {
	if InTx(ctx) {
		return nil, errInTx()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for {
		w := r.pop(address)
		if w == nil {
			break
		}
		if time.Since(w.since) < r.timeout && w.quiet() {
			return w, nil
		}
		_ = w.conn.Close() // nobody waits for it
	}
	conn, err := r.dial(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return newWire(address, conn)
}

func (r *Relay) pop(address string) *wire {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.idle[address]
	if len(list) == 0 {
		return nil
	}
	w := list[len(list)-1]
	list[len(list)-1] = nil
	r.idle[address] = list[:len(list)-1]
	return w
}

// put keeps a connection for the next request.
func (r *Relay) put(w *wire) {
	w.since = time.Now()
	r.mu.Lock()
	list := r.idle[w.address]
	full := len(list) >= r.perHost
	if !full {
		r.idle[w.address] = append(list, w)
		if r.sweep == nil {
			r.sweep = time.AfterFunc(r.timeout, func() { r.closeIdle(r.timeout) })
		}
	}
	r.mu.Unlock()
	if full {
		_ = w.conn.Close() // nobody waits for it
	}
}

// closeIdle closes what has been idle for that long, and comes back for the rest.
func (r *Relay) closeIdle(age time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for address, list := range r.idle {
		kept := list[:0]
		for _, w := range list {
			if time.Since(w.since) < age {
				kept = append(kept, w)
			} else {
				_ = w.conn.Close() // nobody waits for it
			}
		}
		clear(list[len(kept):])
		if r.idle[address] = kept; len(kept) == 0 {
			delete(r.idle, address)
		}
	}
	if r.sweep != nil {
		r.sweep.Stop()
		r.sweep = nil
	}
	if len(r.idle) > 0 {
		r.sweep = time.AfterFunc(r.timeout, func() { r.closeIdle(r.timeout) })
	}
}

// relayBody gives the connection back when the body was read to its end.
type relayBody struct {
	body  io.ReadCloser
	relay *Relay
	wire  *wire
	ctx   context.Context //nolint:containedctx // it is the request's own, kept with its answer
	stop  func() bool
	last  bool // nothing may follow on this connection
	// result is what reading gives from now on; nil before the end.
	result error
}

func (b *relayBody) Read(p []byte) (int, error) {
	if b.result != nil {
		return 0, b.result
	}
	n, err := b.body.Read(p)
	if err == nil {
		return n, nil
	}
	complete := errors.Is(err, io.EOF)
	if !complete {
		err = cause(b.ctx, err)
	}
	b.end(complete, err)
	return n, err
}

// Close ends the answer. What is unread of it ends with its connection.
func (b *relayBody) Close() error {
	if b.result == nil {
		b.end(false, http.ErrBodyReadAfterClose)
	}
	return nil
}

func (b *relayBody) end(complete bool, result error) {
	b.result = result
	if undisturbed := b.stop(); complete && undisturbed && !b.last && b.wire.clean() {
		b.relay.put(b.wire)
		return
	}
	_ = b.wire.conn.Close() // nothing more comes through it
}
