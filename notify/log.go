package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// State says how far a delivery is.
type State string

// The states.
const (
	Pending State = statePending
	Sent    State = stateSent
	Failed  State = stateFailed
)

// Channel says how somebody is told.
type Channel string

// The channels.
const (
	ToAlerts  Channel = channelAlert
	ToUser    Channel = channelUser
	ToWebhook Channel = channelWebhook
)

// Delivery is one telling of somebody.
type Delivery struct {
	ID      string
	AlertID string
	Channel Channel
	// WebhookID is the webhook's; Recipient is an address, or a person's id.
	WebhookID, Recipient string
	State                State
	Attempts             int
	// Status is the last answer's; 0 where there was none.
	Status int
	// Error says in words why the last try failed.
	Error             string
	NextAt, CreatedAt time.Time
	SentAt            *time.Time
	// Event is what it tells of.
	Event Event
}

// Alert is what happened, and who is told.
type Alert struct {
	ID        string
	Event     Event
	Subject   string
	Data      map[string]string
	CreatedAt time.Time
	// Deliveries are there in AlertOf only.
	Deliveries []Delivery
	// Sent, Waiting and Failed count them.
	Sent, Waiting, Failed int
}

func (r notificationRow) alert() (Alert, error) {
	data, err := decode[map[string]string](r.Payload)
	if err != nil {
		return Alert{}, fmt.Errorf("read notification %s: %w", r.ID, err)
	}
	return Alert{ID: r.ID, Event: Event(r.Event), Subject: r.Subject, Data: data, CreatedAt: r.CreatedAt}, nil
}

func (r deliveryRow) delivery(e Event) Delivery {
	return Delivery{
		ID: r.ID, AlertID: r.NotificationID, Channel: Channel(r.Channel), WebhookID: r.WebhookID, Recipient: r.Recipient, State: State(r.State),
		Attempts: r.Attempts, Status: r.Status, Error: r.Error, NextAt: r.NextAt, CreatedAt: r.CreatedAt, SentAt: r.SentAt, Event: e,
	}
}

func (a *Alert) count(state string, n int) {
	switch State(state) {
	case Sent:
		a.Sent += n
	case Failed:
		a.Failed += n
	case Pending:
		a.Waiting += n
	}
}

// Alerts lists the newest alerts, at most limit; before narrows to those before the alert
// of that id, and is empty for the first page.
func Alerts(tx *tenancy.Tx, before string, limit int) ([]Alert, error) {
	q := tx.DB().Where("event <> ?", string(webhookTest)).Order("id DESC").Limit(limit)
	if before != "" {
		q = q.Where("id < ?", before)
	}
	var rows []notificationRow
	if err := q.Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list alerts: %w", err)
	}
	out, wanted, at := make([]Alert, len(rows)), make([]string, len(rows)), map[string]int{}
	for i, row := range rows {
		var err error
		if out[i], err = row.alert(); err != nil {
			return nil, err
		}
		wanted[i], at[row.ID] = row.ID, i
	}
	var counts []struct {
		NotificationID, State string
		N                     int
	}
	err := tx.DB().Model(&deliveryRow{}).Select("notification_id, state, count(*) AS n").Where("notification_id IN ?", wanted).
		Group("notification_id, state").Find(&counts).Error
	if err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	for _, c := range counts {
		out[at[c.NotificationID]].count(c.State, c.N)
	}
	return out, nil
}

// AlertOf reads one alert with its first deliveries, at most limit; errs.NotFound.
func AlertOf(tx *tenancy.Tx, id string, limit int) (Alert, error) {
	row, err := loadNotification(tx, id)
	if err != nil {
		return Alert{}, err
	}
	a, err := row.alert()
	if err != nil {
		return Alert{}, err
	}
	var rows []deliveryRow
	if err := tx.DB().Where("notification_id = ?", id).Order("id").Limit(limit).Find(&rows).Error; err != nil {
		return Alert{}, fmt.Errorf("list deliveries: %w", err)
	}
	for _, d := range rows {
		a.Deliveries = append(a.Deliveries, d.delivery(a.Event))
		a.count(d.State, 1)
	}
	return a, nil
}

// WebhookLog lists the newest deliveries of a webhook, at most limit.
func WebhookLog(tx *tenancy.Tx, webhook string, limit int) ([]Delivery, error) {
	var rows []deliveryRow
	if err := tx.DB().Where("webhook_id = ?", webhook).Order("created_at DESC, id DESC").Limit(limit).Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list deliveries of a webhook: %w", err)
	}
	wanted := make([]string, len(rows))
	for i, row := range rows {
		wanted[i] = row.NotificationID
	}
	var notes []notificationRow
	if err := tx.DB().Where("id IN ?", wanted).Find(&notes).Error; err != nil {
		return nil, fmt.Errorf("list notifications of a webhook: %w", err)
	}
	events := map[string]Event{}
	for _, note := range notes {
		events[note.ID] = Event(note.Event)
	}
	out := make([]Delivery, len(rows))
	for i, row := range rows {
		out[i] = row.delivery(events[row.NotificationID])
	}
	return out, nil
}

