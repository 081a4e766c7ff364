package notify

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/names"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/audit"
)

// Bounds of webhooks.
const (
	maxWebhooks = 10
	maxName     = 80
	secretBytes = 32 // the specification wants 24 to 64
)

// Webhook is an address that gets signed messages.
type Webhook struct {
	ID      string
	Name    string
	URL     string
	Events  []Event
	Enabled bool
	// DisabledReason says why the gateway turned it off; empty where a member did.
	DisabledReason string
	// Failures are the tries in a row that failed, the first of them at FailingSince.
	Failures     int
	FailingSince *time.Time
	// PreviousUntil is until when messages are signed with the secret before, too.
	PreviousUntil        *time.Time
	Version              int64
	CreatedAt, UpdatedAt time.Time
}

// WebhookInput is what a member types.
type WebhookInput struct {
	Name, URL string
	Events    []Event
	Enabled   bool
}

func (r webhookRow) webhook() (Webhook, error) {
	events, err := decode[[]Event](r.Events)
	if err != nil {
		return Webhook{}, fmt.Errorf("read events of webhook %s: %w", r.ID, err)
	}
	return Webhook{
		ID: r.ID, Name: r.Name, URL: r.URL, Events: events, Enabled: r.Enabled, DisabledReason: r.DisabledReason, Failures: r.Failures,
		FailingSince: r.FailingSince, PreviousUntil: r.PreviousUntil, Version: r.Version, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}, nil
}

// Webhooks lists the webhooks, by name.
func Webhooks(tx *tenancy.Tx) ([]Webhook, error) {
	var rows []webhookRow
	if err := tx.DB().Order("name, id").Find(&rows).Error; err != nil {
		return nil, fmt.Errorf("list webhooks: %w", err)
	}
	out := make([]Webhook, len(rows))
	for i, row := range rows {
		var err error
		if out[i], err = row.webhook(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// WebhookOf reads a webhook; errs.NotFound.
func WebhookOf(tx *tenancy.Tx, id string) (Webhook, error) {
	row, err := loadWebhook(tx, id)
	if err != nil {
		return Webhook{}, err
	}
	return row.webhook()
}

// checked tidies the input, or says by field what will not do. The address behind the
// name is checked again whenever it is dialled.
func (n *Notify) checked(in WebhookInput) (WebhookInput, error) {
	wrong := map[string]string{}
	in.Name = names.Clean(in.Name)
	if count := utf8.RuneCountInString(in.Name); count < 1 || count > maxName {
		wrong["name"] = fmt.Sprintf("Give it a name of at most %d characters.", maxName)
	}
	if u, err := n.out.CheckURL(in.URL); err != nil {
		wrong["url"] = "This cannot be a webhook's address: " + wordsOf(err) + "."
	} else {
		in.URL = u.String()
	}
	var ok bool
	if in.Events, ok = chosen(in.Events); !ok {
		wrong["events"] = "There is no such event."
	} else if len(in.Events) == 0 {
		wrong["events"] = "Choose at least one event."
	}
	return in, errs.Fields(wrong)
}

// wordsOf says what went wrong on the way out, in words fit to be shown.
func wordsOf(err error) string {
	if out, ok := errors.AsType[*outbound.Error](err); ok {
		return out.Public()
	}
	return "the gateway failed"
}

// CreateWebhook stores a webhook and gives its secret, which is never shown again.
// Errors: errs.Invalid with the fields name, url and events; errs.Conflict where there
// are ten.
func (n *Notify) CreateWebhook(ctx context.Context, h tenancy.Handle, in WebhookInput) (Webhook, secret.Text, error) {
	in, err := n.checked(in)
	if err != nil {
		return Webhook{}, secret.Text{}, err
	}
	made := newSecret()
	var w Webhook
	err = n.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		if err := lock(tx); err != nil {
			return err
		}
		var count int64
		if err := tx.DB().Model(&webhookRow{}).Count(&count).Error; err != nil {
			return err
		}
		if count >= maxWebhooks {
			return errs.E(errs.Conflict, fmt.Sprintf("A workspace can have %d webhooks.", maxWebhooks), nil)
		}
		now := tx.Now()
		row := webhookRow{TenantID: tx.Tenant(), ID: ids.New("whk"), Version: 1, CreatedAt: now, UpdatedAt: now}
		if err := row.take(in); err != nil {
			return err
		}
		if row.Secret, err = tx.Seal("webhooks", "secret", row.ID, []byte(made.Reveal())); err != nil {
			return err
		}
		if err := tx.DB().Create(&row).Error; err != nil {
			return err
		}
		if w, err = row.webhook(); err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "webhook.create", TargetKind: "webhook", TargetID: row.ID, After: row.facts()})
	})
	if err != nil {
		return Webhook{}, secret.Text{}, fmt.Errorf("create webhook: %w", err)
	}
	return w, made, nil
}

