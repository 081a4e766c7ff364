package main

import (
	"context"
	"flag"
	"io"
	"net/http"
	"strings"
)

// Paths of the runtime, one for each kind of answer.
const (
	pathJSON = "/json/mcp"
	pathSSE  = "/sse/mcp"
	pathIdle = "/idle/mcp"
)

// toolAnswer has 300 bytes.
var toolAnswer = func() string {
	const head, tail = `{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"`, `"}]}}`
	return head + strings.Repeat("x", 300-len(head)-len(tail)) + tail
}()

var eventAnswer = "event: message\ndata: " + toolAnswer + "\n\n"

// idleOpening is what an idle stream begins with.
const idleOpening = ": open\n\n"

// upstreamRole is a runtime that does nothing but answer.
func upstreamRole(context.Context, *flag.FlagSet, []string) (http.Handler, func() error, error) {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // what is asked does not matter
		switch r.URL.Path {
		case pathSSE:
			w.Header()["Content-Type"] = []string{"text/event-stream"}
			_, _ = io.WriteString(w, eventAnswer)
			w.(http.Flusher).Flush() //nolint:errcheck,forcetypeassert // net/http's own writer
		case pathIdle:
			w.Header()["Content-Type"] = []string{"text/event-stream"}
			_, _ = io.WriteString(w, idleOpening)
			w.(http.Flusher).Flush() //nolint:errcheck,forcetypeassert // as above
			<-r.Context().Done()
		default:
			w.Header()["Content-Type"] = []string{"application/json"}
			w.Header()["Content-Length"] = []string{"300"}
			_, _ = io.WriteString(w, toolAnswer)
		}
	}), func() error { return nil }, nil
}
