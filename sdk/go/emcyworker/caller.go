package emcyworker

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
)

// ErrUpstreamTokenRefused says that the API behind the runtime did not accept the user's
// token.
var ErrUpstreamTokenRefused = errors.New("the API did not accept your sign-in there: try again; if it goes on, connect the account again")

// Caller is who asks, as the gateway vouches for it. What it did not say is empty. It may
// be printed and encoded: neither shows the assertion or the token.
type Caller struct {
	// Subject is the signed-in user, stable within the workspace.
	Subject string
	// Tenant is the workspace through which the request came.
	Tenant string
	// Client is the MCP client that the user allowed.
	Client string
	// RequestID is the name of this request in the gateway's log. Nobody signs it.
	RequestID string
	// Scopes are what the user allowed the client; nil unless an assertion was checked.
	Scopes []string
	// Issuer is the workspace's origin, which signed; empty unless an assertion was checked.
	Issuer string

	// Behind pointers, so that no way of printing shows them.
	assertion, token *string
	refused          *atomic.Bool
}

// Assertion is a JWT about all of this, signed with the workspace's key.
func (c Caller) Assertion() string { return *c.assertion }

// UpstreamAccessToken is the user's own token for the API behind the runtime.
func (c Caller) UpstreamAccessToken() string { return *c.token }

// RefuseUpstreamToken says that the API refused the user's token, and gives the error to
// end the tool with. The gateway then gets 401 with `Bearer error="invalid_token"`: it
// renews the token and tries again, or asks the user to connect again. Where the answer
// has begun already it cannot be told any more, and the client sees a tool error.
func (c Caller) RefuseUpstreamToken() error {
	c.refused.Store(true)
	return ErrUpstreamTokenRefused
}

type contextKey struct{}

// FromContext gives who sent the request of that context. It reports false where the
// request did not pass [Middleware].
//
// In a tool of the MCP Go SDK use [FromHeader]: there the context may be that of the
// request which opened the session.
func FromContext(ctx context.Context) (Caller, bool) {
	c, ok := ctx.Value(contextKey{}).(Caller)
	return c, ok
}

// callerHeader names the caller to code that sees a request's header and not its context.
// Its value is a word of this process that means nothing anywhere else.
const callerHeader = "Emcy-Caller"

// callers are those of the requests that are being answered, by that word.
var callers sync.Map

// FromHeader gives who sent the request of that header; for tools of the MCP Go SDK, which
// see it as Extra.Header. It reports false where the request did not pass [Middleware] and
// when its answer is over.
func FromHeader(h http.Header) (Caller, bool) {
	c, ok := callers.Load(h.Get(callerHeader))
	if !ok {
		return Caller{}, false
	}
	return c.(Caller), true
}
