package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/usage/event"
)

// Sizes of the buffers through which bodies go. A stream holds its own for as long
// as it is open, mostly idle, so that one is small.
const (
	wholeBuffer  = 32 << 10
	streamBuffer = 4 << 10
)

var (
	wholeBuffers  = sync.Pool{New: func() any { b := make([]byte, wholeBuffer); return &b }}
	streamBuffers = sync.Pool{New: func() any { b := make([]byte, streamBuffer); return &b }}
)

func buffer(pool *sync.Pool) *[]byte {
	b, ok := pool.Get().(*[]byte)
	if !ok {
		panic("edge: foreign value in a buffer pool")
	}
	return b
}

// answer is what the runtime answered.
type answer struct {
	*http.Response
	ctx  context.Context //nolint:containedctx // it is the request's own, kept with its answer
	end  func(error)     // ends the request to the runtime
	sent time.Time
	// answered is set once the response to the request has passed: a client that
	// closes the stream after it has what it asked for has not cancelled anything.
	answered bool
}

// relay passes the answer on. What of it is recorded when depends on whether its
// end can be seen coming: an answer of known length is recorded before its last
// bytes leave; a stream when it opens and again when it ends.
func (x *exchange) relay(a *answer) {
	switch {
	case x.r.Method == http.MethodHead || a.StatusCode == http.StatusNoContent || a.ContentLength == 0:
		x.copyHeader(a)
		x.finish(a.StatusCode, outcomeOf(a.StatusCode), x.reasonOf(a.StatusCode))
		x.w.WriteHeader(a.StatusCode)
	case a.ContentLength > 0 && !isEventStream(a.Header):
		x.relayWhole(a)
	default:
		x.relayStream(a)
	}
}

// relayWhole passes on an answer of known length. Nothing is flushed, so an answer
// that fits the server's buffer leaves in one piece when the handler returns.
func (x *exchange) relayWhole(a *answer) {
	pooled := buffer(&wholeBuffers)
	defer wholeBuffers.Put(pooled)
	buf, left, large := *pooled, a.ContentLength, a.ContentLength > wholeBuffer
	out := x.writer(large)
	var watched *stream
	defer func() {
		if watched != nil {
			x.front.streams.remove(watched)
		}
	}()
	for first := true; left > 0; first = false {
		n, err := a.Body.Read(buf[:min(left, wholeBuffer)])
		if int64(n) < left && watched == nil {
			// It takes its time, so a revocation or the gateway's end must reach it as they reach a stream.
			watched = x.front.streams.add(x.call, x.access, a.end)
		}
		if rest := min(left, wholeBuffer); err == nil && int64(n) < rest {
			var more int
			more, err = io.ReadFull(a.Body, buf[n:rest])
			n += more
		}
		if left -= int64(n); left == 0 {
			err = nil // the end may come with the last bytes
		}
		if err != nil && first {
			x.unanswered(a.ctx, err)
			return
		}
		if err != nil {
			x.broken(a, err)
			return
		}
		x.event.ResponseBytes += int64(n)
		if left == 0 {
			x.event.Upstream = time.Since(a.sent)
			x.finish(a.StatusCode, outcomeOf(a.StatusCode), x.reasonOf(a.StatusCode))
		}
		if first {
			x.copyHeader(a)
			x.w.WriteHeader(a.StatusCode)
		}
		if _, err := out.Write(buf[:n]); err != nil {
			if left > 0 {
				x.finish(statusClientGone, event.Cancelled, reasonClientGone)
			}
			return
		}
	}
	if large {
		_ = out.flush() // under the bound; whether the client saw the end is not ours to mend
		out.clear()
	}
}

// relayStream passes on an event stream, or a body whose end cannot be seen
// coming, piece by piece as it arrives.
func (x *exchange) relayStream(a *answer) {
	x.event.Stream = isEventStream(a.Header)
	watched := x.front.streams.add(x.call, x.access, a.end)
	defer x.front.streams.remove(watched)
	x.opened(a.StatusCode)
	x.copyHeader(a)
	delete(x.w.Header(), "Content-Length") // the gateway may end the stream before
	x.w.WriteHeader(a.StatusCode)

	pooled := buffer(&streamBuffers)
	defer streamBuffers.Put(pooled)
	out := x.writer(true)
	defer out.clear()
	err := out.flush()
	for err == nil {
		var n int
		n, err = a.Body.Read(*pooled)
		if n > 0 {
			x.event.ResponseBytes += int64(n)
			a.answered = a.answered || x.holdsResponse((*pooled)[:n])
			if failed := out.writeAndFlush((*pooled)[:n]); failed != nil {
				err = errors.Join(errClientWrite, failed)
			}
		}
	}
	if !errors.Is(err, io.EOF) {
		x.broken(a, err)
		return
	}
	if !x.event.Stream {
		x.event.Upstream = time.Since(a.sent)
	}
	x.finish(a.StatusCode, outcomeOf(a.StatusCode), x.reasonOf(a.StatusCode))
}

var errClientWrite = errors.New("write to the client")

// broken ends an answer that has begun. Where the gateway ends it, the client sees
// a regular end; anything else must not look like one.
func (x *exchange) broken(a *answer, err error) {
	end, ours := errors.AsType[*streamEnd](context.Cause(a.ctx))
	switch {
	case a.answered && (x.clientGone() || errors.Is(err, errClientWrite)):
		x.finish(a.StatusCode, outcomeOf(a.StatusCode), x.reasonOf(a.StatusCode))
	case x.clientGone() || errors.Is(err, errClientWrite):
		x.finish(a.StatusCode, event.Cancelled, reasonClientGone)
	case ours:
		x.finish(a.StatusCode, end.outcome, end.reason)
		return
	default:
		x.complain("the runtime broke off its answer", err)
		x.finish(a.StatusCode, event.Failure, reasonAborted)
	}
	panic(http.ErrAbortHandler)
}

// holdsResponse looks for a JSON-RPC response to a request in a piece of a stream.
// It does not parse: it only tells the log's "ok" from its "cancelled", and a
// response that is cut in two where the pieces meet counts as cancelled.
func (x *exchange) holdsResponse(piece []byte) bool {
	return x.message.Kind == mcpwire.KindRequest && bytes.Contains(piece, []byte(`"id":`)) &&
		(bytes.Contains(piece, []byte(`"result":`)) || bytes.Contains(piece, []byte(`"error":`)))
}

func outcomeOf(status int) event.Outcome {
	switch {
	case status < 400:
		return event.Success
	case status < 500:
		return event.Rejected
	default:
		return event.Failure
	}
}

func (x *exchange) reasonOf(status int) string {
	switch {
	case status < 400:
		return ""
	case status == http.StatusNotFound && x.session != nil:
		return reasonSession
	case status == http.StatusMethodNotAllowed:
		return reasonMethod
	case status < 500:
		return reasonUpstream4xx
	default:
		return reasonUpstream5xx
	}
}
