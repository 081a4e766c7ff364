package main

import (
	"context"
	"flag"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
)

// buffers lend the proxy its copy buffers.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if kept, ok := b.pool.Get().(*[]byte); ok {
		return *kept
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// proxyRole is the baseline: httputil.ReverseProxy, which checks and records
// nothing, tuned as far as its settings go.
func proxyRole(_ context.Context, flags *flag.FlagSet, args []string) (http.Handler, func() error, error) {
	to := flags.String("to", "", "the runtime's address")
	if err := flags.Parse(args); err != nil {
		return nil, nil, err
	}
	target := &url.URL{Scheme: "http", Host: *to}
	proxy := &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 1024, DisableCompression: true},
		BufferPool: &buffers{},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Otherwise the server takes the request's body away when the answer is first
		// flushed, which breaks off one event stream in some hundreds.
		_ = http.NewResponseController(w).EnableFullDuplex() // HTTP/1.1 always can
		proxy.ServeHTTP(w, r)
	}), func() error { return nil }, nil
}
