package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/emcy/gateway/test/bench/load"
)

const toolCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"how long does this take?"}}}`

// callRequest is a tool call as a client writes it.
func callRequest(host, path, token string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\n"+
		"Accept: application/json, text/event-stream\r\nUser-Agent: bench/1\r\nMcp-Protocol-Version: 2025-11-25\r\nContent-Length: %d\r\n\r\n%s",
		path, host, token, len(toolCall), toolCall)
}

// errUnexpected is any answer but the one that is wanted.
var errUnexpected = errors.New("the answer is not the runtime's")

func check(status int, body []byte, want string) error {
	if status != http.StatusOK || string(body) != want {
		return fmt.Errorf("%w: %d %.300s", errUnexpected, status, body)
	}
	return nil
}

// same sends one request again and again.
type same struct {
	request []byte
	want    string
}

func (s same) Request() []byte                      { return s.request }
func (s same) Answer(status int, body []byte) error { return check(status, body, s.want) }

// calls is what one target is asked.
func calls(host, path, token string) func(int) load.Script {
	want := toolAnswer
	if path == pathSSE {
		want = eventAnswer
	}
	return func(int) load.Script { return same{callRequest(host, path, token), want} }
}

// tokens are used once each, by whichever connection is next.
type tokens struct {
	list []string
	next atomic.Int64
}

// left is how many are not used yet.
func (t *tokens) left() int { return len(t.list) - int(t.next.Load()) }

type fresh struct {
	host, path string
	tokens     *tokens
}

func (f fresh) Request() []byte {
	i := int(f.tokens.next.Add(1)) - 1
	if i >= len(f.tokens.list) {
		return nil
	}
	return callRequest(f.host, f.path, f.tokens.list[i])
}

func (f fresh) Answer(status int, body []byte) error { return check(status, body, toolAnswer) }
