package edge

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/internal/seal"
)

// Sessions of runtimes that speak a version before 2026-07-28 (MCP 2025-11-25,
// Streamable HTTP, Session Management).
//
// A runtime's session id is a bearer secret: whoever sends it takes part in the
// session. So the runtime's own id never leaves the gateway. What a client gets is
// that id sealed and bound to the tenant, the runtime, the subject and the client,
// and it opens for those alone; for anybody else it is what a made-up id is. It is
// bound to no token, so a session outlives its tokens, and nothing is stored: every
// process that has the tenant's keys can open it, also after a restart.

const (
	// maxSession is the longest id of a runtime, in bytes.
	maxSession = 1 << 10
	// sessionFormat is the first character of what clients get.
	sessionFormat = 's'
	// sessionURLs stands before a runtime's id in the envelope where the client said in initialize that it can
	// lead its user to an address (elicitation.url). No id begins with it, and one that was sealed without it
	// goes on as it is.
	sessionURLs = '\x01'
)

// maxSealedSession is the longest id that was ever handed out.
var maxSealedSession = 1 + base64.RawURLEncoding.EncodedLen(seal.EnvelopeOverhead+1+maxSession)

var errNoSessions = errors.New("the tenant has no keys for sessions")

// session is one session as both sides know it. It does not change.
type session struct {
	envelope *seal.Envelope // whose keys opened it
	edge     string
	// sealed is the client's id and plain the runtime's: each one value, ready for a header.
	sealed, plain []string
	urls          bool // the client can lead its user to an address
}

func bindings(a *access, edge string) []string { return []string{a.tenant, edge, a.subject, a.client} }

// newSession seals a runtime's id for the token's owner.
func newSession(e *seal.Envelope, a *access, edge, plain string, urls bool) *session {
	content := make([]byte, 0, 1+len(plain))
	if urls {
		content = append(content, sessionURLs)
	}
	sealed := e.Seal(append(content, plain...), bindings(a, edge)...)
	text := make([]byte, 1, maxSealedSession)
	text[0] = sessionFormat
	text = base64.RawURLEncoding.AppendEncode(text, sealed)
	return &session{envelope: e, edge: edge, sealed: []string{string(text)}, plain: []string{plain}, urls: urls}
}

// openSession opens a client's id, or gives nil where it is not one that was made for
// the token's owner. Only the one spelling that was handed out opens.
func openSession(e *seal.Envelope, a *access, edge, text string) *session {
	if e == nil || text == "" || len(text) > maxSealedSession || text[0] != sessionFormat {
		return nil
	}
	sealed, ok := decodeStrict(text[1:])
	if !ok {
		return nil
	}
	plain, err := e.Open(sealed, bindings(a, edge)...)
	if err != nil {
		return nil
	}
	id, urls := strings.CutPrefix(string(plain), string(sessionURLs))
	return &session{envelope: e, edge: edge, sealed: []string{text}, plain: []string{id}, urls: urls}
}

// openSession gives what a client's id stands for. The last one is kept with the token,
// so that call after call of a session costs no cryptography; a runtime or a tenant
// whose keys have changed is another session.
func (a *access) openSession(tenant *snapshot.Tenant, edge, text string) *session {
	if s := a.session.Load(); s != nil && s.sealed[0] == text && s.edge == edge && s.envelope == tenant.Sessions {
		return s
	}
	s := openSession(tenant.Sessions, a, edge, text)
	if s != nil {
		a.session.Store(s)
	}
	return s
}

// findSession opens the session that the client names. Since 2026-07-28 there are no
// sessions: ids in such requests are ignored, as the version demands, which here means
// that the runtime never sees them.
func (x *exchange) findSession() *refusal {
	values := x.r.Header[mcpwire.HeaderSessionID]
	if x.modern() || len(values) == 0 || len(values) == 1 && values[0] == "" {
		return nil
	}
	if len(values) == 1 {
		x.session = x.access.openSession(x.tenant, x.edge.ID, values[0])
	}
	if x.session == nil {
		re := rejected(http.StatusNotFound, http.StatusNotFound, reasonSession, "There is no such session. Start a new one with initialize.")
		re.id = x.message.ID
		return re
	}
	return nil
}

// modern reports whether the request is of a version without sessions: its body says
// so or, where it has none that could, its header. The message initialize exists in
// the older versions only, whatever version it asks for.
func (x *exchange) modern() bool {
	if x.message.Method == mcpwire.MethodInitialize {
		return false
	}
	return x.message.Modern || headerValue(x.r.Header, mcpwire.HeaderProtocolVersion) >= mcpwire.FirstModern
}

// setSession puts the runtime's id in the place of the client's. An event id says
// where in a session to go on: without a session it is nobody's, and a runtime that
// looks it up among all of its streams would replay somebody else's.
func (x *exchange) setSession(out http.Header) {
	if x.session == nil {
		delete(out, mcpwire.HeaderSessionID)
		delete(out, mcpwire.HeaderLastEventID)
		return
	}
	out[mcpwire.HeaderSessionID] = x.session.plain
}

// sealSession puts the client's id in the place of the runtime's, in the runtime's
// own answer.
func (x *exchange) sealSession(header http.Header) *refusal {
	values := header[mcpwire.HeaderSessionID]
	if len(values) == 0 {
		return nil
	}
	if x.modern() || len(values) == 1 && values[0] == "" {
		delete(header, mcpwire.HeaderSessionID)
		return nil
	}
	switch {
	case len(values) > 1:
		return x.failed(http.StatusBadGateway, reasonBadSession, "The runtime sent more than one Mcp-Session-Id.")
	case len(values[0]) > maxSession:
		return x.failed(http.StatusBadGateway, reasonBadSession, "The runtime sent an Mcp-Session-Id that is longer than 1,024 characters.")
	case !visibleASCII(values[0]):
		return x.failed(http.StatusBadGateway, reasonBadSession, "The runtime sent an Mcp-Session-Id that holds something else than visible ASCII characters.")
	case x.session != nil && x.session.plain[0] == values[0]:
	case x.tenant.Sessions == nil:
		x.complain("seal the session's id", errNoSessions)
		return x.failed(http.StatusInternalServerError, reasonGatewayFault, "Something went wrong on our side. Request "+x.event.RequestID+".")
	default:
		x.session = newSession(x.tenant.Sessions, x.access, x.edge.ID, values[0], x.leadsToURLs())
		x.access.session.Store(x.session)
	}
	header[mcpwire.HeaderSessionID] = x.session.sealed
	return nil
}

// leadsToURLs reports whether a session that begins, or goes on under another id, is of a client that can
// lead its user to an address.
func (x *exchange) leadsToURLs() bool {
	if x.message.Method == mcpwire.MethodInitialize {
		return mcpwire.DeclaresURLElicitation(&x.message)
	}
	return x.session != nil && x.session.urls
}

// visibleASCII is what a session's id may hold (MCP 2025-11-25, Session Management).
func visibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] >= 0x7f {
			return false
		}
	}
	return true
}
