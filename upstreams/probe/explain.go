package probe

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/emcy/gateway/internal/outbound"
)

// explainOpening reports why the first exchange failed, under the step that asked it, and returns a
// neighbour worth asking.
func (r *run) explainOpening(ctx context.Context, e *endpoint, a *answer) string {
	words, next := r.explain(a)
	neighbour := ""
	switch {
	case a.err != nil:
		if a.err.Kind == outbound.KindRedirect {
			neighbour = r.followable(a.err)
		}
	case a.status == http.StatusUnauthorized:
		r.report.State = StateWaiting
		r.step(r.now, StatusWarn, r.since(), "It asks who calls before it says what it speaks (401).", "")
		r.step(StepWithSecret, StatusFail, a.took, words, next)
		r.checkOwnAuthorization(a)
		return ""
	case a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed:
		neighbour = neighbourPath(r.report.URL)
		if e.oldTransport(ctx) {
			r.report.warn(WarnLegacySSE, "the URL belongs to the HTTP+SSE transport of 2024-11-05, which clients no longer speak")
			words = "It speaks the old HTTP+SSE transport (it sends an “endpoint” event), which the gateway does not carry."
			next = "Update the runtime to the streamable HTTP transport and enter its URL, often …/mcp."
		}
	case a.page || a.problem != "" && a.status < http.StatusBadRequest:
		neighbour = neighbourPath(r.report.URL)
		if a.page {
			r.report.warn(WarnWebPage, "the URL is a web page, not an MCP endpoint")
		}
	}
	r.step(r.now, StatusFail, r.since(), words, next)
	return neighbour
}

// explain puts an answer that is not the expected one into words and a next step.
func (r *run) explain(a *answer) (string, string) {
	status := strconv.Itoa(a.status)
	switch {
	case a.err != nil:
		return explainBroken(a.err)
	case a.status == http.StatusUnauthorized && ownAuthorization(a.header):
		return "It answers 401 and names an authorization server of its own (resource_metadata).",
			"Turn the runtime's own authorization off in favour of the worker secret, or attach a profile that signs users in there."
	case a.status == http.StatusUnauthorized && r.target.Secret == "":
		return "It answers 401: it asks for credentials.", "Give the runtime a worker secret, or enter the header that it wants."
	case a.status == http.StatusUnauthorized:
		return "It answers 401 although the worker secret was sent.",
			"Put the secret into the runtime as EMCY_WORKER_SHARED_SECRET, restart it, and probe again."
	case a.status == http.StatusForbidden:
		return "It refuses the gateway (403).", "Look for an address list, a host check or a firewall in front of the runtime."
	case a.status == http.StatusTooManyRequests:
		return "It answers that there were too many requests (429).", "Wait a moment and probe again; allow the gateway more requests."
	case a.failed:
		return "It answers with the MCP error " + strconv.Itoa(a.code) + quoted(a.message) + ".", "Look into the runtime's log."
	case a.status >= http.StatusInternalServerError:
		return "It fails with status " + status + ".",
			"Look into the runtime's log. The adapter answers 500 when EMCY_WORKER_SHARED_SECRET is not set there."
	case a.page:
		return "This is a web page, not an MCP endpoint (status " + status + ").", "Enter the URL of the MCP endpoint, often …/mcp."
	case a.status == http.StatusNotFound:
		return "Nothing is at this path (404).", "Enter the URL of the MCP endpoint, often …/mcp."
	case a.status == http.StatusMethodNotAllowed:
		return "It takes no POST at this path (405).", "Enter the URL of the MCP endpoint, often …/mcp."
	case a.status >= http.StatusBadRequest:
		return "It refuses the request (status " + status + ").", "Check that this is the URL of an MCP endpoint with the streamable HTTP transport."
	default:
		return "It answers with " + a.problem + ".", "Check that this is the URL of an MCP endpoint with the streamable HTTP transport."
	}
}

// nextAfterBreak says what to do about an exchange that was begun and came to nothing.
var nextAfterBreak = map[outbound.Kind]string{
	outbound.KindRedirect: "Enter the URL that it leads to: the gateway follows no redirect, since it would carry the secret along.",
	outbound.KindTimeout:  "Look at what keeps the runtime busy. An answer has to be complete within " + callTimeout.String() + ".",
	outbound.KindTooLarge: "An answer may have 1 MB, and 64 kB of headers.",
	outbound.KindEncoding: "Turn compression off for this path, or make it heed Accept-Encoding.",
	outbound.KindCanceled: "Probe again.",
}

func explainBroken(err *outbound.Error) (string, string) {
	next, found := nextAfterBreak[err.Kind]
	if !found {
		next = "Look into the log of the runtime or of the server in front of it."
	}
	return capital(err.Public()) + ".", next
}

func quoted(message string) string {
	if message == "" {
		return ""
	}
	return " (“" + message + "”)"
}

// ownAuthorization reports a challenge that names protected-resource metadata.
func ownAuthorization(h http.Header) bool {
	for _, challenge := range h.Values("WWW-Authenticate") {
		if strings.Contains(strings.ToLower(challenge), "resource_metadata") {
			return true
		}
	}
	return false
}

// followable gives the address to try after a redirect. Another origin is only named, and never
// suggested: nothing was asked there, and whoever answers at the typed address could send the owner,
// and the secrets that they type next, anywhere. On the same origin it is most often about the slash
// at the end.
func (r *run) followable(redirect *outbound.Error) string {
	r.report.warn(WarnRedirect, redirect.Public())
	u, err := url.Parse(r.report.URL)
	if err != nil || redirect.Origin == "" {
		return ""
	}
	if redirect.Origin == u.Scheme+"://"+u.Host {
		if strings.HasSuffix(u.Path, "/") {
			return withPath(u, strings.TrimRight(u.Path, "/"))
		}
		return withPath(u, u.Path+"/")
	}
	return ""
}

// neighbourPath is where an MCP endpoint often is when it is not at the URL.
func neighbourPath(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	path := strings.TrimRight(u.Path, "/")
	switch {
	case strings.HasSuffix(path, "/mcp") && path != u.Path:
		return withPath(u, path)
	case strings.HasSuffix(path, "/mcp"):
		return withPath(u, path+"/")
	case strings.HasSuffix(path, "/sse"):
		return withPath(u, strings.TrimSuffix(path, "/sse")+"/mcp")
	default:
		return withPath(u, path+"/mcp")
	}
}

func withPath(u *url.URL, path string) string {
	other := *u
	other.Path, other.RawPath = path, ""
	return other.String()
}

// oldTransport asks with GET for the “endpoint” event by which the HTTP+SSE transport begins.
func (e *endpoint) oldTransport(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, peekTimeout)
	defer cancel()
	req, err := e.request(ctx, http.MethodGet, "")
	if err != nil {
		return false
	}
	req.Header.Set("Accept", "text/event-stream")
	resp, err := e.client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }() // an event stream is never read to its end
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return false
	}
	first, err := newEvents(resp.Body).next()
	return err == nil && first.name == "endpoint"
}
