package probe

import (
	"context"
	"crypto/rand"
	"net/http"
)

// checkSecret holds the runtime against the worker contract: the right secret is let in, a wrong one and
// none are answered 401.
func (r *run) checkSecret(ctx context.Context, known *endpoint) {
	if r.target.Secret == "" {
		r.skip(StepWithSecret, "There is no worker secret to send.")
		r.skip(StepWrongSecret, "There is no worker secret to get wrong.")
		r.checkOwnAuthorization(r.checkStranger(ctx, known))
		return
	}
	r.step(StepWithSecret, StatusOK, known.took[0], "It answers a request that carries the worker secret.", "")
	taken := r.checkWrongSecret(ctx, known)
	a := r.checkStranger(ctx, known)
	if taken && !a.ok() {
		r.report.warn(WarnWrongSecret, "the runtime looks whether there is a worker secret and not which one: any value opens it")
	}
	r.checkOwnAuthorization(a)
}

const nextForOpen = "Add the adapter to the runtime and give it EMCY_WORKER_SHARED_SECRET, then probe again."

// checkWrongSecret asks with everything but the right secret, and reports whether that is enough.
func (r *run) checkWrongSecret(ctx context.Context, known *endpoint) bool {
	r.begin(StepWrongSecret)
	header := r.headers()
	header.Set(r.target.SecretHeader, "emc_ws_wrong_"+rand.Text())
	a := r.enter(ctx, known, header)
	if !a.ok() {
		r.refused(StepWrongSecret, a)
		return false
	}
	r.step(StepWrongSecret, StatusWarn, r.since(), "It answers a request with a wrong worker secret.", nextForOpen)
	return true
}

// checkStranger asks as a stranger would: without the secret and without the static headers, which may
// hold keys of their own.
func (r *run) checkStranger(ctx context.Context, known *endpoint) *answer {
	r.begin(StepWithoutSecret)
	a := r.enter(ctx, known, nil)
	if !a.ok() {
		r.refused(StepWithoutSecret, a)
		return a
	}
	r.report.OpenWithoutSecret = true
	r.report.warn(WarnOpen, "anyone who finds the runtime's URL can call it: it does not ask for the worker secret")
	r.step(StepWithoutSecret, StatusWarn, r.since(), "It answers without the worker secret: anyone who finds the URL can call it.", nextForOpen)
	return a
}

// refused reports how the runtime refuses what it ought to.
func (r *run) refused(step string, a *answer) {
	switch {
	case a.err == nil && a.status == http.StatusUnauthorized:
		r.step(step, StatusOK, r.since(), "It refuses the request with 401.", "")
	case a.err == nil && a.status == http.StatusForbidden:
		r.step(step, StatusOK, r.since(), "It refuses the request, with 403 instead of 401.", "")
	case a.failed:
		r.step(step, StatusOK, r.since(), "It refuses the request, with an MCP error instead of 401.", "")
	default:
		words, _ := r.explain(a)
		r.step(step, StatusWarn, r.since(), "Whether it refuses the request cannot be told. "+words, "Probe again.")
	}
}

// checkOwnAuthorization looks whether a refusal leads clients to an authorization server of the runtime's
// own.
func (r *run) checkOwnAuthorization(a *answer) {
	switch {
	case a.err != nil || a.status != http.StatusUnauthorized:
		r.skip(StepOwnAuth, "It answers no 401 that could name an authorization server.")
	case !ownAuthorization(a.header):
		r.step(StepOwnAuth, StatusOK, 0, "Its 401 names no authorization server of its own.", "")
	default:
		r.report.warn(WarnOwnAuth, "the runtime has an authorization server of its own (it names resource_metadata)")
		r.step(StepOwnAuth, StatusWarn, 0, "Its 401 names an authorization server of its own (resource_metadata).",
			"Turn the runtime's own authorization off in favour of the worker secret, or attach a profile that signs users in there.")
	}
}

// enter begins a conversation anew, as known was begun.
func (r *run) enter(ctx context.Context, known *endpoint, header http.Header) *answer {
	e := r.endpoint(header)
	if known.modern {
		return e.discover(ctx).answer
	}
	return e.initialize(ctx).answer
}
