package notify

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/notify/mail"
	"github.com/emcy/gateway/tenancy"
)

// Times of sending. A message ends before its lease does, and a run, with the messages
// it has begun, before the queue gives up on its job (a minute).
const (
	// AlertWindow is how long alerts of one kind and profile are collected into one mail.
	AlertWindow = 5 * time.Minute
	// userWindow is how long a user's accounts are collected into one mail.
	userWindow = time.Minute
	// askEvery is how often a user can be asked to connect again.
	askEvery = time.Hour

	webhookTimeout = 10 * time.Second
	leaseFor       = time.Minute
	runFor         = 20 * time.Second
	settleFor      = 5 * time.Second

	// keepFor is how long alerts and their deliveries stay to be looked at.
	keepFor = 90 * 24 * time.Hour
	// mailWaits is how long mail waits for a mail server to be set.
	mailWaits = 24 * time.Hour
	// secretOverlap is how long messages are signed with the secret before, too.
	secretOverlap = 24 * time.Hour
)

// Person is somebody who can be told.
type Person struct{ Name, Email string }

// Directory knows a workspace's people and its address. Its methods read the database
// and may block on it; errors are errs kinds.
type Directory interface {
	// People gives members (acc_…), end users (eu_…) and users of profiles (pu_…) by id.
	// Those who are gone or blocked are left out; Email is empty where none is known.
	People(ctx context.Context, h tenancy.Handle, subjects []string) (map[string]Person, error)
	// Origin is the workspace's public origin, without a slash at its end.
	Origin(ctx context.Context, h tenancy.Handle) (string, error)
}

// Config is what the package needs. Every field but Mail is required.
type Config struct {
	DB *tenancy.DB
	// Mail hands mail over; nil where the operator has set no mail server.
	Mail *mail.Sender
	// Outbound says how far requests to webhooks may go.
	Outbound  outbound.Config
	Directory Directory
	// Console is the console's origin, for links.
	Console string
	Log     *slog.Logger
}

// Notify records what happened and tells of it. It is safe for concurrent use.
type Notify struct {
	db        *tenancy.DB
	mail      *mail.Sender
	out       *outbound.Client
	directory Directory
	console   string
	log       *slog.Logger
}

// New makes the package's front.
func New(cfg Config) (*Notify, error) {
	if cfg.DB == nil || cfg.Directory == nil || cfg.Console == "" || cfg.Log == nil {
		return nil, errors.New("notify: DB, Directory, Console and Log are required")
	}
	cfg.Outbound.Timeout = webhookTimeout
	return &Notify{
		db: cfg.DB, mail: cfg.Mail, out: outbound.New(cfg.Outbound), directory: cfg.Directory, console: cfg.Console, log: cfg.Log,
	}, nil
}

// MailFrom is the sender's address; false where the operator has set no mail server.
func (n *Notify) MailFrom() (string, bool) {
	if n.mail == nil {
		return "", false
	}
	return n.mail.From(), true
}

// People names people by id, for pages; see Directory.
func (n *Notify) People(ctx context.Context, h tenancy.Handle, subjects []string) (map[string]Person, error) {
	return n.directory.People(ctx, h, subjects)
}
