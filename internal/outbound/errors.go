package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// Kind classifies what went wrong on the way out.
type Kind string

// The kinds of errors.
const (
	KindURL         Kind = "url"             // the URL itself is refused
	KindAddress     Kind = "refused_address" // the host is, or resolves to, an address that is closed
	KindDNS         Kind = "dns"
	KindConnect     Kind = "connect_refused"
	KindUnreachable Kind = "unreachable"
	KindTimeout     Kind = "timeout"
	KindTLS         Kind = "tls"
	KindRedirect    Kind = "redirect"
	KindTooLarge    Kind = "too_large"
	KindEncoding    Kind = "encoding" // a compressed answer that nobody asked for
	KindProtocol    Kind = "protocol" // not HTTP, or cut off
	KindStatus      Kind = "status"   // GetJSON: not 200
	KindContent     Kind = "content"  // GetJSON: not the JSON that was expected
	KindCanceled    Kind = "canceled" // the caller gave up
	KindInternal    Kind = "internal" // a fault of this program
)

// Error is every error of this package. Its text and Public hold no resolved address and no byte of an
// answer; the cause, which may, is for logs only (LogValue, Unwrap).
type Error struct {
	Kind Kind
	// Status is the HTTP status of a redirect or of an unexpected answer.
	Status int
	// Origin is where a redirect leads (scheme, host, port), "" when that is not fit to be shown.
	Origin string

	words string
	cause error
}

// Public returns the error as a sentence part that may be shown to anyone.
func (e *Error) Public() string { return e.words }

// Error implements error.
func (e *Error) Error() string { return "outbound: " + e.words }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// LogValue shows the cause to logs.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind)), slog.String("words", e.words)}
	if e.cause != nil {
		attrs = append(attrs, slog.String("cause", e.cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// KindOf returns the kind of an error of this package, "" for any other.
func KindOf(err error) Kind {
	var own *Error
	if errors.As(err, &own) {
		return own.Kind
	}
	return ""
}

func fail(kind Kind, words string, cause error) *Error {
	return &Error{Kind: kind, words: words, cause: cause}
}

// Classify turns what a transport or a body returned into an *Error; nil stays nil.
func Classify(err error) *Error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	if refusedAddress(err) {
		return fail(KindAddress, wordsAddress, err)
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && !errors.Is(err, context.Canceled) {
		switch {
		case dns.IsNotFound:
			return fail(KindDNS, "the host name does not exist", err)
		case dns.IsTimeout:
			return fail(KindDNS, "the name servers did not answer in time", err)
		default:
			return fail(KindDNS, "the host name could not be resolved", err)
		}
	}
	if words := tlsWords(err); words != "" {
		return fail(KindTLS, words, err)
	}
	return classifyNet(err)
}

const wordsAddress = "the host is at an address that the gateway does not connect to (private, local or reserved)"

func refusedAddress(err error) bool {
	for _, target := range []error{errAddress, ssrf.ErrProhibitedIP, ssrf.ErrProhibitedPort, ssrf.ErrProhibitedNetwork, ssrf.ErrInvalidHostPort} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

func classifyNet(err error) *Error {
	var timeout interface{ Timeout() bool }
	text := err.Error()
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return fail(KindTimeout, "no answer in time", err)
	case errors.Is(err, context.Canceled):
		return fail(KindCanceled, "the request was given up", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fail(KindConnect, "the connection is refused: nothing listens on this port", err)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return fail(KindUnreachable, "there is no route to the host", err)
	case strings.Contains(text, "server response headers exceeded"), strings.Contains(text, "header list larger than"),
		strings.Contains(text, "COMPRESSION_ERROR"): // what HTTP/2 calls one field beyond the cap
		return fail(KindTooLarge, "the answer's headers are too large", err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fail(KindProtocol, "the connection was closed before the answer was complete", err)
	default:
		return fail(KindProtocol, "the answer is not valid HTTP", err)
	}
}

// tlsWords explains a failed handshake, "" when the error is of another kind.
func tlsWords(err error) string {
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var verify *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &host):
		return "the certificate is for another host name"
	case errors.As(err, &authority):
		return "the certificate comes from an authority that is not trusted here, or the server does not send the whole chain"
	case errors.As(err, &invalid):
		if invalid.Reason == x509.Expired {
			return "the certificate has expired or is not valid yet"
		}
		return "the certificate is not valid"
	case errors.As(err, &verify):
		return "the certificate could not be verified"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the port answers without TLS"
	case errors.As(err, &alert), strings.Contains(err.Error(), "tls: "):
		return "the TLS handshake failed: the server may be too old for TLS 1.2"
	default:
		return ""
	}
}

func redirected(status int, origin string) *Error {
	words := "it answers with a redirect (" + strconv.Itoa(status) + ")"
	if origin != "" {
		words += " to " + origin
	}
	return &Error{Kind: KindRedirect, Status: status, Origin: origin, words: words}
}
