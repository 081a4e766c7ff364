package conformance

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
)

// Bearer is a loopback server in front of an MCP URL that adds a token to every
// request, because the suite has no way to send one.
//
// Its own address stands for the MCP URL's in Host and Origin. Any other value of
// these headers arrives as it was sent, and so does everything else; a body goes
// on when it is whole.
type Bearer struct {
	// URL is the MCP URL for the suite.
	URL string

	server *http.Server
}

// NewBearer serves on a port of loopback until Close. Without a token it adds none.
func NewBearer(port int, mcpURL, token string) (*Bearer, error) {
	target, err := url.Parse(mcpURL)
	if err != nil {
		return nil, fmt.Errorf("parse MCP URL: %w", err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, fmt.Errorf("listen for the suite: %w", err)
	}
	own := &url.URL{Scheme: "http", Host: net.JoinHostPort("localhost", strconv.Itoa(port)), Path: target.Path}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
			r.Out.Host = r.In.Host
			if r.In.Host == own.Host {
				r.Out.Host = target.Host
			}
			if r.In.Header.Get("Origin") == own.Scheme+"://"+own.Host {
				r.Out.Header.Set("Origin", target.Scheme+"://"+target.Host)
			}
			if token != "" {
				r.Out.Header.Set("Authorization", "Bearer "+token)
			}
		},
		FlushInterval: -1,
		// The suite leaves streams in the middle, which is nothing to report.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	b := &Bearer{URL: own.String(), server: &http.Server{Handler: wholeBody(proxy), ErrorLog: proxy.ErrorLog}}
	go func() { _ = b.server.Serve(listener) }() // it ends with Close
	return b, nil
}

// Close ends the server and every stream.
func (b *Bearer) Close() { _ = b.server.Close() } // the suite is gone by then

// wholeBody reads a request's body before it is passed on. A server closes what
// it has not read of a body when the answer begins, and a transport that is still
// looking for the body's end then drops the connection, and the answer with it.
func wholeBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength, r.TransferEncoding = http.NoBody, int64(len(body)), nil
		if len(body) > 0 {
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		next.ServeHTTP(w, r)
	})
}
