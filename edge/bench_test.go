package edge_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/usage/event"
)

type discard struct{}

func (discard) Record(event.Event) {}

type text struct{ *strings.Reader }

func (text) Close() error { return nil }

// canned is a runtime without a network: what remains is the gateway's own work.
type canned struct{}

func (canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ContentLength: int64(len(pong)), Body: text{strings.NewReader(pong)},
		Header: http.Header{"Content-Type": {jsonType}},
	}, nil
}

// BenchmarkCall measures a call with a remembered token, without any network.
func BenchmarkCall(b *testing.B) {
	bundle := setup(b, echoPong(), func(c *edge.Config) {
		c.Recorder = discard{}
		c.Transport = canned{}
	})
	handler := bundle.front.Handler("http")
	req := bundle.request("POST", toolCall, "Mcp-Protocol-Version", "2025-11-25", "Mcp-Session-Id", "s-1", "User-Agent", "bench/1")
	req.RequestURI = "/crm/mcp"
	req.URL.Scheme, req.URL.Host = "", ""
	b.ReportAllocs()
	for b.Loop() {
		r := *req
		r.Body = text{strings.NewReader(toolCall)}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, &r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body.String())
		}
	}
}
