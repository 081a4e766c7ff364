package notify

import (
	"fmt"
	"slices"
	"time"

	"github.com/emcy/gateway/authz"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Notification is what happened.
type Notification struct {
	Event Event
	// Subject is whom it happened to: a user's id, or empty.
	Subject string
	// GroupKey is what alerts are collected by beside the event: a profile's id, or empty.
	GroupKey string
	// Data are texts by the names that the event's Kind lists. Other names are dropped, so
	// that nothing gets out which was never meant to.
	Data map[string]string
	// Users are those to be told by mail, where the workspace tells users.
	Users []string
}

// maxDatum is how many characters of a text are kept.
const maxDatum = 500

// insertAtOnce bounds the rows of one statement.
const insertAtOnce = 200

// Record stores a notification, and for each who is to be told a delivery, in the
// transaction of the change that it is about. Nothing is sent here.
func (n *Notify) Record(tx *tenancy.Tx, x Notification) error {
	set, err := settingsOf(tx)
	if err != nil {
		return err
	}
	note, err := newNotification(tx, x)
	if err != nil {
		return err
	}
	if err := tx.DB().Create(&note).Error; err != nil {
		return fmt.Errorf("record notification: %w", err)
	}
	rows, err := n.deliveries(tx, set, note)
	if err != nil {
		return err
	}
	if set.TellUsers {
		rows = append(rows, userDeliveries(tx, note, x.Users)...)
	}
	return insert(tx, rows)
}

func newNotification(tx *tenancy.Tx, x Notification) (notificationRow, error) {
	kind, known := KindOf(x.Event)
	if !known {
		return notificationRow{}, fmt.Errorf("record notification: no event %q", x.Event)
	}
	data := map[string]string{}
	for _, d := range kind.Data {
		if value := mail.Line(x.Data[d.Name], maxDatum); value != "" {
			data[d.Name] = value
		}
	}
	payload, err := encode(data)
	if err != nil {
		return notificationRow{}, err
	}
	now := tx.Now()
	return notificationRow{
		TenantID: tx.Tenant(), ID: ids.NewAt("ntf", now), Event: string(x.Event), Subject: x.Subject, GroupKey: x.GroupKey, Payload: payload, CreatedAt: now,
	}, nil
}

// deliveries are those to webhooks and to recipients of alerts.
func (n *Notify) deliveries(tx *tenancy.Tx, set Settings, note notificationRow) ([]deliveryRow, error) {
	event := Event(note.Event)
	if !event.public() {
		return nil, nil
	}
	hooks, err := Webhooks(tx)
	if err != nil {
		return nil, err
	}
	var rows []deliveryRow
	for _, w := range hooks {
		// That a webhook was turned off is told to the others.
		if w.Enabled && slices.Contains(w.Events, event) {
			rows = append(rows, newWebhookDelivery(tx, note.ID, w.ID))
		}
	}
	if !slices.Contains(set.Events, event) {
		return rows, nil
	}
	recipients := slices.Clone(set.Recipients)
	if set.TellOwners {
		var owners []ownerRow
		if err := tx.DB().Where("role = ?", string(authz.Owner)).Order("account_id").Find(&owners).Error; err != nil {
			return nil, fmt.Errorf("read owners: %w", err)
		}
		for _, o := range owners {
			recipients = append(recipients, o.AccountID)
		}
	}
	for _, to := range recipients {
		d := newDelivery(tx, channelAlert, note.ID, AlertWindow)
		d.Recipient, d.Target = to, "alert|"+to+"|"+note.Event+"|"+note.GroupKey
		rows = append(rows, d)
	}
	return rows, nil
}

func userDeliveries(tx *tenancy.Tx, note notificationRow, users []string) []deliveryRow {
	var rows []deliveryRow
	for _, subject := range slices.Compact(slices.Sorted(slices.Values(users))) {
		d := newDelivery(tx, channelUser, note.ID, userWindow)
		d.Recipient, d.Target = subject, "user|"+subject
		rows = append(rows, d)
	}
	return rows
}

func newWebhookDelivery(tx *tenancy.Tx, note, webhook string) deliveryRow {
	d := newDelivery(tx, channelWebhook, note, 0)
	d.WebhookID, d.Target = webhook, "webhook|"+webhook
	return d
}

func newDelivery(tx *tenancy.Tx, channel, note string, wait time.Duration) deliveryRow {
	now := tx.Now()
	return deliveryRow{
		TenantID: tx.Tenant(), ID: ids.NewAt("dlv", now), NotificationID: note, Channel: channel, State: statePending, NextAt: now.Add(wait), CreatedAt: now,
	}
}

func insert(tx *tenancy.Tx, rows []deliveryRow) error {
	for chunk := range slices.Chunk(rows, insertAtOnce) {
		if err := tx.DB().Create(&chunk).Error; err != nil {
			return fmt.Errorf("record deliveries: %w", err)
		}
	}
	return nil
}

// Profile names a profile in words for users.
type Profile struct{ ID, Name string }

// Asked says what came of asking users.
type Asked struct {
	// Asked are those who get a mail; Skipped were told within the last hour.
	Asked, Skipped []string
}

// AskReconnect asks users by mail to connect a profile again, each at most once an hour,
// counting every mail that they got of any profile. It is for a member's decision, so it
// also holds where users are not told of a grant's end by themselves.
func (n *Notify) AskReconnect(tx *tenancy.Tx, subjects []string, p Profile) (Asked, error) {
	// Two members who ask at once would both find that nobody was asked yet.
	if err := lock(tx); err != nil {
		return Asked{}, err
	}
	subjects = slices.Compact(slices.Sorted(slices.Values(subjects)))
	told := map[string]bool{}
	for chunk := range slices.Chunk(subjects, insertAtOnce) {
		var recently []string
		err := tx.DB().Model(&deliveryRow{}).Where("channel = ? AND recipient IN ? AND created_at > ?", channelUser, chunk, tx.Now().Add(-askEvery)).
			Distinct().Pluck("recipient", &recently).Error
		if err != nil {
			return Asked{}, fmt.Errorf("read who was told: %w", err)
		}
		for _, subject := range recently {
			told[subject] = true
		}
	}
	var out Asked
	for _, subject := range subjects {
		if told[subject] {
			out.Skipped = append(out.Skipped, subject)
			continue
		}
		out.Asked = append(out.Asked, subject)
	}
	if len(out.Asked) == 0 {
		return out, nil
	}
	note, err := newNotification(tx, Notification{Event: reconnectAsked, GroupKey: p.ID, Data: map[string]string{"profile": p.ID, "profile_name": p.Name}})
	if err != nil {
		return Asked{}, err
	}
	if err := tx.DB().Create(&note).Error; err != nil {
		return Asked{}, fmt.Errorf("record notification: %w", err)
	}
	if err := insert(tx, userDeliveries(tx, note, out.Asked)); err != nil {
		return Asked{}, err
	}
	return out, audit.Record(tx, audit.Entry{
		Action: "grants.ask_reconnect", TargetKind: "profile", TargetID: p.ID, After: map[string]int{"asked": len(out.Asked), "skipped": len(out.Skipped)},
	})
}
