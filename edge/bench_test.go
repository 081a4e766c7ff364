package edge_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/internal/secret"
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

// known gives everybody the same token at once.
type known struct{ edge.Downstreams }

func (known) Token(context.Context, edge.DownstreamQuery) (edge.DownstreamToken, error) {
	return edge.DownstreamToken{Value: secret.New(accessOfAda), GrantID: "grt_1"}, nil
}

// BenchmarkCall measures a call with a remembered token, without any network: one
// without a session, one in a session that the token was used in before, and one of
// many sessions that take turns on one token, each of which has to be opened anew; and
// one of a runtime with a profile, where the token behind it is known.
func BenchmarkCall(b *testing.B) {
	for name, sessions := range map[string]int{"no session": 0, "session": 1, "sessions in turn": 2, "profile": 0} {
		b.Run(name, func(b *testing.B) {
			options := func(c *edge.Config) {
				c.Recorder = discard{}
				c.Transport = canned{}
			}
			var bundle *bundle
			if name == "profile" {
				bundle = withGrants(b, echoPong(), known{}, nil, options)
			} else {
				bundle = setup(b, echoPong(), options)
			}
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
