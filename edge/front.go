package edge

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/oauthwire"
)

// Front is the public side of every tenant.
type Front struct {
	snapshots   *snapshot.Store
	auth        func(http.ResponseWriter, *http.Request, *snapshot.Tenant)
	transport   http.RoundTripper
	recorder    Recorder
	clock       clock.Clock
	log         *slog.Logger
	limits      Limits
	via         string
	pages       Pages
	tracer      Tracer
	stepUps     StepUps
	downstreams Downstreams
	strangers   *strangers
	tokens      *tokenCache
	proofs      *proofs
	// assertions are the last statements about callers.
	assertions assertions
	links      links
	stale      stale
	connecting chan struct{} // one for each retry that waits for its person
	streams    *streams
	serving    sync.WaitGroup
}

// Start begins to watch over open streams: a token that expires or is revoked, or
// a runtime that is removed, ends the stream.
func (f *Front) Start() { f.streams.start() }

// Stop ends every open stream, so that the server's shutdown need not wait for
// them. It is safe to call twice.
func (f *Front) Stop() { f.streams.stop() }

// Wait returns when no request is being served any more, or with ctx. Listeners and
// connections are closed before: until a request is over its event is not recorded.
func (f *Front) Wait(ctx context.Context) error {
	over := make(chan struct{})
	go func() { f.serving.Wait(); close(over) }()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Handler serves a listener whose origins have this scheme. The scheme is a
// setting and never taken from the request: behind a proxy that ends TLS, the
// connection is plain and the origin is https.
func (f *Front) Handler(scheme string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.serve(w, r, scheme) })
}

func (f *Front) serve(w http.ResponseWriter, r *http.Request, scheme string) {
	f.serving.Add(1)
	defer f.serving.Done()
	snap := f.snapshots.Load()
	tenant := snap.ByOrigin(originOf(scheme, r))
	if tenant == nil {
		answerPlain(w, http.StatusMisdirectedRequest, "misdirected_request", "No workspace is served at this address.")
		return
	}
	pageAllowed := f.pages.allow(tenant, r)
	path, ok := routePath(r)
	if !ok {
		if pageAllowed {
			allowOrigin(w.Header(), r)
		}
		answerPlain(w, http.StatusNotFound, "not_found", "There is nothing at this path.")
		return
	}
	if rest, ok := strings.CutPrefix(path, oauthwire.ResourceMetadataPath); ok && (rest == "" || rest[0] == '/') {
		f.serveMetadata(w, r, tenant, rest)
		return
	}
	slug, isMCP := mcpSlug(path)
	if !isMCP {
		f.auth(w, r, tenant)
		return
	}
	if pageAllowed { // also on errors: a page has to see the challenge and the reason
		allowOrigin(w.Header(), r)
	}
	target := tenant.Edges[slug]
	if target == nil {
		answerPlain(w, http.StatusNotFound, "not_found", "There is no runtime at this path.")
		return
	}
	f.serveMCP(w, r, call{snap: snap, tenant: tenant, edge: target, pageAllowed: pageAllowed})
}
