package mail_test

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/mail"
)

const password = "canary_smtp_password"

func open(t *testing.T, s *fake.Server, change func(*mail.Config)) (*mail.Session, error) {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr)
	require.NoError(t, err)
	server, err := mail.ParseServer("smtp://localhost:" + port)
	require.NoError(t, err)
	cfg := mail.Config{Server: server, From: "Acmé Gateway <alerts@acme.test>", Clock: clock.NewManual(tenancytest.Start), RootCAs: s.Roots}
	if change != nil {
		change(&cfg)
	}
	sender, err := mail.New(cfg)
	require.NoError(t, err)
	session, err := sender.Open(t.Context())
	if err == nil {
		t.Cleanup(session.Close)
	}
	return session, err
}

var message = mail.Message{ID: "dlv_1", To: "ada@example.com", Subject: "Grüße", Text: "Hello\nline two\n", HTML: "<p>Hello</p>", Settings: "https://console.test/acme/alerts"}

func TestAMessageArrives(t *testing.T) {
	t.Parallel()
	server := fake.New(t, fake.Config{})
	session, err := open(t, server, nil)
	require.NoError(t, err)
	require.NoError(t, session.Send(t.Context(), message))
	require.NoError(t, session.Send(t.Context(), message))
	all := server.Messages()
	require.Len(t, all, 2)
	require.Equal(t, 1, server.Opened(), "one connection for both")
	m := all[0]
	require.Equal(t, []string{"alerts@acme.test", "ada@example.com", "Grüße", "<p>Hello</p>"}, []string{m.From, m.To, m.Subject, m.HTML})
	require.Equal(t, message.Text, m.Text)
	require.Equal(t, "<dlv_1@acme.test>", m.Header.Get("Message-Id"))
	require.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
	require.Equal(t, "<https://console.test/acme/alerts>", m.Header.Get("List-Unsubscribe"))
	require.Equal(t, "Sun, 22 Nov 2026 12:00:00 +0000", m.Header.Get("Date"))
	require.NotContains(t, m.Raw, "go-mail", "which software sends is nobody's business")
}

// TestTheConnectionIsAsAsked: with STARTTLS nothing is said before TLS, and a server
// that does not offer it gets no message and no password.
func TestTheConnectionIsAsAsked(t *testing.T) {
	t.Parallel()
	with := func(kind mail.TLS) func(*mail.Config) {
		return func(c *mail.Config) {
			c.Server.TLS, c.Server.User, c.Server.Password = kind, "gateway", secret.New(password)
		}
	}
	for kind, cfg := range map[mail.TLS]fake.Config{
		mail.Plain:    {User: "gateway", Password: password},
		mail.StartTLS: {TLS: true, User: "gateway", Password: password},
		mail.Implicit: {Implicit: true, User: "gateway", Password: password},
	} {
		server := fake.New(t, cfg)
		session, err := open(t, server, with(kind))
		require.NoError(t, err, kind)
		require.NoError(t, session.Send(t.Context(), message), kind)
		require.Equal(t, "gateway", server.Messages()[0].User)
		require.Equal(t, kind != mail.Plain, server.Messages()[0].TLS, kind)
	}
	bare := fake.New(t, fake.Config{User: "gateway", Password: password})
	_, err := open(t, bare, with(mail.StartTLS))
	requireRefused(t, err, "cannot be reached")
	require.Empty(t, bare.Messages())

	stranger := fake.New(t, fake.Config{TLS: true, User: "gateway", Password: password})
	_, err = open(t, stranger, func(c *mail.Config) { with(mail.StartTLS)(c); c.RootCAs = nil })
	requireRefused(t, err, "certificate")
	strict := fake.New(t, fake.Config{TLS: true, User: "gateway", Password: "another"})
	_, err = open(t, strict, with(mail.StartTLS))
	requireRefused(t, err, "user name or password")
}

func requireRefused(t *testing.T, err error, words string) *mail.Error {
	t.Helper()
	var own *mail.Error
	require.True(t, errors.As(err, &own), "%v", err)
	require.Contains(t, own.Public(), words)
	require.NotContains(t, own.Public()+own.Error(), password)
	require.NotContains(t, own.Public(), "127.0.0.1")
	require.NotContains(t, own.Public(), "localhost")
	return own
}

// TestWhatARefusalMeans: only what another try cannot mend is given up.
func TestWhatARefusalMeans(t *testing.T) {
	t.Parallel()
	server := fake.New(t, fake.Config{})
	send := func(rcpt, data error) error {
		server.OnRcpt(func(string) error { return rcpt })
		server.OnData(func() error { return data })
		session, err := open(t, server, nil)
		require.NoError(t, err)
		return session.Send(t.Context(), message)
	}
	require.False(t, requireRefused(t, send(fake.Refuse(450, "mailbox busy"), nil), "(450)").Permanent)
	require.True(t, requireRefused(t, send(fake.Refuse(550, "no such user at 127.0.0.1"), nil), "refuses this address (550)").Permanent)
	require.False(t, requireRefused(t, send(nil, fake.Refuse(451, "later")), "(451)").Permanent)
	require.True(t, requireRefused(t, send(nil, fake.Refuse(554, "spam")), "refuses the message (554)").Permanent)
	require.True(t, requireRefused(t, send(fake.Refuse(421, "closing"), nil), "(421)").Broken)
	require.NoError(t, send(nil, nil))
	require.Len(t, server.Messages(), 1)

	server.Close()
	_, err := open(t, server, nil)
	requireRefused(t, err, "cannot be reached")
}

