package main

import (
	"net/http"
	"net/netip"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/internal/httpx"
)

// tracer hands what the edge sees of connecting clients to the traces.
type tracer struct {
	recorder *trace.Recorder
	trusted  []netip.Prefix
}

func (t tracer) Trace(r *http.Request, e edge.TraceEvent) {
	t.recorder.Passed(trace.OriginOf(httpx.ClientIP(r, t.trusted), r), trace.Passed(e))
}
