package web

// reasons say in a sentence what the edge's stable codes mean, and what to do. A
// code that is missing here is shown as it is.
var reasons = map[string]string{
	"missing_token":              "The client sent no token yet. This is how it learns where to sign in; the next requests should carry one.",
	"invalid_token":              "The client sent a token that this gateway did not issue, or that is damaged.",
	"expired_token":              "The client's access token had expired. Clients fetch a new one by themselves.",
	"wrong_audience":             "The token was issued for another runtime.",
	"revoked_token":              "The token was revoked. The person has to sign in again.",
	"insufficient_scope":         "The token lacks a scope that this request needs.",
	"origin_not_allowed":         "A web page of another site made this request in a browser.",
	"method_not_allowed":         "This HTTP method is not part of MCP, or the runtime does not take it. Many runtimes refuse GET, which is fine.",
	"unsupported_content_type":   "The client did not send JSON.",
	"message_too_large":          "The message was larger than the gateway takes.",
	"message_too_slow":           "The client sent its message too slowly.",
	"message_incomplete":         "The client's message broke off.",
	"invalid_message":            "The client's message is not valid JSON-RPC.",
	"header_mismatch":            "The client's headers say something else than its message.",
	"unknown_session":            "The runtime no longer knows the session, for example after a restart. Clients start a new one by themselves.",
	"upstream_refused_secret":    "The runtime refused the gateway's worker secret. Put the current one into its environment, or rotate it.",
	"upstream_redirect":          "The runtime answered with a redirect, which the gateway never follows. Put the final address in.",
	"upstream_unexpected_status": "The runtime gave an answer that MCP does not know.",
	"upstream_unreachable":       "The runtime could not be reached. Check that it runs and that its address is right.",
	"upstream_timeout":           "The runtime did not answer in time.",
	"upstream_aborted":           "The runtime broke its answer off.",
	"upstream_rejected":          "The runtime refused the request.",
	"upstream_error":             "The runtime failed.",
	"client_disconnected":        "The client went away before the answer was complete.",
	"runtime_removed":            "The runtime was removed while the stream was open.",
	"gateway_stopping":           "The gateway was restarting.",
	"gateway_stopped":            "The gateway was stopped before it could see how the stream ended.",
	"gateway_error":              "The gateway failed. Its own log has this request's id.",
}