func TestNoMailWhileATransactionIsOpen(t *testing.T) {
	t.Parallel()
	server := fake.New(t, fake.Config{})
	parsed, err := mail.ParseServer("smtp://" + server.Addr)
	require.NoError(t, err)
	sender, err := mail.New(mail.Config{Server: parsed, From: "a@b.test", Clock: clock.System{}})
	require.NoError(t, err)
	_, err = sender.Open(outbound.ContextWithTx(t.Context()))
	require.ErrorContains(t, err, "could not be sent")
	require.Zero(t, server.Opened())
}

// TestNothingGetsIntoAHeader: line breaks and invisible characters of names that
// strangers choose stay out of the headers, and every line is short enough for SMTP.
func TestNothingGetsIntoAHeader(t *testing.T) {
	t.Parallel()
	server := fake.New(t, fake.Config{})
	session, err := open(t, server, nil)
	require.NoError(t, err)
	for _, subject := range []string{
		"a\r\nBcc: evil@example.com", "a\nX-Evil: 1\n\nbody", "a\u2028Bcc: evil@example.com", "a\u0000b\r\n.\r\nMAIL FROM:<x>", "\u202eevil", strings.Repeat("lang ", 200), "\xff\xfe",
	} {
		bad := message
		bad.Subject, bad.Settings = subject, "https://c.test/a\r\nX-Evil: 1"
		require.NoError(t, session.Send(t.Context(), bad))
	}
	for _, m := range server.Messages() {
		require.Empty(t, m.Header["Bcc"])
		require.Empty(t, m.Header["X-Evil"])
		require.NotContains(t, m.Subject, "\n")
		require.NotContains(t, m.Subject, "\u202e")
		require.LessOrEqual(t, len([]rune(m.Subject)), 150)
		require.Equal(t, "ada@example.com", m.To)
		for line := range strings.SplitSeq(m.Raw, "\r\n") {
			require.LessOrEqual(t, len(line), 998) // RFC 5322, section 2.1.1
		}
	}
	require.Len(t, server.Messages(), 7)
	for _, to := range []string{"", "x", "a@b, c@d.test", "Ada <ada@example.com>", "a@b.test\r\nRCPT TO:<evil@example.com>", "<a@b.test>"} {
		bad := message
		bad.To = to
		err := session.Send(t.Context(), bad)
		if err == nil { // a name beside the address may be read, and never reaches the envelope
			m := server.Messages()
			require.Contains(t, []string{"ada@example.com", "a@b.test"}, m[len(m)-1].To)
			continue
		}
		require.True(t, requireRefused(t, err, "recipient").Permanent, to)
	}
}

func TestParseServer(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]mail.Server{
		"smtp://mailpit:1025":                            {Host: "mailpit", Port: 1025, TLS: mail.Plain},
		"smtp://relay.internal":                          {Host: "relay.internal", Port: 25, TLS: mail.Plain},
		"smtp+starttls://u%40x:p%2F%23@mail.example.com": {Host: "mail.example.com", Port: 587, TLS: mail.StartTLS, User: "u@x", Password: secret.New("p/#")},
		"smtps://[::1]:4650/":                            {Host: "::1", Port: 4650, TLS: mail.Implicit},
		"smtp://u:p@localhost":                           {Host: "localhost", Port: 25, TLS: mail.Plain, User: "u", Password: secret.New("p")},
	} {
		got, err := mail.ParseServer(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got)
	}
	for raw, words := range map[string]string{
		"smtps://u:" + password + "@ho st":                   "not a URL",
		"https://mail.example.com":                           "must start with",
		"mail.example.com:25":                                "must start with",
		"smtp://":                                            "no host",
		"smtp://u:" + password + "@mail.example.com":         "smtp+starttls://",
		"smtps://u@mail.example.com":                         "both a user name and a password",
		"smtps://u:" + password + "@mail.example.com/x":      "nothing behind",
		"smtps://u:" + password + "@mail.example.com?tls=no": "nothing behind",
		"smtps://mail.example.com:99999":                     "port",
		"smtps://u:" + password + "/x@mail.example.com:99":   "",
	} {
		_, err := mail.ParseServer(raw)
		require.ErrorContains(t, err, words, raw)
		require.NotContains(t, err.Error(), "canary_")
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for _, ok := range []string{"a@b.test", " ada.lovelace+x@example.co.uk ", "x_y-z@sub.example.com"} {
		got, valid := mail.ParseAddress(ok)
		require.True(t, valid, ok)
		require.Equal(t, strings.TrimSpace(ok), got)
	}
	for _, bad := range []string{
		"", "a", "a@", "@b", "a b@c.test", "Ada <a@b.test>", "a@b.test,c@d.test", "a@b.test;c@d.test", `"a b"@c.test`, "a@[127.0.0.1]", "a@b.test\r\nBcc: x@y.test",
		"ä@b.test", "a@bücher.test", strings.Repeat("a", 65) + "@b.test", "a@" + strings.Repeat("b", 260), "a(c)@b.test", "-\x00@b.test",
	} {
		_, valid := mail.ParseAddress(bad)
		require.False(t, valid, "%q", bad)
	}
	_, err := mail.New(mail.Config{Server: mail.Server{Host: "x"}, From: "not an address", Clock: clock.System{}})
	require.ErrorContains(t, err, "must be an address")
}
