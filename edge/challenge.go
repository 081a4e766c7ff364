package edge

import (
	"net/http"
	"strings"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/usage/event"
)

// The ways in which a client is asked to let its person connect. The first that the client can take is
// taken; each is an ordinary answer with status 200, because nothing is wrong with the client's token.
//
//	2026-07-28, elicitation.url declared with the request   input_required (tools/call, prompts/get, resources/read)
//	2025-11-25, elicitation.url declared in initialize      error -32042 (URLElicitationRequired)
//	everything else                                         a tool result with isError, or an error; both hold the link

// codeConnect is the error's code where the client is told in words alone.
const codeConnect = http.StatusUnauthorized

// inputKey names our question among those of an input_required result.
const inputKey = "emcy-connect"

// maxShownScopes bounds the scopes in a sentence.
const maxShownScopes = 8

func because(r Reason) string { return event.Because(reasonNeedsConnect, string(r)) }

// profileName is what the person knows the other side as.
func (x *exchange) profileName() string { return cut(x.edge.Downstream.ProfileName, maxShownTool) }

// connect asks the client to let the person connect.
func (x *exchange) connect(missing *NeedsConnect, reason string) *refusal {
	if x.edge.Downstream.Kind == snapshot.KindExchange {
		return x.refusedExchange(reason)
	}
	x.down.query.Scopes = union(x.tokenScopes(x.edge.Downstream, true), missing.Scopes)
	words := x.wordsFor(missing)
	m := &x.message
	if m.Kind != mcpwire.KindRequest && m.Kind != mcpwire.KindBatch { // nobody waits for an answer in words
		return x.failed(http.StatusBadGateway, reason, words+" Open "+x.tenant.Issuer+appsPath+".")
	}
	link := x.link(missing.Reason)
	re := &refusal{status: http.StatusOK, reason: reason, outcome: event.Denied}
	switch {
	case m.Kind == mcpwire.KindBatch:
		re.body = x.inBatch(words + " " + openThis(link))
		return re
	case x.canElicitModern():
		if state, ok := x.sealState(); ok {
			re.body = mcpwire.InputRequiredBody(m.ID, inputKey, mcpwire.Elicitation{URL: link, Message: words + " Open the page to go on."}, state)
			return re
		}
	case x.canElicitLegacy():
		re.body = mcpwire.URLElicitationBody(m.ID, words+" Open the page, then try again.", mcpwire.Elicitation{ID: ids.New("eli"), URL: link, Message: words})
		return re
	}
	re.body = x.inWords(m, words+" "+openThis(link))
	return re
}

// refusedExchange is for access that no person can give: it is made of who they are.
func (x *exchange) refusedExchange(reason string) *refusal {
	text := x.profileName() + " refuses your access. Only whoever runs this MCP server can change that. Request " + x.event.RequestID + "."
	re := &refusal{status: http.StatusOK, reason: reason, outcome: event.Denied}
	if x.message.Kind == mcpwire.KindBatch {
		re.body = x.inBatch(text)
		return re
	}
	if x.message.Kind != mcpwire.KindRequest {
		return x.failed(http.StatusBadGateway, reason, text)
	}
	re.body = x.inWords(&x.message, text)
	return re
}

// canElicitModern reports whether the request itself says that its client can lead the person to a page.
func (x *exchange) canElicitModern() bool {
	m := &x.message
	return m.Modern && m.ProtocolVersion >= mcpwire.FirstModern && acts(m.Method) && mcpwire.DeclaresURLElicitation(m)
}

// canElicitLegacy reports whether the client said so when its session began. The error is that version's
// alone.
func (x *exchange) canElicitLegacy() bool {
	return !x.modern() && x.session != nil && x.session.urls && headerValue(x.r.Header, mcpwire.HeaderProtocolVersion) == mcpwire.Version20251125
}

// inWords is the answer for a client that can show text only: to the model where a model asked.
func (x *exchange) inWords(m *mcpwire.Message, text string) []byte {
	if m.Method == mcpwire.MethodToolsCall {
		return mcpwire.ToolErrorBody(m.ID, text, m.Modern)
	}
	return mcpwire.ErrorBody(m.ID, codeConnect, text)
}

// inBatch answers every request of a batch. Batches are older than the other ways.
func (x *exchange) inBatch(text string) []byte {
	var answers [][]byte
	for i := range x.message.Batch {
		if m := &x.message.Batch[i]; m.Kind == mcpwire.KindRequest {
			answers = append(answers, x.inWords(m, text))
		}
	}
	return mcpwire.BatchBody(answers)
}

func openThis(link string) string {
	return "Open this link in a browser, then ask for the same thing again: " + link +
		"\nThe link is for the person who is signed in to this client. It works once, for ten minutes."
}

// wordsFor says what has to be done, for a person and for a model that passes it on.
func (x *exchange) wordsFor(missing *NeedsConnect) string {
	name := x.profileName()
	switch {
	case x.edge.Downstream.Kind == snapshot.KindAPIKey && missing.Reason == Ended:
		return "Your key for " + name + " is not accepted any more. It has to be entered again."
	case x.edge.Downstream.Kind == snapshot.KindAPIKey:
		return "This needs your key for " + name + ", which is not there yet."
	case missing.Reason == MoreScopes && len(missing.Scopes) > 0:
		return "This needs more access to your account at " + name + " than you have allowed so far: " + shownScopes(missing.Scopes) + "."
	case missing.Reason == MoreScopes:
		return "This needs more access to your account at " + name + " than you have allowed so far."
	case missing.Reason == Ended:
		return "Your connection to " + name + " has ended. It has to be made again."
	default:
		return "This needs your account at " + name + ", which is not connected yet."
	}
}

func shownScopes(scopes []string) string {
	more := ""
	if len(scopes) > maxShownScopes {
		scopes, more = scopes[:maxShownScopes], " and others"
	}
	shown := make([]string, len(scopes))
	for i, scope := range scopes {
		shown[i] = cut(scope, maxShownTool)
	}
	return strings.Join(shown, ", ") + more
}

// declined is the answer to a retry that brings a no.
func (x *exchange) declined() *refusal {
	text := "You chose not to connect " + x.profileName() + ", and this cannot be done without it. Ask again to be asked again, or connect it at " + x.tenant.Issuer + appsPath + "."
	return &refusal{status: http.StatusOK, reason: because(declined), outcome: event.Denied, body: x.inWords(&x.message, text)}
}
