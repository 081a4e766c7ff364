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
	if re := x.checkTools(); re != nil {
		x.answer(re)
		return
	}
	if re := x.findSession(); re != nil {
		x.answer(re)
		return
	}
	if x.edge.Downstream != nil || ourState(x.message.RequestState) {
		if re := x.withDownstream(); re != nil {
			x.answer(re)
			return
		}
	}
	x.forward()
}

// authenticate finds out who asks, or gives the challenge.
func (x *exchange) authenticate() *refusal {
	token, proves, err := oauthwire.Token(x.r.Header)
	if errors.Is(err, oauthwire.ErrAbsent) {
		return x.alsoDPoP(denied(x.challenge(), reasonNoToken), proves, nil)
	}
	if err != nil {
		return x.alsoDPoP(denied(x.faulty("it is malformed"), reasonInvalidToken), proves, faultInvalid)
	}
	a, fault := x.front.verify(token, x.tenant, x.edge)
	if fault == nil && (proves || a.jkt != "") {
		fault = x.prove(a, token, proves)
	}
	if fault != nil {
		return x.alsoDPoP(denied(x.faulty(fault.description), fault.reason), proves, fault)
	}
	x.accept(a)
	if !a.covers(x.edge.Scopes) {
		return x.lacks(x.edge.Scopes, "more scope is needed")
	}
	return nil
}

// challenge asks for a token with the scopes that a first sign-in is for.
func (x *exchange) challenge() oauthwire.Challenge {
	return oauthwire.Challenge{ResourceMetadata: x.edge.MetadataURL, Scope: joinScopes(x.edge.Scopes, x.edge.Initial...)}
}

// faulty asks for another token than the one that came.
func (x *exchange) faulty(description string) oauthwire.Challenge {
	c := x.challenge()
	c.Error, c.Description = oauthwire.ErrorInvalidToken, description
	return c
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
