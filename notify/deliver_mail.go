package notify

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/emcy/gateway/internal/logx"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy"
)

// maxNamed is how many of those whom an alert is about are named in its mail.
const maxNamed = 20

// deliverMails sends what is due by mail, one after the other over one connection. Once
// the server cannot be reached, the rest of the run does not try it again.
func (n *Notify) deliverMails(ctx, run context.Context, targets []target) error {
	p := &post{sender: n.mail}
	defer p.close()
	var failed []error
	for _, t := range targets {
		if run.Err() != nil {
			break
		}
		// One that cannot be read must not keep the others back.
		if err := n.deliverMail(ctx, p, t); err != nil {
			failed = append(failed, fmt.Errorf("deliver mail: %w", err))
		}
	}
	return errors.Join(failed...)
}

// post is a run's way to the mail server.
type post struct {
	sender  *mail.Sender
	session *mail.Session
	down    error
}

func (p *post) close() {
	if p.session != nil {
		p.session.Close()
		p.session = nil
	}
}

func (p *post) send(ctx context.Context, m mail.Message) error {
	if p.down != nil {
		return p.down
	}
	if p.session == nil {
		if p.session, p.down = p.sender.Open(ctx); p.down != nil {
			p.session = nil
			return p.down
		}
	}
	err := p.session.Send(ctx, m)
	if own, ok := errors.AsType[*mail.Error](err); ok && own.Broken {
		p.close()
	}
	return err
}

func (n *Notify) deliverMail(ctx context.Context, p *post, t target) error {
	h, err := n.db.ForJob(ctx, t.tenant, JobKind)
	if err != nil {
		return err
	}
	var l lease
	var rows []deliveryRow
	err = n.db.Write(ctx, h, func(tx *tenancy.Tx) (err error) {
		l, rows, err = take(tx, t, "", true)
		return err
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	m, ok, err := n.compose(ctx, h, rows)
	if err != nil {
		return err
	}
	o := outcome{final: true, words: "No address of this person is known."}
	if ok {
		o = n.post(ctx, p, m)
	}
	return n.settled(ctx, h, func(tx *tenancy.Tx) error { return l.settle(tx, rows, o) })
}

func (n *Notify) post(ctx context.Context, p *post, m mail.Message) outcome {
	err := p.send(ctx, m)
	if err == nil {
		return outcome{sent: true}
	}
	n.log.WarnContext(ctx, "a mail was not sent", "message", m.ID, logx.Err, err)
	if own, ok := errors.AsType[*mail.Error](err); ok {
		return outcome{final: own.Permanent, words: own.Public()}
	}
	return outcome{words: "The mail could not be sent."}
}

// compose makes the one mail that deliveries of one target are sent by; false where the
// recipient has no address.
func (n *Notify) compose(ctx context.Context, h tenancy.Handle, rows []deliveryRow) (mail.Message, bool, error) {
	named := rows[:min(len(rows), maxNamed)]
	var notes []notificationRow
	err := n.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		wanted := make([]string, len(named))
		for i, row := range named {
			wanted[i] = row.NotificationID
		}
		return tx.DB().Where("id IN ?", wanted).Order("created_at, id").Find(&notes).Error
	})
	if err != nil {
		return mail.Message{}, false, fmt.Errorf("read notifications: %w", err)
	}
	to := rows[0].Recipient
	subjects := []string{}
	if !strings.Contains(to, "@") {
		subjects = append(subjects, to)
	}
	if rows[0].Channel == channelAlert {
		for _, note := range notes {
			if note.Subject != "" {
				subjects = append(subjects, note.Subject)
			}
		}
	}
	people, err := n.directory.People(ctx, h, subjects)
	if err != nil {
		return mail.Message{}, false, fmt.Errorf("read people: %w", err)
	}
	if !strings.Contains(to, "@") {
		to = people[to].Email
	}
	to, ok := mail.ParseAddress(to)
	if !ok {
		return mail.Message{}, false, nil
	}
	m, err := n.write(ctx, h, rows[0].Channel, notes, len(rows), people)
	m.ID, m.To = rows[0].ID, to
	return m, true, err
}

func (n *Notify) write(ctx context.Context, h tenancy.Handle, channel string, notes []notificationRow, count int, people map[string]Person) (mail.Message, error) {
	events := make([]happened, len(notes))
	for i, note := range notes {
		data, err := decode[map[string]string](note.Payload)
		if err != nil {
			return mail.Message{}, fmt.Errorf("read notification %s: %w", note.ID, err)
		}
		events[i] = happened{event: Event(note.Event), subject: note.Subject, data: data}
	}
	if channel == channelAlert {
		return alertLetter(n.console, h, events, count, people).message(n.console + "/" + h.Slug() + "/alerts")
	}
	origin, err := n.directory.Origin(ctx, h)
	if err != nil {
		return mail.Message{}, fmt.Errorf("read origin: %w", err)
	}
	return userLetter(origin, h, events).message("")
}
