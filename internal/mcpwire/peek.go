package mcpwire

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of one message.
const (
	// MaxDepth is how deep arrays and objects may nest, the envelope included.
	MaxDepth = 64
	// MaxBatch is how many messages a 2025-03-26 batch may hold.
	MaxBatch = 100
	// MaxID is the longest request id, in bytes as written.
	MaxID = 512
	// MaxMethod is the longest method name, in bytes.
	MaxMethod = 128
)

// Kind says what a message is.
type Kind uint8

// The kinds of messages.
const (
	KindRequest Kind = iota + 1
	KindNotification
	KindResponse
	KindBatch
)

// Message is what the gateway knows of one JSON-RPC message. The byte slices alias the body that was
// read: they live as long as it and are not to be changed.
type Message struct {
	// Kind is what the message is; the other fields follow from it.
	Kind Kind
	// ID is the id as written (a string or an integer), nil for a notification.
	ID []byte
	// Method is set for requests and notifications.
	Method string
	// Name is the thing that the method acts on: params.name of tools/call and prompts/get, params.uri
	// of resources/read, params.taskId of tasks/get, tasks/update and tasks/cancel. It is what the
	// header Mcp-Name mirrors.
	Name string
	// ProtocolVersion is params._meta's version, or for initialize params.protocolVersion.
	ProtocolVersion string
	// Modern is true when the version stands in _meta, as it does since 2026-07-28.
	Modern bool
	// ClientName and ClientVersion are what the client says about itself, when it does.
	ClientName, ClientVersion string
	// RequestState is params.requestState as written, nil when absent: what a server gave the client to
	// bring back with the answers to its questions (MCP 2026-07-28, multi round-trip requests).
	RequestState []byte
	// Params, Result and Error are the members as written, nil when absent.
	Params, Result, Error []byte
	// Batch holds the members of a batch, in order.
	Batch []Message
}

// Tool returns the tool that the message calls, "" when it calls none.
func (m *Message) Tool() string {
	if m.Method == MethodToolsCall {
		return m.Name
	}
	return ""
}

// Error is the refusal of a body. Reason holds no byte of the body.
type Error struct {
	// Code is the JSON-RPC code to answer with.
	Code int
	// Reason is the cause in words that may be sent back.
	Reason string
	// ID is the id of the refused request where it is known beyond doubt, else nil.
	ID []byte
}

// Error implements error.
func (e *Error) Error() string { return "json-rpc message: " + e.Reason }

func refuse(reason string) error { return &Error{Code: CodeInvalidRequest, Reason: reason} }

// peeker is the reusable machinery of one Peek.
type peeker struct {
	body []byte
	src  bytes.Buffer
	dec  jsontext.Decoder
}

var peekers = sync.Pool{New: func() any { return new(peeker) }}

// Peek reads one JSON-RPC message, or one batch of them. Every refusal is an *Error.
func Peek(body []byte) (Message, error) {
	if !utf8.Valid(body) {
		return Message{}, refuse("the body is not valid UTF-8")
	}
	if tooDeep(body) {
		return Message{}, refuse("the body nests too deep")
	}
	p, _ := peekers.Get().(*peeker)
	p.body = body
	p.src = *bytes.NewBuffer(body)
	p.dec.Reset(&p.src)
	m, err := p.document()
	p.body, p.src = nil, bytes.Buffer{}
	p.dec.Reset(&p.src)
	peekers.Put(p)
	if err != nil {
		return Message{}, judged(err)
	}
	return m, nil
}

// tooDeep looks at brackets outside strings only; whether they match is the decoder's affair.
func tooDeep(body []byte) bool {
	if len(body) < MaxDepth {
		return false
	}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			for i++; i < len(body) && body[i] != '"'; i++ {
				if body[i] == '\\' {
					i++
				}
			}
		}
	}
	return false
}

// judged turns a decoder's error into ours, without the decoder's text: that quotes the body.
func judged(err error) error {
	var own *Error
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, jsontext.ErrDuplicateName):
		return refuse("a member name appears twice in one object")
	case errors.Is(err, io.EOF):
		return &Error{Code: CodeParse, Reason: "the body is empty"}
	default:
		return &Error{Code: CodeParse, Reason: "the body is not valid JSON"}
	}
}

func (p *peeker) document() (Message, error) {
	var m Message
	var err error
	if kind := p.dec.PeekKind(); kind == '{' {
		m, err = p.message()
	} else if kind == '[' {
		m, err = p.batch()
	} else if _, err = p.dec.ReadToken(); err == nil {
		err = refuse("the body is neither an object nor an array")
	}
	if err != nil {
		return Message{}, err
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return Message{}, refuse("there is more after the message")
	}
	return m, nil
}

func (p *peeker) batch() (Message, error) {
	if _, err := p.dec.ReadToken(); err != nil {
		return Message{}, err
	}
	m := Message{Kind: KindBatch}
	for p.dec.PeekKind() == '{' {
		if len(m.Batch) == MaxBatch {
			return Message{}, refuse("the batch holds too many messages")
		}
		one, err := p.message()
		if err != nil {
			return Message{}, err
		}
		m.Batch = append(m.Batch, one)
	}
	end, err := p.dec.ReadToken()
	switch {
	case err != nil:
		return Message{}, err
	case end.Kind() != ']':
		return Message{}, refuse("a member of the batch is not an object")
	case len(m.Batch) == 0:
		return Message{}, refuse("the batch is empty")
	default:
		return m, nil
	}
}

// members calls f for each member of the object that comes next. The name is as written, without its
// quotes; f reads the value.
func (p *peeker) members(f func(name []byte) error) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() != '}' {
		quoted, err := p.value()
		if err != nil {
			return err
		}
		if err := f(quoted[1 : len(quoted)-1]); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

// value reads the next value or member name and returns it as it stands in the body.
func (p *peeker) value() ([]byte, error) {
	v, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := int(p.dec.InputOffset())
	return p.body[end-len(v) : end : end], nil
}
