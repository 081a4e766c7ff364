package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/usage/event"
)

var errHeaderTime = errors.New("the runtime sent no headers in time")

// forward sends the request to the runtime, once, and hands its answer back. One that the runtime refused
// for the person's token goes out once more with another one: nothing was done about it (ADR 0011).
func (x *exchange) forward() {
	var a answer
	if !x.send(&a) || x.down != nil && !x.settle(&a) {
		return
	}
	defer a.close()
	if re := x.judgeStatus(a.StatusCode, a.Header); re != nil {
		x.answer(re)
		return
	}
	if re := x.sealSession(a.Header); re != nil {
		x.answer(re)
		return
	}
	x.relay(&a)
}

// send gets the runtime's answer. Where there is none it gives false, and the client has heard why.
func (x *exchange) send(a *answer) bool {
	header, err := x.upstreamHeader()
	if err != nil {
		x.complain("prepare the request to the runtime", err)
		x.answer(x.failed(http.StatusInternalServerError, reasonGatewayFault, "Something went wrong on our side. Request "+x.event.RequestID+"."))
		return false
	}
	// The client's disconnect ends the runtime's work: since 2026-07-28 that is how a call is cancelled.
	ctx, cancel := context.WithCancelCause(x.r.Context())
	patience := time.AfterFunc(x.front.limits.HeaderTime, func() { cancel(errHeaderTime) })
	sent := time.Now()
	resp, err := x.front.transport.RoundTrip(x.upstreamRequest(ctx, header))
	x.event.Upstream += time.Since(sent)
	if !patience.Stop() && err == nil {
		_ = resp.Body.Close() // it came too late to be used
		err = errHeaderTime
	}
	if err != nil {
		defer cancel(nil)
		x.unanswered(ctx, err)
		return false
	}
	*a = answer{Response: resp, ctx: ctx, end: cancel, sent: sent}
	return true
}

func (a *answer) close() {
	_ = a.Body.Close()
	a.end(nil)
}

// upstreamRequest has no GetBody: without it a transport cannot send the message a
// second time, and a tool must not run twice.
func (x *exchange) upstreamRequest(ctx context.Context, header http.Header) *http.Request {
	req := &http.Request{
		Method: x.r.Method, URL: x.edge.Upstream, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if x.r.Method == http.MethodPost {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(x.body)), int64(len(x.body))
	}
	return req.WithContext(ctx)
}

// failed is a refusal that carries the request's id.
func (x *exchange) failed(status int, reason, message string) *refusal {
	re := failed(status, reason, message)
	re.id = x.message.ID
	return re
}

// judgeStatus keeps back the answers that would mean something else to the client
// than the runtime meant: the client cannot sign in to the runtime, and a message
// that followed a redirect would leave the path that was checked.
func (x *exchange) judgeStatus(status int, header http.Header) *refusal {
	switch {
	case status == http.StatusLoopDetected && x.front.loops(header):
		return x.loop()
	case status == http.StatusUnauthorized:
		return x.failed(http.StatusBadGateway, reasonRefusedSecret, "The runtime answered 401: most likely its worker secret is not the one that the gateway sends.")
	case status == http.StatusForbidden:
		return x.failed(http.StatusBadGateway, reasonForbidden, "The runtime answered 403: it refuses this request. If it checks the Host header or the worker secret, look there first.")
	case status >= 300 && status < 400:
		return x.failed(http.StatusBadGateway, reasonRedirect, "The runtime answered with a redirect. Its URL has to be changed in the gateway.")
	case status < 200 || status == http.StatusProxyAuthRequired:
		return x.failed(http.StatusBadGateway, reasonUnexpected, "The runtime gave an answer that MCP does not know.")
	}
	return nil
}

// unanswered ends a request to which no answer, or not even the start of one, has come.
func (x *exchange) unanswered(ctx context.Context, err error) {
	if x.clientGone() {
		x.leave()
	}
	if end, ours := errors.AsType[*streamEnd](context.Cause(ctx)); ours {
		re := x.failed(http.StatusServiceUnavailable, end.reason, "The gateway ended the request before the runtime's answer was complete.")
		re.outcome = end.outcome
		x.answer(re)
		return
	}
	if errors.Is(context.Cause(ctx), errHeaderTime) {
		err = errHeaderTime
	}
	x.complain("the runtime did not answer", err)
	fault := outbound.Classify(err)
	switch {
	case errors.Is(err, errHeaderTime), fault.Kind == outbound.KindTimeout && !dialing(err):
		x.answer(x.failed(http.StatusGatewayTimeout, reasonTimeout, "The runtime did not answer in time."))
	case fault.Kind == outbound.KindProtocol:
		x.answer(x.failed(http.StatusBadGateway, reasonAborted, "The runtime did not answer: "+fault.Public()+"."))
	default:
		x.answer(x.failed(http.StatusBadGateway, reasonUnreachable, "The runtime cannot be reached: "+fault.Public()+"."))
	}
}

func (x *exchange) clientGone() bool { return x.r.Context().Err() != nil }

// leave ends a request whose client is gone.
func (x *exchange) leave() {
	x.finish(statusClientGone, event.Cancelled, reasonClientGone)
	panic(http.ErrAbortHandler)
}

func dialing(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// complain writes down a fault whose cause the client is not told.
func (x *exchange) complain(what string, err error) {
	x.front.log.WarnContext(x.r.Context(), what,
		logx.RequestID, x.event.RequestID, logx.Tenant, x.event.TenantID, logx.Upstream, x.event.UpstreamID, logx.Err, err)
}
