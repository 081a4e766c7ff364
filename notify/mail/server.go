package mail

import (
	"errors"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"

	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/internal/secret"
)

// TLS says how the connection to the server is protected.
type TLS string

// The ways.
const (
	Plain    TLS = "smtp"          // no TLS, for a relay on the same machine or network; port 25
	StartTLS TLS = "smtp+starttls" // STARTTLS, and nothing without it (RFC 3207); port 587
	Implicit TLS = "smtps"         // TLS from the first byte (RFC 8314, section 3.3); port 465
)

var ports = map[TLS]int{Plain: 25, StartTLS: 587, Implicit: 465}

// Server is where mail is handed in.
type Server struct {
	Host     string
	Port     int
	TLS      TLS
	User     string
	Password secret.Text
}

// Address is host and port.
func (s Server) Address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.Port)) }

// ParseServer reads smtp://, smtp+starttls:// or smtps://[user:password@]host[:port].
// Its errors never hold the URL, which may hold a password.
func ParseServer(raw string) (Server, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Server{}, errors.New("it is not a URL; percent-encode special characters of the user name and the password")
	}
	s := Server{Host: u.Hostname(), TLS: TLS(u.Scheme)}
	port, known := ports[s.TLS]
	switch {
	case !known:
		return Server{}, errors.New("it must start with smtp://, smtp+starttls:// or smtps://")
	case s.Host == "" || strings.ContainsFunc(s.Host, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return Server{}, errors.New("it names no host")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return Server{}, errors.New("it must be scheme, user, host and port, nothing behind them")
	}
	s.Port = port
	if p := u.Port(); p != "" {
		if s.Port, err = strconv.Atoi(p); err != nil || s.Port < 1 || s.Port > 65535 {
			return Server{}, errors.New("its port is not valid")
		}
	}
	if u.User != nil {
		password, _ := u.User.Password()
		s.User, s.Password = u.User.Username(), secret.New(password)
		if s.User == "" || password == "" {
			return Server{}, errors.New("it needs both a user name and a password, or neither")
		}
		if s.TLS == Plain && !loopback(s.Host) {
			return Server{}, errors.New("a password over smtp:// could be read on its way; use smtp+starttls:// or smtps://")
		}
	}
	return s, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// maxAddress is the longest address (RFC 5321, section 4.5.3.1.3, without the brackets).
const maxAddress = 254

// ParseAddress reads one address alone, user@host, and gives it as it was typed. Names,
// groups, comments, quoted local parts and addresses outside ASCII are refused.
func ParseAddress(raw string) (string, bool) {
	raw = strings.TrimSpace(raw)
	parsed, err := mail.ParseAddress(raw)
	if err != nil || parsed.Address != raw || parsed.Name != "" || len(raw) > maxAddress {
		return "", false
	}
	local, domain, _ := strings.Cut(raw, "@")
	if local == "" || len(local) > 64 || domain == "" || strings.ContainsAny(raw, "\"[]<>(),;:\\ ") {
		return "", false
	}
	return raw, !strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// ParseFrom reads the sender: user@host, or Name <user@host>.
func ParseFrom(raw string) (name, address string, err error) {
	parsed, err := mail.ParseAddress(raw)
	if err != nil {
		return "", "", errors.New("it must be an address, such as alerts@example.com or Acme Gateway <alerts@example.com>")
	}
	address, ok := ParseAddress(parsed.Address)
	if !ok {
		return "", "", errors.New("its address has characters that mail servers refuse")
	}
	return names.Clean(parsed.Name), address, nil
}
