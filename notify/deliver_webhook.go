package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
)

const (
	// disableAfter is how long a webhook may refuse everything.
	disableAfter = 72 * time.Hour
	// maxPause bounds how long what waits for a failing webhook is kept back, so that it
	// arrives soon after the receiver is well again.
	maxPause = time.Hour
	// maxAsked bounds the wait that a receiver can ask for.
	maxAsked = 24 * time.Hour
)

// envelope is a message as it leaves.
type envelope struct {
	id, url string
	body    []byte
	secrets []secret.Text
}

// body is a message's JSON, as Standard Webhooks has it.
type body struct {
	Type      Event             `json:"type"`
	Timestamp time.Time         `json:"timestamp"`
	Data      map[string]string `json:"data"`
}

// deliverHook sends what is due to one webhook, and stops at the first that fails.
func (n *Notify) deliverHook(ctx, run context.Context, t target) error {
	h, err := n.db.ForJob(ctx, t.tenant, JobKind)
	if err != nil {
		return fmt.Errorf("deliver to webhook: %w", err)
	}
	for sent := 0; sent < perHookAndRun && run.Err() == nil; sent++ {
		o, found, err := n.deliverOne(ctx, h, t, "")
		if err != nil {
			return fmt.Errorf("deliver to webhook: %w", err)
		}
		if !found || !o.sent {
			break
		}
	}
	return nil
}

// deliverOne sends one delivery: the first that is due, or the named one, which a member
// asked for and which is therefore tried once. found is false where there is none, or
// another process has it.
func (n *Notify) deliverOne(ctx context.Context, h tenancy.Handle, t target, delivery string) (o outcome, found bool, err error) {
	var l lease
	var rows []deliveryRow
	var e envelope
	err = n.db.Write(ctx, h, func(tx *tenancy.Tx) (err error) {
		if l, rows, err = take(tx, t, delivery, false); err != nil || len(rows) == 0 {
			return err
		}
		e, err = seal(tx, rows[0])
		return err
	})
	if err != nil || len(rows) == 0 {
		return outcome{}, false, err
	}
	o = n.send(ctx, e)
	o.final = delivery != ""
	return o, true, n.settled(ctx, h, func(tx *tenancy.Tx) error { return n.settleHook(tx, l, rows[0], o) })
}

// seal puts a message together. It does not depend on when it is sent.
func seal(tx *tenancy.Tx, d deliveryRow) (envelope, error) {
	row, err := loadWebhook(tx, d.WebhookID)
	if err != nil {
		return envelope{}, err
	}
	note, err := loadNotification(tx, d.NotificationID)
	if err != nil {
		return envelope{}, err
	}
	data, err := decode[map[string]string](note.Payload)
	if err != nil {
		return envelope{}, fmt.Errorf("read notification %s: %w", note.ID, err)
	}
	data["workspace"] = tx.Handle().Slug()
	text, err := encode(body{Type: Event(note.Event), Timestamp: note.CreatedAt.UTC(), Data: data})
	if err != nil {
		return envelope{}, err
	}
	secrets, err := row.secrets(tx)
	return envelope{id: note.ID, url: row.URL, body: []byte(text), secrets: secrets}, err
}

// send makes one request. A receiver takes a message with any 2xx; a redirect is not
// followed. Of the answer nothing but the status is kept.
func (n *Notify) send(ctx context.Context, e envelope) outcome {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(e.body))
	if err != nil {
		return outcome{words: "This is not a URL."}
	}
	at := n.db.Clock().Now()
	signatures := make([]string, len(e.secrets))
	for i, s := range e.secrets {
		signer, err := standardwebhooks.NewWebhook(s.Reveal())
		if err != nil {
			return outcome{words: "The message could not be signed."}
		}
		if signatures[i], err = signer.Sign(e.id, at, e.body); err != nil {
			return outcome{words: "The message could not be signed."}
		}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(standardwebhooks.HeaderWebhookID, e.id)
	req.Header.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	res, err := n.out.Do(req)
	if err != nil {
		o := outcome{words: "Not delivered: " + wordsOf(err) + "."}
		if own, ok := errors.AsType[*outbound.Error](err); ok {
			o.status = own.Status
		}
		return o
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10)) // the status has said it; the rest is only so that the peer can end well
	_ = res.Body.Close()
	o := outcome{status: res.StatusCode, sent: res.StatusCode >= 200 && res.StatusCode < 300}
	if !o.sent {
		o.words = "The receiver answered " + strconv.Itoa(res.StatusCode) + "."
		o.after = askedWait(res.Header.Get("Retry-After"), at)
	}
	return o
}

// askedWait reads Retry-After (RFC 9110, section 10.2.3).
func askedWait(value string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(value); err == nil {
		return min(max(time.Duration(min(seconds, int(maxAsked/time.Second)))*time.Second, 0), maxAsked)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), maxAsked)
	}
	return 0
}

// settleHook writes an outcome down for the delivery and for the webhook.
func (n *Notify) settleHook(tx *tenancy.Tx, l lease, d deliveryRow, o outcome) error {
	if err := lock(tx); err != nil {
		return err
	}
	row, err := loadWebhook(tx, d.WebhookID)
	if errs.Is(err, errs.NotFound) {
		return nil // it was removed meanwhile, and the delivery with it
	}
	if err != nil {
		return err
	}
	if o.sent || o.final || !row.Enabled {
		if o.sent && row.Failures > 0 {
			err = change(tx, row.ID, map[string]any{"failures": 0, "failing_since": nil})
		}
		return errors.Join(err, l.settle(tx, []deliveryRow{d}, o))
	}
	now := tx.Now()
	row.Failures++
	if row.FailingSince == nil {
		row.FailingSince = &now
	}
	if err := change(tx, row.ID, map[string]any{"failures": row.Failures, "failing_since": row.FailingSince}); err != nil {
		return err
	}
	o.after = max(o.after, min(wait(row.Failures), maxPause))
	if err := l.settle(tx, []deliveryRow{d}, o); err != nil {
		return err
	}
	switch {
	case o.status == http.StatusGone:
		return n.disable(tx, row, "The receiver answered 410 Gone: it wants no more messages.")
	case now.Sub(*row.FailingSince) >= disableAfter:
		return n.disable(tx, row, "Every message of the last three days was refused. The last try: "+o.words)
	}
	// What else is due waits, too: the receiver would refuse it likewise.
	if err := free(tx, target{key: d.Target}).Where("next_at <= ?", now).Update("next_at", now.Add(o.after)).Error; err != nil {
		return fmt.Errorf("keep deliveries back: %w", err)
	}
	return nil
}

// disable turns a webhook off and tells the workspace.
func (n *Notify) disable(tx *tenancy.Tx, row webhookRow, why string) error {
	if err := change(tx, row.ID, map[string]any{"enabled": false, "disabled_reason": why, "version": row.Version + 1, "updated_at": tx.Now()}); err != nil {
		return err
	}
	if err := giveUp(tx, row.ID, "The webhook was turned off: "+why); err != nil {
		return err
	}
	return n.Record(tx, Notification{
		Event: WebhookDisabled, GroupKey: row.ID, Data: map[string]string{"webhook": row.ID, "webhook_name": row.Name, "reason_text": why},
	})
}

func change(tx *tenancy.Tx, webhook string, values map[string]any) error {
	if err := tx.DB().Model(&webhookRow{}).Where("id = ?", webhook).Updates(values).Error; err != nil {
		return fmt.Errorf("change webhook: %w", err)
	}
	return nil
}
