package leaks

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// Transport looks through every answer that it hands on, headers and body.
type Transport struct {
	Next http.RoundTripper
	// Tell takes what was found; it may be called from several goroutines.
	Tell func(Found)
	Look Look
	// Skip are requests whose answers may hold secrets: those to a provider itself.
	Skip func(*http.Request) bool
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.Next.RoundTrip(req)
	if err != nil || t.Skip != nil && t.Skip(req) {
		return res, err
	}
	place := req.Method + " " + req.URL.Redacted()
	var header bytes.Buffer
	_ = res.Header.Write(&header) // a buffer takes everything
	for _, f := range t.Look.Bytes("headers of "+place, header.Bytes()) {
		t.Tell(f)
	}
	res.Body = &body{ReadCloser: res.Body, place: place, look: t.Look, tell: t.Tell}
	return res, nil
}

// body looks at what passes, whatever pieces it comes in.
type body struct {
	io.ReadCloser
	mu    sync.Mutex
	last  []byte
	told  bool
	place string
	look  Look
	tell  func(Found)
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	text := append(b.last, p[:n]...)
	if !b.told {
		for _, f := range b.look.Bytes("body of "+b.place, text) {
			b.told = true
			b.tell(f)
		}
	}
	b.last = append([]byte(nil), text[max(0, len(text)-b.look.longest+1):]...)
	return n, err
}
