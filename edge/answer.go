package edge

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/internal/oauthwire"
	"github.com/emcy/gateway/usage/event"
)

// refusal is an answer that the gateway gives instead of the runtime. Its body is
// a JSON-RPC error: official clients give up a whole connection on a 4xx whose
// body is anything else.
type refusal struct {
	status  int
	code    int // of the JSON-RPC error; the HTTP status where JSON-RPC has none
	reason  string
	outcome event.Outcome
	message string // public
	id      []byte // of the JSON-RPC request, nil where it is not known
	body    []byte // the whole answer where it is not an error with the message
	// challenge and allow are the values of WWW-Authenticate and Allow; second is
	// another WWW-Authenticate, behind the one that all clients read.
	challenge, second, allow string
}

// Reasons, as they stand in usage events.
const (
	reasonOrigin                = "origin_not_allowed"
	reasonNoToken               = "missing_token"
	reasonInvalidToken          = "invalid_token"
	reasonExpiredToken          = "expired_token"
	reasonWrongAudience         = "wrong_audience"
	reasonRevokedToken          = "revoked_token"
	reasonProof                 = "invalid_dpop_proof"
	reasonScope                 = "insufficient_scope"
	reasonMethod                = "method_not_allowed"
	reasonContentType           = "unsupported_content_type"
	reasonTooLarge              = "message_too_large"
	reasonSlowBody              = "message_too_slow"
	reasonBody                  = "message_incomplete"
	reasonInvalidMessage        = "invalid_message"
	reasonHeaders               = "header_mismatch"
	reasonLoop                  = "loop"
	reasonRefusedSecret         = "upstream_refused_secret" //nolint:gosec // a reason, not a credential
	reasonForbidden             = "upstream_forbidden"
	reasonRedirect              = "upstream_redirect"
	reasonUnexpected            = "upstream_unexpected_status"
	reasonUnreachable           = "upstream_unreachable"
	reasonTimeout               = "upstream_timeout"
	reasonAborted               = "upstream_aborted"
	reasonUpstream4xx           = "upstream_rejected"
	reasonUpstream5xx           = "upstream_error"
	reasonState                 = "invalid_request_state"
	reasonNeedsConnect          = "needs_connect"
	reasonDownstreamRejected    = "downstream_rejected"
	reasonDownstreamUnavailable = "downstream_unavailable"
	reasonSession               = "unknown_session"
	reasonBadSession            = "upstream_bad_session"
	reasonClientGone            = "client_disconnected"
	reasonRuntimeRemoved        = "runtime_removed"
	reasonGatewayStopping       = "gateway_stopping"
	reasonGatewayFault          = "gateway_error"
	statusClientGone            = 499 // nobody is left to see it; the log shows it
	contentTypeJSON             = "application/json"
	contentTypeEventStream      = "text/event-stream"
)

// denied is a challenge for a token: 401.
func denied(c oauthwire.Challenge, reason string) *refusal {
	message := "Sign in: this MCP server needs an access token."
	if c.Error != "" {
		message = "The access token is not accepted: " + c.Description + "."
	}
	return &refusal{status: http.StatusUnauthorized, code: http.StatusUnauthorized, reason: reason, outcome: event.Denied, message: message, challenge: c.String()}
}

const foreignPage = "Pages of this origin may not call this MCP server."

func foreignOrigin() *refusal {
	return &refusal{
		status: http.StatusForbidden, code: http.StatusForbidden, reason: reasonOrigin, outcome: event.Denied,
		message: foreignPage,
	}
}

// rejected is a request that breaks the transport's rules.
func rejected(status, code int, reason, message string) *refusal {
	return &refusal{status: status, code: code, reason: reason, outcome: event.Rejected, message: message}
}

// failed is a fault behind or inside the gateway.
func failed(status int, reason, message string) *refusal {
	return &refusal{status: status, code: status, reason: reason, outcome: event.Failure, message: message}
}

// answer writes a refusal, and records it first.
func (x *exchange) answer(re *refusal) {
	var body []byte
	if x.r.Method != http.MethodHead {
		if body = re.body; body == nil {
			body = mcpwire.ErrorBody(re.id, re.code, re.message)
		}
	}
	h := x.w.Header()
	if re.challenge != "" {
		h.Set("WWW-Authenticate", re.challenge)
		if re.second != "" {
			h.Add("WWW-Authenticate", re.second)
		}
	}
	if re.allow != "" {
		h.Set("Allow", re.allow)
	}
	h.Set("Cache-Control", "no-store")
	x.event.ResponseBytes = int64(len(body))
	x.finish(re.status, re.outcome, re.reason)
	x.boundUnreadBody()
	writeJSON(x.w, re.status, body)
}

// answerPlain is for requests that are no MCP request: there is no one to read a
// JSON-RPC error.
func answerPlain(w http.ResponseWriter, status int, code, message string) {
	body, err := json.Marshal(struct {
		Error   string `json:"error"`
		Message string `json:"message"`
	}{code, message})
	if err != nil {
		body = nil // two strings always marshal
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, body)
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentTypeJSON)
	h.Set("X-Content-Type-Options", "nosniff")
	if len(body) > 0 {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that is gone needs no answer
}
