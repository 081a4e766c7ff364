package usage

import (
	"context"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/usage/event"
)

type eventRow struct {
	TenantID        string
	ID              string
	At              time.Time
	RequestID       string
	Generation      int64
	UpstreamID      string
	ClientID        string
	Subject         string
	FamilyID        string
	HTTPMethod      string `gorm:"column:http_method"`
	Method          string
	Name            string
	ProtocolVersion string
	Status          int32
	Outcome         string
	Reason          string
	Stream          bool
	Finished        bool
	GatewayUs       int64
	UpstreamUs      int64
	TotalUs         int64
	RequestBytes    int64
	ResponseBytes   int64
}

func (eventRow) TableName() string { return "usage_events" }

type tenantRow struct{ ID string }

func (tenantRow) TableName() string { return "tenants" }

// changing are the columns in which the end of a stream differs from its start.
var changing = []string{
	"status", "outcome", "reason", "stream", "finished", "gateway_us", "upstream_us", "total_us", "request_bytes", "response_bytes",
}

// onlyForward is when a stored event is replaced.
const onlyForward = "not usage_events.finished and excluded.finished"

// storeEvents writes a batch, all or nothing, and tells the tenants' listeners.
// Events of tenants that do not exist are left out: they must not take the rest
// of the batch down with them.
func storeEvents(ctx context.Context, db *tenancy.DB, events []event.Event) error {
	return db.System(ctx, tenancy.ReasonUsage, func(tx *tenancy.Tx) error {
		rows, err := rowsOfTenants(tx, newest(events))
		if err != nil || len(rows) == 0 {
			return err
		}
		if tx.Postgres() {
			err = insertPostgres(tx, rows)
		} else {
			err = insertSQLite(tx, rows)
		}
		if err != nil {
			return err
		}
		told := map[string]bool{}
		for _, row := range rows {
			if !told[row.TenantID] {
				told[row.TenantID] = true
				tx.Notify(tenancy.EventsTopic(row.TenantID))
			}
		}
		return nil
	})
}

type eventKey struct{ tenant, id string }

// newest keeps one row for each event: one statement cannot touch a row twice.
func newest(events []event.Event) []eventRow {
	rows := make([]eventRow, 0, len(events))
	at := make(map[eventKey]int, len(events))
	for i := range events {
		row := rowOf(&events[i])
		key := eventKey{row.TenantID, row.ID}
		j, seen := at[key]
		switch {
		case !seen:
			at[key] = len(rows)
			rows = append(rows, row)
		case row.Finished && !rows[j].Finished:
			rows[j] = row
		}
	}
	return rows
}

// rowsOfTenants leaves out the rows of tenants that do not exist. Those that do
// cannot be deleted before the transaction ends, which stands in for a foreign key
// on PostgreSQL; on SQLite nobody else writes meanwhile.
func rowsOfTenants(tx *tenancy.Tx, rows []eventRow) ([]eventRow, error) {
	known := map[string]bool{}
	for _, row := range rows {
		known[row.TenantID] = false
	}
	named := make([]string, 0, len(known))
	for id := range known {
		named = append(named, id)
	}
	var found []string
	if err := tx.DB().Model(&tenantRow{}).Clauses(clause.Locking{Strength: "KEY SHARE"}).Where("id IN ?", named).Pluck("id", &found).Error; err != nil {
		return nil, err
	}
	for _, id := range found {
		known[id] = true
	}
	kept := rows[:0]
	for _, row := range rows {
		if known[row.TenantID] {
			kept = append(kept, row)
		}
	}
	return kept, nil
}

func insertSQLite(tx *tenancy.Tx, rows []eventRow) error {
	return tx.InsertBulk(tenancy.BulkUsageEvents, len(rows), func(i int, args []any) []any {
		r := &rows[i]
		return append(args, r.TenantID, r.ID, r.At, r.RequestID, r.Generation, r.UpstreamID, r.ClientID, r.Subject, r.FamilyID, r.HTTPMethod, r.Method, r.Name,
			r.ProtocolVersion, int64(r.Status), r.Outcome, r.Reason, r.Stream, r.Finished, r.GatewayUs, r.UpstreamUs, r.TotalUs, r.RequestBytes, r.ResponseBytes)
	})
}

var upsertPostgres = func() string {
	sets := make([]string, len(changing))
	for i, c := range changing {
		sets[i] = c + " = excluded." + c
	}
	return `insert into usage_events (tenant_id, id, at, request_id, generation, upstream_id, client_id, subject, family_id, http_method, method, name,
 protocol_version, status, outcome, reason, stream, finished, gateway_us, upstream_us, total_us, request_bytes, response_bytes)
select * from unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
 $13::text[], $14::integer[], $15::text[], $16::text[], $17::boolean[], $18::boolean[], $19::bigint[], $20::bigint[], $21::bigint[], $22::bigint[], $23::bigint[])
on conflict (tenant_id, id) do update set ` + strings.Join(sets, ", ") + ` where ` + onlyForward
}()