// UpdateWebhook changes a webhook. To turn it on clears what was held against it; to turn
// it off gives up what waits for it. Errors: as CreateWebhook's, errs.NotFound, errs.Stale.
func (n *Notify) UpdateWebhook(ctx context.Context, h tenancy.Handle, id string, in WebhookInput, version int64) error {
	in, err := n.checked(in)
	if err != nil {
		return err
	}
	err = n.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadWebhook(tx, id)
		if err != nil {
			return err
		}
		before := row.facts()
		if in.Enabled && (!row.Enabled || row.URL != in.URL) {
			row.DisabledReason, row.Failures, row.FailingSince = "", 0, nil
		}
		if err := row.take(in); err != nil {
			return err
		}
		row.Version, row.UpdatedAt = version+1, tx.Now()
		res := tx.DB().Model(&webhookRow{}).Where("id = ? AND version = ?", id, version).
			Select("name", "url", "events", "enabled", "disabled_reason", "failures", "failing_since", "version", "updated_at").Updates(&row)
		if res.Error != nil {
			return res.Error
		}
		if res.RowsAffected == 0 {
			return errs.E(errs.Stale, "Somebody changed this webhook while you were editing. Look at the current values, then save again.", nil)
		}
		if !in.Enabled {
			if err := giveUp(tx, id, "The webhook was turned off."); err != nil {
				return err
			}
		}
		return audit.Record(tx, audit.Entry{Action: "webhook.update", TargetKind: "webhook", TargetID: id, Before: before, After: row.facts()})
	})
	if err != nil {
		return fmt.Errorf("change webhook: %w", err)
	}
	return nil
}

// RotateSecret gives a webhook a new secret. For a day messages are signed with the one
// before, too; a third one drops the first. Errors: errs.NotFound.
func (n *Notify) RotateSecret(ctx context.Context, h tenancy.Handle, id string) (secret.Text, error) {
	made := newSecret()
	err := n.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		if err := lock(tx); err != nil {
			return err
		}
		row, err := loadWebhook(tx, id)
		if err != nil {
			return err
		}
		current, err := tx.Open("webhooks", "secret", id, row.Secret)
		if err != nil {
			return err
		}
		previous, err := tx.Seal("webhooks", "previous_secret", id, current)
		if err != nil {
			return err
		}
		next, err := tx.Seal("webhooks", "secret", id, []byte(made.Reveal()))
		if err != nil {
			return err
		}
		until := tx.Now().Add(secretOverlap)
		change := map[string]any{"secret": next, "previous_secret": previous, "previous_until": &until, "updated_at": tx.Now()}
		if err := tx.DB().Model(&webhookRow{}).Where("id = ?", id).Updates(change).Error; err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "webhook.rotate_secret", TargetKind: "webhook", TargetID: id})
	})
	if err != nil {
		return secret.Text{}, fmt.Errorf("rotate webhook secret: %w", err)
	}
	return made, nil
}

// RemoveWebhook deletes a webhook and the log of its deliveries. Errors: errs.NotFound.
func (n *Notify) RemoveWebhook(ctx context.Context, h tenancy.Handle, id string) error {
	err := n.db.Write(ctx, h, func(tx *tenancy.Tx) error {
		row, err := loadWebhook(tx, id)
		if err != nil {
			return err
		}
		if err := tx.DB().Where("webhook_id = ?", id).Delete(&deliveryRow{}).Error; err != nil {
			return err
		}
		if err := tx.DB().Where("id = ?", id).Delete(&webhookRow{}).Error; err != nil {
			return err
		}
		return audit.Record(tx, audit.Entry{Action: "webhook.remove", TargetKind: "webhook", TargetID: id, Before: row.facts()})
	})
	if err != nil {
		return fmt.Errorf("remove webhook: %w", err)
	}
	return nil
}

// giveUp fails what waits for a webhook.
func giveUp(tx *tenancy.Tx, webhook, why string) error {
	err := tx.DB().Model(&deliveryRow{}).Where("webhook_id = ? AND state = ?", webhook, statePending).
		Updates(map[string]any{"state": stateFailed, "error": why, "lease_id": "", "lease_until": nil}).Error
	if err != nil {
		return fmt.Errorf("give up deliveries: %w", err)
	}
	return nil
}

func (r *webhookRow) take(in WebhookInput) (err error) {
	r.Name, r.URL, r.Enabled = in.Name, in.URL, in.Enabled
	r.Events, err = encode(in.Events)
	return err
}

// facts are what the audit log keeps: never a secret. The URL's path and query may hold
// one of the receiver's, so its origin alone is kept.
func (r *webhookRow) facts() map[string]any {
	at := ""
	if u, err := url.Parse(r.URL); err == nil {
		at = u.Scheme + "://" + u.Host
	}
	return map[string]any{"name": r.Name, "at": at, "events": r.Events, "enabled": r.Enabled, "disabled_reason": r.DisabledReason}
}

// newSecret is a secret in the form of Standard Webhooks: whsec_ and base64.
func newSecret() secret.Text {
	var b [secretBytes]byte
	_, _ = rand.Read(b[:]) // crypto/rand never fails since Go 1.24
	return secret.New("whsec_" + base64.StdEncoding.EncodeToString(b[:]))
}

// secrets are those that a message is signed with now, the current one first.
func (r *webhookRow) secrets(tx *tenancy.Tx) ([]secret.Text, error) {
	current, err := tx.Open("webhooks", "secret", r.ID, r.Secret)
	if err != nil {
		return nil, fmt.Errorf("open webhook secret: %w", err)
	}
	out := []secret.Text{secret.New(string(current))}
	if r.PreviousUntil == nil || !tx.Now().Before(*r.PreviousUntil) {
		return out, nil
	}
	previous, err := tx.Open("webhooks", "previous_secret", r.ID, r.PreviousSecret)
	if err != nil {
		return nil, fmt.Errorf("open previous webhook secret: %w", err)
	}
	return slices.Concat(out, []secret.Text{secret.New(string(previous))}), nil
}
