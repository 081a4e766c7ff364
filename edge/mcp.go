package edge

import (
	"errors"
	"net/http"

	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/internal/oauthwire"
)

const (
	allowedMethods   = "POST, GET, HEAD, DELETE, OPTIONS"
	preflightMethods = "POST, GET, DELETE"
)

// serveMCP answers an MCP URL. The token comes before everything that depends on
// the method or the body: clients probe with methods and bodies of their own and
// must find the challenge on each of them.
func (f *Front) serveMCP(w http.ResponseWriter, r *http.Request, c call) {
	if isPreflight(r) {
		if !c.pageAllowed {
			answerPlain(w, http.StatusForbidden, reasonOrigin, foreignPage)
			return
		}
		answerPreflight(w, r, preflightMethods)
		return
	}
	x := f.begin(w, r, c)
	if f.loops(r.Header) {
		x.answer(x.loop())
		return
	}
	if !c.pageAllowed {
		x.answer(foreignOrigin())
		return
	}
	if re := x.authenticate(); re != nil {
		x.answer(re)
		return
	}
	if re := x.readMessage(); re != nil {
		x.answer(re)
		return
	}
	if re := x.findSession(); re != nil {
		x.answer(re)
		return
	}
	x.forward()
}

// authenticate finds out who asks, or gives the challenge.
func (x *exchange) authenticate() *refusal {
	challenge := oauthwire.Challenge{ResourceMetadata: x.edge.MetadataURL, Scope: joinScopes(x.edge.Scopes)}
	token, err := oauthwire.Bearer(x.r.Header)
	if errors.Is(err, oauthwire.ErrAbsent) {
		return denied(challenge, reasonNoToken)
	}
	challenge.Error = oauthwire.ErrorInvalidToken
	if err != nil {
		challenge.Description = "it is malformed"
		return denied(challenge, reasonInvalidToken)
	}
	a, fault := x.front.verify(token, x.tenant, x.edge)
	if fault != nil {
		challenge.Description = fault.description
		return denied(challenge, fault.reason)
	}
	x.accept(a)
	if !a.covers(x.edge.Scopes) {
		challenge.Error, challenge.Description = oauthwire.ErrorInsufficientScope, "more scope is needed"
		// Older clients replace what they had by what is asked for; since 2026-07-28 they add it.
		if headerValue(x.r.Header, mcpwire.HeaderProtocolVersion) < mcpwire.FirstModern {
			challenge.Scope = joinScopes(x.edge.Scopes, a.scopes...)
		}
		return insufficientScope(challenge)
	}
	return nil
}

// readMessage judges the method, and the body of a POST.
func (x *exchange) readMessage() *refusal {
	switch x.r.Method {
	case http.MethodPost:
		return x.readBody()
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		// A body here would be read by nobody, and keeps the server from noticing that the client is gone.
		if x.hasBody() {
			return rejected(http.StatusBadRequest, mcpwire.CodeInvalidRequest, reasonInvalidMessage, x.r.Method+" takes no body.")
		}
		return nil
	default:
		re := rejected(http.StatusMethodNotAllowed, http.StatusMethodNotAllowed, reasonMethod, "An MCP server takes POST, GET and DELETE.")
		re.allow = allowedMethods
		return re
	}
}
