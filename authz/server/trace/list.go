package trace

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/emcy/gateway/tenancy"
)

// Log answers the console's questions about one tenant's traces.
type Log struct{ db *tenancy.DB }

// NewLog makes the log.
func NewLog(db *tenancy.DB) *Log { return &Log{db} }

// Trace is a connection attempt in short.
type Trace struct {
	ID          string
	UpstreamID  string
	ClientID    string // cleaned for showing
	ClientName  string // the client's own, nobody has checked it
	Subject     string
	FamilyID    string
	Network     string // where it was discovered from
	UserAgent   string
	State       State // at the time of reading
	Reached     Step  // the furthest step that succeeded
	FailedStep  Step  // of a failure that nothing has made good
	FailedCode  string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	IssuedAt    *time.Time
	FirstCallAt *time.Time
}

// Entry is one step of a trace.
type Entry struct {
	ID              string
	At              time.Time
	Step            Step
	OK              bool
	Code            string
	Asked, Answered Message
}

// Query says which traces. Its zero value is the newest page of all.
type Query struct {
	Before     string // only traces older than the one with this id
	UpstreamID string // only this runtime's, and those that have not said which one they want
	Unfinished bool   // without those that connected
	Limit      int    // 50 where it is zero; at most 200
}

// List gives traces, newest first.
func (l *Log) List(ctx context.Context, h tenancy.Handle, q Query) ([]Trace, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	var rows []traceRow
	err := l.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		find := tx.DB().Order("id DESC").Limit(min(q.Limit, 200))
		if q.Before != "" {
			find = find.Where("id < ?", q.Before)
		}
		if q.UpstreamID != "" {
			find = find.Where("upstream_id = ? OR upstream_id = ''", q.UpstreamID)
		}
		if q.Unfinished {
			find = find.Where("state <> ?", string(Connected))
		}
		return find.Find(&rows).Error
	})
	if err != nil {
		return nil, fmt.Errorf("list traces: %w", err)
	}
	now := l.db.Clock().Now()
	out := make([]Trace, len(rows))
	for i := range rows {
		out[i] = rows[i].trace(now)
	}
	return out, nil
}

// Get gives one trace with its steps in order, or errs.NotFound.
func (l *Log) Get(ctx context.Context, h tenancy.Handle, id string) (Trace, []Entry, error) {
	var row traceRow
	var steps []stepRow
	err := l.db.Read(ctx, h, func(tx *tenancy.Tx) error {
		if err := tx.DB().Where("id = ?", id).First(&row).Error; err != nil {
			return err
		}
		return tx.DB().Where("trace_id = ?", id).Find(&steps).Error
	})
	if err != nil {
		return Trace{}, nil, fmt.Errorf("get trace: %w", err)
	}
	slices.SortStableFunc(steps, before)
	entries := make([]Entry, len(steps))
	for i, s := range steps {
		entries[i] = Entry{ID: s.ID, At: s.At.UTC(), Step: Step(s.Step), OK: s.OK, Code: s.Code, Asked: decode(s.Asked), Answered: decode(s.Answered)}
	}
	return row.trace(l.db.Clock().Now()), entries, nil
}

func (row *traceRow) trace(now time.Time) Trace {
	return Trace{
		ID: row.ID, UpstreamID: row.UpstreamID, ClientID: row.ClientID, ClientName: row.ClientName, Subject: row.Subject, FamilyID: row.FamilyID,
		Network: row.Network, UserAgent: row.UserAgent, State: State(row.State).at(now, row.UpdatedAt, row.IssuedAt), Reached: Step(row.Reached),
		FailedStep: Step(row.FailedStep), FailedCode: row.FailedCode, CreatedAt: row.CreatedAt.UTC(), UpdatedAt: row.UpdatedAt.UTC(),
		IssuedAt: row.IssuedAt, FirstCallAt: row.FirstCallAt,
	}
}