// insertPostgres sends one array for each column: one statement, prepared once for
// a connection, whatever the size of the batch.
func insertPostgres(tx *tenancy.Tx, rows []eventRow) error {
	args := []any{
		column(rows, func(r *eventRow) string { return r.TenantID }), column(rows, func(r *eventRow) string { return r.ID }),
		column(rows, func(r *eventRow) time.Time { return r.At }), column(rows, func(r *eventRow) string { return r.RequestID }),
		column(rows, func(r *eventRow) int64 { return r.Generation }), column(rows, func(r *eventRow) string { return r.UpstreamID }),
		column(rows, func(r *eventRow) string { return r.ClientID }), column(rows, func(r *eventRow) string { return r.Subject }),
		column(rows, func(r *eventRow) string { return r.FamilyID }), column(rows, func(r *eventRow) string { return r.HTTPMethod }),
		column(rows, func(r *eventRow) string { return r.Method }), column(rows, func(r *eventRow) string { return r.Name }),
		column(rows, func(r *eventRow) string { return r.ProtocolVersion }), column(rows, func(r *eventRow) int32 { return r.Status }),
		column(rows, func(r *eventRow) string { return r.Outcome }), column(rows, func(r *eventRow) string { return r.Reason }),
		column(rows, func(r *eventRow) bool { return r.Stream }), column(rows, func(r *eventRow) bool { return r.Finished }),
		column(rows, func(r *eventRow) int64 { return r.GatewayUs }), column(rows, func(r *eventRow) int64 { return r.UpstreamUs }),
		column(rows, func(r *eventRow) int64 { return r.TotalUs }), column(rows, func(r *eventRow) int64 { return r.RequestBytes }),
		column(rows, func(r *eventRow) int64 { return r.ResponseBytes }),
	}
	return tx.Pgx(func(conn *pgx.Conn) error {
		_, err := conn.Exec(tx.Context(), upsertPostgres, args...)
		return err
	})
}

func column[T any](rows []eventRow, value func(*eventRow) T) []T {
	out := make([]T, len(rows))
	for i := range rows {
		out[i] = value(&rows[i])
	}
	return out
}

// refused reports whether the database will refuse these very rows again, so that
// waiting does not help.
func refused(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "22") || strings.HasPrefix(e.Code, "23")
	}
	return errors.Is(err, gorm.ErrForeignKeyViolated) || errors.Is(err, gorm.ErrDuplicatedKey) || errors.Is(err, gorm.ErrCheckConstraintViolated)
}

func rowOf(e *event.Event) eventRow {
	return eventRow{
		TenantID: clean(e.TenantID), ID: clean(e.ID), At: e.At.UTC(), RequestID: clean(e.RequestID),
		Generation: int64(min(e.Generation, math.MaxInt64)), //nolint:gosec // bounded on the same line
		UpstreamID: clean(e.UpstreamID), ClientID: clean(e.ClientID), Subject: clean(e.Subject), FamilyID: clean(e.FamilyID),
		HTTPMethod: clean(e.HTTPMethod), Method: clean(e.Method), Name: clean(e.Name), ProtocolVersion: clean(e.ProtocolVersion),
		Status:  int32(max(0, min(e.Status, 999))), //nolint:gosec // bounded on the same line
		Outcome: clean(string(e.Outcome)), Reason: clean(e.Reason), Stream: e.Stream, Finished: e.Finished,
		GatewayUs: e.Gateway.Microseconds(), UpstreamUs: e.Upstream.Microseconds(), TotalUs: e.Total.Microseconds(),
		RequestBytes: e.RequestBytes, ResponseBytes: e.ResponseBytes,
	}
}

// clean takes out what a text column refuses.
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "?")
	}
	return strings.ToValidUTF8(s, "?")
}

func (r *eventRow) event() event.Event {
	return event.Event{
		TenantID: r.TenantID, ID: r.ID, At: r.At.UTC(), RequestID: r.RequestID,
		Generation: uint64(max(0, r.Generation)), //nolint:gosec // bounded on the same line
		UpstreamID: r.UpstreamID, ClientID: r.ClientID, Subject: r.Subject, FamilyID: r.FamilyID,
		HTTPMethod: r.HTTPMethod, Method: r.Method, Name: r.Name, ProtocolVersion: r.ProtocolVersion,
		Status: int(r.Status), Outcome: event.Outcome(r.Outcome), Reason: r.Reason, Stream: r.Stream, Finished: r.Finished,
		Gateway: micros(r.GatewayUs), Upstream: micros(r.UpstreamUs), Total: micros(r.TotalUs),
		RequestBytes: r.RequestBytes, ResponseBytes: r.ResponseBytes,
	}
}

func micros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
