package mail

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/stretchr/testify/require"
)

// Message is what was handed in.
type Message struct {
	From, To string
	// User is who signed in; empty without.
	User string
	// TLS says that the connection was protected.
	TLS     bool
	Header  mail.Header
	Subject string
	// Text and HTML are the body's parts.
	Text, HTML string
	Raw        string
}

// Config says how the server behaves.
type Config struct {
	// User and Password are wanted where they are set.
	User, Password string
	// TLS offers STARTTLS, Implicit speaks TLS from the first byte.
	TLS, Implicit bool
}

// Server is a running mail server.
type Server struct {
	// Addr is host and port.
	Addr string
	// Roots trust its certificate, which is for localhost.
	Roots *x509.CertPool

	cfg    Config
	server *smtp.Server

	mu       sync.Mutex
	messages []Message
	opened   int
	onRcpt   func(to string) error
	onData   func() error
}

// New starts a server that ends with the test.
func New(t testing.TB, cfg Config) *Server {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return Serve(t, cfg, listener)
}

// Serve is New on a listener of the caller's, so that a server can come back where one was.
func Serve(t testing.TB, cfg Config, listener net.Listener) *Server {
	t.Helper()
	s := &Server{Addr: listener.Addr().String(), cfg: cfg}
	s.server = smtp.NewServer(s)
	s.server.Domain, s.server.AllowInsecureAuth, s.server.MaxMessageBytes = "mail.test", true, 1<<20
	s.server.ErrorLog = quiet{}
	if cfg.TLS || cfg.Implicit {
		var certificate tls.Certificate
		certificate, s.Roots = certify(t)
		s.server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	}
	if cfg.Implicit {
		listener = tls.NewListener(listener, s.server.TLSConfig)
	}
	go func() { _ = s.server.Serve(listener) }() // it ends with Close
	t.Cleanup(s.Close)
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Close ends the server and its connections.
func (s *Server) Close() { _ = s.server.Close() }

// Messages are those that were taken, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Message(nil), s.messages...)
}

// Opened counts connections.
func (s *Server) Opened() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// OnRcpt decides about each recipient; nil takes all.
func (s *Server) OnRcpt(f func(to string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRcpt = f
}

// OnData runs before each message is taken, and may refuse it or wait.
func (s *Server) OnData(f func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onData = f
}

// Refuse is an answer with that code.
func Refuse(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// NewSession implements smtp.Backend.
func (s *Server) NewSession(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	return &session{server: s, conn: c}, nil
}

type session struct {
	server   *Server
	conn     *smtp.Conn
	user     string
	from, to string
}

func (x *session) AuthMechanisms() []string {
	if x.server.cfg.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != x.server.cfg.User || password != x.server.cfg.Password {
			return Refuse(535, "wrong user name or password")
		}
		x.user = user
		return nil
	}), nil
}

func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	if x.server.cfg.User != "" && x.user == "" {
		return Refuse(530, "authentication required")
	}
	x.from = from
	return nil
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.server.mu.Lock()
	judge := x.server.onRcpt
	x.server.mu.Unlock()
	if judge != nil {
		if err := judge(to); err != nil {
			return err
		}
	}
	x.to = to
	return nil
}

func (x *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	x.server.mu.Lock()
	judge := x.server.onData
	x.server.mu.Unlock()
	if judge != nil {
		if err := judge(); err != nil {
			return err
		}
	}
	m, err := parse(string(raw))
	if err != nil {
		return err
	}
	m.From, m.To, m.User = x.from, x.to, x.user
	_, m.TLS = x.conn.TLSConnectionState()
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	x.server.messages = append(x.server.messages, m)
	return nil
}

func (x *session) Reset()        { x.from, x.to = "", "" }
func (x *session) Logout() error { return nil }

func parse(raw string) (Message, error) {
	m := Message{Raw: raw}
	in, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		return m, err
	}
	m.Header = in.Header
	if m.Subject, err = (&mime.WordDecoder{}).DecodeHeader(in.Header.Get("Subject")); err != nil {
		return m, err
	}
	kind, params, err := mime.ParseMediaType(in.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return m, errors.Join(errors.New("not multipart/alternative: "+kind), err)
	}
	for parts := multipart.NewReader(in.Body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return m, err
		}
		var body io.Reader = part
		if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
			body = quotedprintable.NewReader(part)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			return m, err
		}
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/html") {
			m.HTML = string(text)
		} else {
			m.Text = strings.ReplaceAll(string(text), "\r\n", "\n")
		}
	}
}

func certify(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool
}
