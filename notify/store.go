package notify

import (
	"encoding/json"
	"fmt"
	"time"

	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// How somebody is told.
const (
	channelAlert   = "alert"   // mail to a recipient of alerts
	channelUser    = "user"    // mail to a user whom it concerns
	channelWebhook = "webhook" // a message to a webhook
)

// States of a delivery.
const (
	statePending = "pending"
	stateSent    = "sent"
	stateFailed  = "failed"
)

type settingsRow struct {
	TenantID   string
	Recipients string
	Events     string
	TellUsers  bool
	TellOwners bool
	Version    int64
	UpdatedAt  time.Time
}

func (settingsRow) TableName() string { return "alert_settings" }

type webhookRow struct {
	TenantID       string
	ID             string
	Name           string
	URL            string
	Secret         []byte
	PreviousSecret []byte
	PreviousUntil  *time.Time
	Events         string
	Enabled        bool
	DisabledReason string
	Failures       int
	FailingSince   *time.Time
	Version        int64
	CreatedAt      time.Time
	UpdatedAt      time.Time
}

func (webhookRow) TableName() string { return "webhooks" }

type notificationRow struct {
	TenantID  string
	ID        string
	Event     string
	Subject   string
	GroupKey  string
	Payload   string
	CreatedAt time.Time
}

func (notificationRow) TableName() string { return "notifications" }

type deliveryRow struct {
	TenantID       string
	ID             string
	NotificationID string
	Channel        string
	WebhookID      string
	// Recipient is an address, or the id of an account or an end user.
	Recipient string
	// Target is what goes out together: a webhook, a person, or an alert's recipient, event and group.
	Target     string
	State      string
	Attempts   int
	Status     int
	Error      string
	NextAt     time.Time
	LeaseID    string
	LeaseUntil *time.Time
	CreatedAt  time.Time
	SentAt     *time.Time
}

func (deliveryRow) TableName() string { return "deliveries" }

// ownerRow is a member who owns the workspace.
type ownerRow struct {
	TenantID  string
	AccountID string
	Role      string
}

func (ownerRow) TableName() string { return "members" }

// tenantRow is as much of a tenant as its lock needs.
type tenantRow struct{ ID string }

func (tenantRow) TableName() string { return "tenants" }

// lock keeps other transactions of the tenant's that lock from passing until this one ends.
func lock(tx *tenancy.Tx) error {
	var row tenantRow
	return tx.DB().Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", tx.Tenant()).First(&row).Error
}

func loadWebhook(tx *tenancy.Tx, id string) (webhookRow, error) {
	var rows []webhookRow
	if err := tx.DB().Where("id = ?", id).Limit(1).Find(&rows).Error; err != nil {
		return webhookRow{}, fmt.Errorf("read webhook: %w", err)
	}
	if len(rows) == 0 {
		return webhookRow{}, errs.E(errs.NotFound, "There is no such webhook.", nil)
	}
	return rows[0], nil
}

func loadNotification(tx *tenancy.Tx, id string) (notificationRow, error) {
	var rows []notificationRow
	if err := tx.DB().Where("id = ?", id).Limit(1).Find(&rows).Error; err != nil {
		return notificationRow{}, fmt.Errorf("read notification: %w", err)
	}
	if len(rows) == 0 {
		return notificationRow{}, errs.E(errs.NotFound, "There is no such alert.", nil)
	}
	return rows[0], nil
}

func encode(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return string(text), nil
}

func decode[T any](text string) (value T, err error) {
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return value, fmt.Errorf("decode: %w", err)
	}
	return value, nil
}
