package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/outbound"
)

// Timeout bounds a connection's handshakes, and after them each message.
const Timeout = 15 * time.Second

// Config is what a sender needs. RootCAs may be nil for the system's.
type Config struct {
	Server  Server
	From    string // as ParseFrom reads it
	RootCAs *x509.CertPool
	Clock   clock.Clock
}

// Sender hands messages to one server. It is safe for concurrent use.
type Sender struct {
	cfg        Config
	name, from string
}

// New makes a sender. It does not connect.
func New(cfg Config) (*Sender, error) {
	name, from, err := ParseFrom(cfg.From)
	if err != nil {
		return nil, err
	}
	if cfg.Server.Host == "" || cfg.Clock == nil {
		return nil, errors.New("a server and a clock are needed")
	}
	return &Sender{cfg: cfg, name: name, from: from}, nil
}

// From is the sender's address.
func (s *Sender) From() string { return s.from }

// Session is a connection to the server, for messages one after the other. It is not
// safe for concurrent use.
type Session struct {
	sender *Sender
	client *mail.Client
}

// Open connects. Errors are *Error, and another try may help with each of them.
func (s *Sender) Open(ctx context.Context) (*Session, error) {
	server := s.cfg.Server
	options := []mail.Option{
		mail.WithPort(server.Port), mail.WithTimeout(Timeout), mail.WithHELO(domainOf(s.from)), mail.WithoutNoop(),
		mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(s.dial),
		mail.WithTLSConfig(s.tls()),
	}
	if server.TLS == StartTLS {
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if server.User != "" {
		options = append(options, mail.WithUsername(server.User), mail.WithPassword(server.Password.Reveal()),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin, mail.SMTPAuthCramMD5))
	}
	client, err := mail.NewClient(server.Host, options...)
	if err != nil {
		return nil, &Error{words: "The installation's mail settings do not work.", cause: err}
	}
	if err := client.DialWithContext(ctx); err != nil {
		return nil, classifyOpen(err)
	}
	return &Session{sender: s, client: client}, nil
}

func (s *Sender) tls() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.cfg.Server.Host, RootCAs: s.cfg.RootCAs}
}

func (s *Sender) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := outbound.DialOperator(ctx, network, address)
	if err != nil || s.cfg.Server.TLS != Implicit {
		return conn, err
	}
	secured := tls.Client(conn, s.tls())
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

// Close says goodbye. A server that does not answer is not waited for beyond Timeout.
func (s *Session) Close() {
	_ = s.client.Close() // what was sent is sent
}

// Error is every error of Open and Send.
type Error struct {
	// Permanent says that no other try can help: the address does not exist, or the like.
	Permanent bool
	// Broken says that the connection is of no more use.
	Broken bool
	words  string
	cause  error
}

// Public says it in words that may be shown to a workspace's members.
func (e *Error) Public() string { return e.words }

// Error is for logs. It may hold the recipient's address, and never a password.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.words, e.cause) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

func classifyOpen(err error) *Error {
	out := &Error{Broken: true, words: "The installation's mail server cannot be reached.", cause: err}
	var reply *textproto.Error
	var unverified *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &reply) && (reply.Code == 535 || reply.Code == 534 || reply.Code == 538):
		out.words = "The installation's mail server refuses the gateway's user name or password."
	case errors.As(err, &reply):
		out.words = fmt.Sprintf("The installation's mail server refuses the gateway (%d).", reply.Code)
	case errors.As(err, &unverified):
		out.words = "The certificate of the installation's mail server cannot be verified."
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		out.words = "The installation's mail server does not answer in time."
	}
	return out
}

// classifySend tells what may pass from what stays. A 5yz answer to the recipient or the
// message is for good (RFC 5321, section 4.2.1); one to the sender or the connection is
// the operator's to set right.
func classifySend(err error) *Error {
	out := &Error{words: "The mail server did not take the message.", cause: err}
	var send *mail.SendError
	if !errors.As(err, &send) {
		out.Broken = true
		return out
	}
	code := send.ErrorCode()
	switch {
	case code == 0:
		out.Broken, out.words = true, "The connection to the mail server broke off."
	case code == 421:
		out.Broken, out.words = true, "The mail server is closing (421)."
	case code >= 500 && send.Reason == mail.ErrSMTPRcptTo:
		out.Permanent, out.words = true, fmt.Sprintf("The mail server refuses this address (%d).", code)
	case code >= 500 && (send.Reason == mail.ErrSMTPData || send.Reason == mail.ErrSMTPDataClose):
		out.Permanent, out.words = true, fmt.Sprintf("The mail server refuses the message (%d).", code)
	default:
		out.words = fmt.Sprintf("The mail server did not take the message (%d).", code)
	}
	return out
}
