package wire

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const maxBody = 4 << 20

// Seen is one request as it came through.
type Seen struct {
	Method, Path string
	// Grant is the grant type of a request to the token endpoint.
	Grant  string
	Status int
}

// Answer is an answer that a break may change.
type Answer struct {
	Request *http.Request
	// Asked is the body of the request.
	Asked  []byte
	Status int
	Header http.Header
	Body   []byte
}

// Break changes answers; nil changes none.
type Break func(*Answer)

// Wire is a running wire.
type Wire struct {
	// Origin stands for the origin behind it.
	Origin string

	server  *httptest.Server
	breaks  Break
	inward  *strings.Replacer
	outward *strings.Replacer

	mu   sync.Mutex
	seen []Seen
}

// Start stands before an origin until Close.
func Start(origin string, breaks Break) (*Wire, error) {
	target, err := url.Parse(origin)
	if err != nil {
		return nil, err
	}
	w := &Wire{breaks: breaks}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			for _, values := range r.Out.Header {
				for i := range values {
					values[i] = w.inward.Replace(values[i])
				}
			}
			r.Out.URL.RawQuery = w.inward.Replace(r.In.URL.RawQuery)
			r.Out.Header.Set("Accept-Encoding", "identity")
		},
		FlushInterval:  -1,
		ModifyResponse: w.answer,
	}
	w.server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(http.MaxBytesReader(out, r.Body, maxBody))
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
		asked = []byte(w.inward.Replace(string(asked)))
		r = r.WithContext(withAsked(r.Context(), asked))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(asked)), int64(len(asked))
		proxy.ServeHTTP(out, r)
	}))
	// The gateway's origins are names, and a client that was given one may not be sent to an address.
	port := w.server.URL[strings.LastIndex(w.server.URL, ":")+1:]
	w.Origin = "http://localhost:" + port
	here, there := "localhost:"+port, target.Host
	w.inward = strings.NewReplacer(here, there, url.QueryEscape(here), url.QueryEscape(there))
	w.outward = strings.NewReplacer(there, here, url.QueryEscape(there), url.QueryEscape(here))
	return w, nil
}

// Close ends it and every connection through it.
func (w *Wire) Close() {
	w.server.CloseClientConnections()
	w.server.Close()
}

// Seen returns a copy of what came through, in the order of the answers.
func (w *Wire) Seen() []Seen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.seen)
}

func (w *Wire) answer(res *http.Response) error {
	asked := askedFor(res.Request.Context())
	for _, values := range res.Header {
		for i := range values {
			values[i] = w.outward.Replace(values[i])
		}
	}
	a := &Answer{Request: res.Request, Asked: asked, Status: res.StatusCode, Header: res.Header}
	defer func() { w.record(a) }()
	stream := strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
	if stream && (w.breaks == nil || res.Request.Method != http.MethodPost) {
		return nil // as it comes; no message of a stream names the origin
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	_ = res.Body.Close() // it was read
	if err != nil {
		return err
	}
	a.Body = []byte(w.outward.Replace(string(body)))
	if w.breaks != nil {
		w.breaks(a)
	}
	res.StatusCode, res.Status = a.Status, strconv.Itoa(a.Status)+" "+http.StatusText(a.Status)
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(a.Body)), int64(len(a.Body))
	if res.Request.Method != http.MethodHead {
		res.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	return nil
}

func (w *Wire) record(a *Answer) {
	seen := Seen{Method: a.Request.Method, Path: a.Request.URL.Path, Status: a.Status}
	if form, err := url.ParseQuery(string(a.Asked)); err == nil {
		seen.Grant = form.Get("grant_type")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, seen)
}
