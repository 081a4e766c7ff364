package outbound

import (
	"net/http"
	"time"
)

// Defaults of TransportOptions.
const (
	DefaultIdlePerHost = 256
	DefaultIdleTimeout = 90 * time.Second
)

// TransportOptions tunes the transport of a proxy.
type TransportOptions struct {
	// ResponseHeaderTimeout bounds the wait for an answer's headers; zero waits as long as the request.
	ResponseHeaderTimeout time.Duration
	// IdlePerHost is how many idle connections are kept for one host.
	IdlePerHost int
	// IdleTimeout is how long an idle connection is kept.
	IdleTimeout time.Duration
}

// Transport returns a transport for a proxy: the client's dial check, pooled connections and no overall
// timeout. It passes redirects and compressed bodies on as they are. Its errors are told by Classify.
func (c *Client) Transport(opts TransportOptions) *http.Transport {
	if opts.IdlePerHost <= 0 {
		opts.IdlePerHost = DefaultIdlePerHost
	}
	if opts.IdleTimeout <= 0 {
		opts.IdleTimeout = DefaultIdleTimeout
	}
	t := newTransport(c.cfg, c.guard)
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = opts.IdlePerHost
	t.IdleConnTimeout = opts.IdleTimeout
	t.ResponseHeaderTimeout = opts.ResponseHeaderTimeout
	// A long event stream over HTTP/2 notices a dead peer by pings only.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return t
}

func newTransport(cfg Config, g *guard) *http.Transport {
	t := &http.Transport{
		DialContext:            g.dial,
		TLSClientConfig:        cfg.tls(),
		TLSHandshakeTimeout:    tlsTimeout,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: cfg.MaxHeader,
		ExpectContinueTimeout:  time.Second,
	}
	if !cfg.AllowPrivate {
		t.RegisterProtocol("http", refusePlain{})
	}
	return t
}

// refusePlain stands where http would be, so that a URL which never passed CheckURL meets it too.
type refusePlain struct{}

func (refusePlain) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close() // a RoundTripper closes the body, and there is nobody to tell
	}
	return nil, badURL("only https is allowed")
}
