package probe

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// endpoint is one URL under question, with what the conversation has fixed so far.
type endpoint struct {
	client  *outbound.Client
	clean   *cleaner
	url     string
	header  http.Header // the static headers and the secret, none when asking as a stranger
	self    string      // clientInfo as JSON
	modern  bool
	version string // negotiated, "" before that
	session string
	ids     int
	took    []time.Duration // of the calls that were answered
}

// answer is what came back for one JSON-RPC request.
type answer struct {
	err     *outbound.Error // nothing came back, or it broke off
	status  int
	header  http.Header
	took    time.Duration
	page    bool   // a web page
	problem string // why the body is no answer to the request, "" when it is one
	result  jsontext.Value
	code    int // of a JSON-RPC error
	message string
	failed  bool // a JSON-RPC error
}

func (a *answer) ok() bool { return a.err == nil && a.result != nil }

// call sends a JSON-RPC request and reads the one answer to it. members are further members of params,
// as JSON, with a leading comma for each.
func (e *endpoint) call(ctx context.Context, method, members string) *answer {
	e.ids++
	id := strconv.Itoa(e.ids)
	params := strings.TrimPrefix(members, ",")
	if e.modern {
		params = `"_meta":{"` + mcpwire.MetaProtocolVersion + `":"` + e.version + `","` + mcpwire.MetaClientInfo + `":` + e.self +
			`,"` + mcpwire.MetaClientCapabilities + `":{}}` + members
	}
	body := `{"jsonrpc":"2.0","id":` + id + `,"method":"` + method + `","params":{` + params + `}}`
	start := time.Now()
	a := e.post(ctx, method, body, id)
	a.took = time.Since(start)
	if a.ok() {
		e.took = append(e.took, a.took)
	}
	return a
}

// notify sends a notification.
func (e *endpoint) notify(ctx context.Context, method string) *answer {
	return e.post(ctx, method, `{"jsonrpc":"2.0","method":"`+method+`"}`, "")
}

func (e *endpoint) request(ctx context.Context, httpMethod, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, httpMethod, e.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, values := range e.header {
		req.Header[name] = values
	}
	if e.version != "" {
		req.Header.Set(mcpwire.HeaderProtocolVersion, e.version)
	}
	if e.session != "" {
		req.Header.Set(mcpwire.HeaderSessionID, e.session)
	}
	return req, nil
}

func (e *endpoint) post(ctx context.Context, method, body, id string) *answer {
	req, err := e.request(ctx, http.MethodPost, body)
	if err != nil {
		return &answer{err: outbound.Classify(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if e.modern {
		req.Header.Set(mcpwire.HeaderMethod, method)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return &answer{err: outbound.Classify(err)}
	}
	defer func() { _ = resp.Body.Close() }() // nothing is owed to a body that was read or given up
	a := &answer{status: resp.StatusCode, header: resp.Header}
	media, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // an unreadable type is no type
	if media == "text/event-stream" && id != "" {
		a.readStream(resp.Body, id)
	} else {
		a.readBody(resp.Body, media, id)
	}
	if a.failed {
		a.message = e.clean.line(a.message, maxMessage)
	}
	return a
}

func (a *answer) readBody(body io.Reader, media, id string) {
	raw, err := io.ReadAll(body)
	if err != nil {
		a.err = outbound.Classify(err)
		return
	}
	raw = bytes.TrimSpace(raw)
	a.page = media == "text/html" || media == "application/xhtml+xml" || bytes.HasPrefix(raw, []byte("<"))
	switch {
	case id == "":
	case len(raw) == 0:
		a.problem = "an empty answer"
	case a.page:
		a.problem = "a web page"
	default:
		a.readMessage(raw, id)
	}
}

// readStream reads events until the answer comes. Requests and notifications of the server are passed over.
func (a *answer) readStream(body io.Reader, id string) {
	stream := newEvents(body)
	for {
		ev, err := stream.next()
		switch {
		case errors.Is(err, errStreamEnded):
			a.problem = "an event stream that ends without an answer"
			return
		case err != nil && outbound.KindOf(err) == "":
			a.problem = "an event stream with an endless line"
			return
		case err != nil:
			a.err = outbound.Classify(err)
			return
		case len(ev.data) == 0 || ev.name != "" && ev.name != "message":
			continue
		}
		if a.readMessage(ev.data, id); a.problem != errOtherMessage {
			return
		}
		a.problem = ""
	}
}

// errOtherMessage is the problem of a message that is sound and answers something else.
const errOtherMessage = "an MCP message that does not answer the request"

func (a *answer) readMessage(raw []byte, id string) {
	m, err := mcpwire.Peek(raw)
	var refused *mcpwire.Error
	switch {
	case errors.As(err, &refused) && refused.Code == mcpwire.CodeParse:
		a.problem = "something that is not JSON"
		return
	case errors.As(err, &refused):
		a.problem = "JSON that is not an MCP message (" + refused.Reason + ")"
		return
	}
	messages := m.Batch
	if m.Kind != mcpwire.KindBatch {
		messages = []mcpwire.Message{m}
	}
	for _, m := range messages {
		// An error whose id the server could not read, or made up, is an answer all the same when it
		// comes as the whole body of a refused request.
		whole := m.Error != nil && a.status >= http.StatusBadRequest
		if m.Kind == mcpwire.KindResponse && (string(m.ID) == id || whole) {
			a.take(m)
			return
		}
	}
	a.problem = errOtherMessage
}

func (a *answer) take(m mcpwire.Message) {
	a.problem = ""
	if m.Error == nil {
		a.result = bytes.Clone(m.Result)
		if a.status >= http.StatusBadRequest {
			a.result, a.problem = nil, "a result under an error status"
		}
		return
	}
	a.failed = true
	var e struct {
		Code    jsontext.Value `json:"code"`
		Message jsontext.Value `json:"message"`
	}
	if json.Unmarshal(m.Error, &e) != nil {
		return
	}
	// What is not a number or a string stays empty.
	_ = json.Unmarshal(e.Code, &a.code)
	_ = json.Unmarshal(e.Message, &a.message)
}

// end closes a legacy session. Its outcome is of no interest: servers may answer 405.
func (e *endpoint) end(ctx context.Context) {
	if e.session == "" {
		return
	}
	req, err := e.request(ctx, http.MethodDelete, "")
	if err != nil {
		return
	}
	if resp, err := e.client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
	e.session = ""
}