// MailWaiting counts the mails that wait, for the page that says that mail is off.
func MailWaiting(tx *tenancy.Tx) (int64, error) {
	var n int64
	err := tx.DB().Model(&deliveryRow{}).Where("state = ? AND channel IN ?", statePending, []string{channelAlert, channelUser}).
		Distinct("target").Count(&n).Error
	if err != nil {
		return 0, fmt.Errorf("count waiting mail: %w", err)
	}
	return n, nil
}

// Tried says what came of a message that a member sent by hand.
type Tried struct {
	Sent   bool
	Status int
	Error  string
}

// SendTest sends a test to a webhook now, also where it is turned off. Errors:
// errs.NotFound.
func (n *Notify) SendTest(ctx context.Context, h tenancy.Handle, webhook string) (Tried, error) {
	var d deliveryRow
	err := n.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		w, err := loadWebhook(tx, webhook)
		if err != nil {
			return err
		}
		note, err := newNotification(tx, Notification{Event: webhookTest, GroupKey: w.ID, Data: map[string]string{"webhook": w.ID, "webhook_name": w.Name}})
		if err != nil {
			return err
		}
		if err := tx.DB().Create(&note).Error; err != nil {
			return err
		}
		d = byHand(tx, note.ID, w.ID)
		return insert(tx, []deliveryRow{d})
	})
	if err != nil {
		return Tried{}, fmt.Errorf("send test: %w", err)
	}
	return n.try(ctx, h, d)
}

// Resend sends a delivery's message to its webhook once more, now, under the same
// message id. Errors: errs.NotFound.
func (n *Notify) Resend(ctx context.Context, h tenancy.Handle, webhook, delivery string) (Tried, error) {
	var d deliveryRow
	err := n.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		var rows []deliveryRow
		if err := tx.DB().Where("id = ? AND webhook_id = ?", delivery, webhook).Limit(1).Find(&rows).Error; err != nil {
			return err
		}
		if len(rows) == 0 {
			return errs.E(errs.NotFound, "There is no such delivery.", nil)
		}
		d = byHand(tx, rows[0].NotificationID, webhook)
		if err := insert(tx, []deliveryRow{d}); err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "webhook.resend", TargetKind: "webhook", TargetID: webhook, After: map[string]string{"message": rows[0].NotificationID}})
	})
	if err != nil {
		return Tried{}, fmt.Errorf("send again: %w", err)
	}
	return n.try(ctx, h, d)
}

// byHand is a delivery that a member waits for. The queue leaves it alone, unless this
// process dies before it is sent.
func byHand(tx *tenancy.Tx, note, webhook string) deliveryRow {
	d := newWebhookDelivery(tx, note, webhook)
	d.NextAt = d.NextAt.Add(leaseFor)
	return d
}

// try sends a delivery that a member is waiting for. It is tried once: they see what came
// of it, and can press the button again.
func (n *Notify) try(ctx context.Context, h tenancy.Handle, d deliveryRow) (Tried, error) {
	o, found, err := n.deliverOne(ctx, h, target{tenant: h.Tenant(), key: d.Target, webhook: d.WebhookID}, d.ID)
	if err != nil {
		return Tried{}, fmt.Errorf("send by hand: %w", err)
	}
	if !found {
		return Tried{Error: "It is being sent at this moment."}, nil
	}
	return Tried{Sent: o.sent, Status: o.status, Error: o.words}, nil
}

// Preview is the mail that an alert is sent by, as text; for the console.
func (n *Notify) Preview(ctx context.Context, h tenancy.Handle, a Alert) (subject, text string, err error) {
	var note notificationRow
	var users int64
	err = n.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		if note, err = loadNotification(tx, a.ID); err != nil {
			return err
		}
		return tx.DB().Model(&deliveryRow{}).Where("notification_id = ? AND channel = ?", a.ID, channelUser).Count(&users).Error
	})
	if err != nil {
		return "", "", fmt.Errorf("read notification: %w", err)
	}
	channel := channelAlert
	if !a.Event.public() && users > 0 {
		channel = channelUser
	}
	people := map[string]Person{}
	if note.Subject != "" {
		if people, err = n.directory.People(ctx, h, []string{note.Subject}); err != nil {
			return "", "", fmt.Errorf("read people: %w", err)
		}
	}
	m, err := n.write(ctx, h, channel, []notificationRow{note}, 1, people)
	return m.Subject, m.Text, err
}

// Sweep deletes what is old, gives up mail that nobody could send, and forgets replaced
// secrets, in all tenants.
func (n *Notify) Sweep(ctx context.Context) error {
	err := n.db.System(ctx, tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
		now := tx.Now()
		if err := tx.DB().Where("created_at < ?", now.Add(-keepFor)).Delete(&notificationRow{}).Error; err != nil {
			return err
		}
		forget := tx.DB().Model(&webhookRow{}).Where("previous_until < ?", now).Updates(map[string]any{"previous_secret": nil, "previous_until": nil})
		if n.mail != nil {
			return forget.Error
		}
		unsent := tx.DB().Model(&deliveryRow{}).Where("channel IN ? AND state = ? AND created_at < ?", []string{channelAlert, channelUser}, statePending, now.Add(-mailWaits)).
			Updates(map[string]any{"state": stateFailed, "error": "No mail server is set for this installation (EMCY_SMTP_URL)."})
		return errors.Join(forget.Error, unsent.Error)
	})
	if err != nil {
		return fmt.Errorf("sweep alerts: %w", err)
	}
	return nil
}
