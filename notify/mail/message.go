package mail

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/wneessen/go-mail"

	"github.com/emcy/gateway/internal/names"
)

// Message is one mail to one person.
type Message struct {
	// ID makes the Message-ID, so that a message which is sent twice can be told to be one.
	ID string
	// To is an address as ParseAddress gives it.
	To string
	// Subject may hold anything: it is cleaned and cut.
	Subject string
	// Text and HTML say the same.
	Text, HTML string
	// Settings is the page where the recipient can end such mail; empty for none.
	Settings string
}

// maxSubject is how many characters of a subject are sent.
const maxSubject = 150

// Send hands a message over. Errors are *Error.
func (s *Session) Send(_ context.Context, m Message) error {
	msg, err := s.sender.build(m)
	if err != nil {
		return &Error{Permanent: true, words: "This cannot be the recipient of a mail.", cause: err}
	}
	if err := s.client.Send(msg); err != nil && !msg.IsDelivered() {
		return classifySend(err)
	}
	return nil
}

func (s *Sender) build(m Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.FromFormat(s.name, s.from); err != nil {
		return nil, err
	}
	if err := msg.To(m.To); err != nil {
		return nil, err
	}
	msg.Subject(Line(m.Subject, maxSubject))
	msg.SetMessageIDWithValue(m.ID + "@" + domainOf(s.from))
	msg.SetDateWithValue(s.cfg.Clock.Now())
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834, section 5: nobody's out-of-office answers it
	if m.Settings != "" {
		msg.SetGenHeaderPreformatted("List-Unsubscribe", "<"+Line(m.Settings, 900)+">") // RFC 2369, section 3.2
	}
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	return msg, nil
}

// Line makes one line of a text, without characters that cannot be seen, of at most
// limit characters.
func Line(text string, limit int) string {
	text = names.Clean(text)
	if utf8.RuneCountInString(text) > limit {
		text = strings.TrimSpace(string([]rune(text)[:limit-1])) + "…"
	}
	return text
}

func domainOf(address string) string {
	_, domain, _ := strings.Cut(address, "@")
	return domain
}
