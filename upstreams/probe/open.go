package probe

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// hello is what a server says of itself at the beginning.
type hello struct {
	Supported       []string                  `json:"supportedVersions"`
	ProtocolVersion string                    `json:"protocolVersion"`
	Capabilities    map[string]jsontext.Value `json:"capabilities"`
	ServerInfo      implementation            `json:"serverInfo"`
	Instructions    string                    `json:"instructions"`
	Meta            struct {
		ServerInfo implementation `json:"io.modelcontextprotocol/serverInfo"`
	} `json:"_meta"`
}

type implementation struct {
	Name    string `json:"name"`
	Title   string `json:"title"`
	Version string `json:"version"`
}

// opening is the outcome of the first exchange.
type opening struct {
	answer *answer // the last one, which decides
	hello  hello
	ok     bool
	note   string // what is odd about an opening that is ok
}

// fallsBack reports whether an answer to server/discover leaves room for a legacy server. A refusal of
// who asks, and an answer that never came, say nothing about the era.
func fallsBack(a *answer) bool {
	if a.err != nil {
		return false
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	default:
		return true
	}
}

func (e *endpoint) discover(ctx context.Context) *opening {
	e.modern, e.version = true, mcpwire.Version20260728
	o := &opening{answer: e.call(ctx, mcpwire.MethodDiscover, "")}
	if o.answer.ok() && json.Unmarshal(o.answer.result, &o.hello) == nil && slices.Contains(o.hello.Supported, e.version) {
		o.ok = true
		o.hello.ServerInfo = o.hello.Meta.ServerInfo
		return o
	}
	e.modern, e.version = false, ""
	return o
}

func (e *endpoint) initialize(ctx context.Context) *opening {
	a := e.call(ctx, mcpwire.MethodInitialize, `,"protocolVersion":"`+mcpwire.Version20251125+`","capabilities":{},"clientInfo":`+e.self)
	o := &opening{answer: a}
	if !a.ok() {
		return o
	}
	if json.Unmarshal(a.result, &o.hello) != nil || o.hello.ProtocolVersion == "" {
		a.problem = "an answer to initialize that does not have the form of one"
		return o
	}
	if !slices.Contains(legacyVersions, o.hello.ProtocolVersion) {
		a.problem = "an answer to initialize with the protocol version “" + e.clean.line(o.hello.ProtocolVersion, 32) + "”, which no client speaks"
		return o
	}
	if values := a.header.Values(mcpwire.HeaderSessionID); len(values) > 0 {
		if !validSession(values) {
			a.problem = "a session id that cannot be sent back (it has to be one header of visible ASCII)"
			return o
		}
		e.session = values[0]
	}
	e.version = o.hello.ProtocolVersion
	o.ok = true
	if sent := e.notify(ctx, mcpwire.MethodInitialized); sent.err != nil || sent.status >= http.StatusBadRequest {
		o.note = "It does not accept notifications/initialized, which every client sends next."
	}
	return o
}

var legacyVersions = []string{mcpwire.Version20241105, mcpwire.Version20250326, mcpwire.Version20250618, mcpwire.Version20251125}

func validSession(values []string) bool {
	if len(values) != 1 || values[0] == "" || len(values[0]) > 1024 {
		return false
	}
	return strings.IndexFunc(values[0], func(r rune) bool { return r < 0x21 || r > 0x7e }) < 0
}
