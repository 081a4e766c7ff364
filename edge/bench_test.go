package edge_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
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

// BenchmarkCall measures a call with a remembered token, without any network: one
// without a session, one in a session that the token was used in before, and one of
// many sessions that take turns on one token, each of which has to be opened anew.
func BenchmarkCall(b *testing.B) {
	for name, sessions := range map[string]int{"no session": 0, "session": 1, "sessions in turn": 2} {
		b.Run(name, func(b *testing.B) {
			bundle := setup(b, echoPong(), func(c *edge.Config) {
				c.Recorder = discard{}
				c.Transport = canned{}
			})
			handler := bundle.front.Handler("http")
			requests := []*http.Request{bundle.request("POST", toolCall, "Mcp-Protocol-Version", "2025-11-25", "User-Agent", "bench/1")}
			for i := range sessions {
				req := requests[0]
				if i > 0 {
					req = requests[0].Clone(b.Context())
					requests = append(requests, req)
				}
				req.Header.Set("Mcp-Session-Id", bundle.sealed("s-"+strconv.Itoa(i)))
			}
			for _, req := range requests {
				req.RequestURI, req.URL = "/crm/mcp", &url.URL{Path: "/crm/mcp"}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r := *requests[i%len(requests)]
				r.Body = text{strings.NewReader(toolCall)}
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, &r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body.String())
				}
			}
		})
	}
}
