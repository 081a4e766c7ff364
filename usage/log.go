package usage

import (
	"context"
	"fmt"
	"time"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/usage/event"
)

const (
	// DefaultLimit and MaxLimit are how many events a page of the log holds.
	DefaultLimit = 50
	MaxLimit     = 200
	// maxCounted bounds the count of a connection's calls: a page says "1000+".
	maxCounted = 1000
)

// Log answers the console's questions about one tenant's events.
type Log struct{ db *tenancy.DB }

// NewLog makes the log.
func NewLog(db *tenancy.DB) *Log { return &Log{db: db} }

// Query says which events. Its zero value is the newest page of all.
type Query struct {
	Before     string // only events older than the one with this ID
	UpstreamID string // only this runtime's
	Limit      int    // DefaultLimit where it is zero
}

// List gives events, newest first.
func (l *Log) List(ctx context.Context, h tenancy.Handle, q Query) ([]event.Event, error) {
	if q.Limit <= 0 {
		q.Limit = DefaultLimit
	}
	var rows []eventRow
	err := l.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		find := tx.DB().Order("id DESC").Limit(min(q.Limit, MaxLimit))
		if q.Before != "" {
			find = find.Where("id < ?", q.Before)
		}
		if q.UpstreamID != "" {
			find = find.Where("upstream_id = ?", q.UpstreamID)
		}
		return find.Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list usage events: %w", err)
	}
	events := make([]event.Event, len(rows))
	for i := range rows {
		events[i] = rows[i].event()
	}
	return events, nil
}

// Get gives one event, or NotFound.
func (l *Log) Get(ctx context.Context, h tenancy.Handle, id string) (event.Event, error) {
	var row eventRow
	err := l.db.Read(ctx, h, func(tx *tenancy.Tx) error { return tx.DB().Where("id = ?", id).First(&row).Error })
	if err != nil {
		return event.Event{}, fmt.Errorf("get usage event: %w", err)
	}
	return row.event(), nil
}

// ConnectStatus is who has reached a runtime through the gateway, with a token
// that was accepted.
type ConnectStatus struct {
	Connected bool
	First     time.Time
	Last      time.Time
	ClientID  string // of the last call, as is Subject
	Subject   string
	Calls     int  // at most 1,000
	More      bool // there are more calls than that
}

// ConnectStatus looks at a runtime's calls.
func (l *Log) ConnectStatus(ctx context.Context, h tenancy.Handle, upstreamID string) (ConnectStatus, error) {
	var first, last []eventRow
	var counted []string
	err := l.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		const accepted = "upstream_id = ? AND client_id <> '' AND outcome <> ?"
		if err := tx.DB().Where(accepted, upstreamID, string(event.Denied)).Order("id DESC").Limit(1).Find(&last).Error; err != nil || len(last) == 0 {
			return err
		}
		if err := tx.DB().Where(accepted, upstreamID, string(event.Denied)).Order("id").Limit(1).Find(&first).Error; err != nil {
			return err
		}
		return tx.DB().Model(&eventRow{}).Where(accepted, upstreamID, string(event.Denied)).Limit(maxCounted+1).Pluck("id", &counted).Error
	})
	if err != nil {
		return ConnectStatus{}, fmt.Errorf("read connect status: %w", err)
	}
	if len(first) == 0 || len(last) == 0 {
		return ConnectStatus{}, nil
	}
	return ConnectStatus{
		Connected: true, First: first[0].At.UTC(), Last: last[0].At.UTC(), ClientID: last[0].ClientID, Subject: last[0].Subject,
		Calls: min(len(counted), maxCounted), More: len(counted) > maxCounted,
	}, nil
}
