package outbound

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"time"
)

// Bounds that hold where Config does not say otherwise.
const (
	DefaultTimeout   = 5 * time.Second
	DefaultMaxBody   = 1 << 20
	DefaultMaxHeader = 64 << 10

	// MaxURL is the longest URL that CheckURL accepts.
	MaxURL = 2048

	connectTimeout = 5 * time.Second
	tlsTimeout     = 5 * time.Second
)

// Config says how far the client may go. Its zero value is the strict one.
type Config struct {
	// AllowPrivate opens loopback and private addresses and plain http.
	AllowPrivate bool
	// Timeout bounds one Do from its start to the last byte of the body.
	Timeout time.Duration
	// MaxBody is the most bytes that are read of a body.
	MaxBody int64
	// MaxHeader is the most bytes of header that an answer may have.
	MaxHeader int64
	// UserAgent is sent where the request has none of its own.
	UserAgent string
	// RootCAs replaces the system's authorities, nil keeps them.
	RootCAs *x509.CertPool
	// Resolver replaces the system's resolver, nil keeps it.
	Resolver *net.Resolver
	// ConnectTo dials other places than the URLs say: host:port to host:port. The URL, its Host header and the name in
	// the certificate stay, and the address is checked as any other. It is for tests in which a vendor's host is ours.
	ConnectTo map[string]string
	// KeepConnections keeps connections between calls of Do. It is for a client that lives as long as
	// one task at one target; CloseIdleConnections ends it.
	KeepConnections bool
}

func (c Config) withDefaults() Config {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxBody <= 0 {
		c.MaxBody = DefaultMaxBody
	}
	if c.MaxHeader <= 0 {
		c.MaxHeader = DefaultMaxHeader
	}
	if c.UserAgent == "" {
		c.UserAgent = "Emcy-Gateway"
	}
	return c
}

func (c Config) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.RootCAs}
}
