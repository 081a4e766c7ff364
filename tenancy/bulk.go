package tenancy

import (
	"errors"
	"fmt"
	"strings"
)

// Bulk is an insert whose rows come by the thousand, for which GORM builds and
// parses too much text. The list is closed: adding one is a decision to be reviewed.
type Bulk struct {
	head, tail string
	columns    int
}

// BulkUsageEvents stores usage events. One that is there already changes only from
// unfinished to finished.
var BulkUsageEvents = Bulk{
	head: "insert into usage_events (tenant_id, id, at, request_id, generation, upstream_id, client_id, subject, family_id, http_method, method, name," +
		" protocol_version, status, outcome, reason, stream, finished, gateway_us, upstream_us, total_us, request_bytes, response_bytes) values ",
	tail: " on conflict (tenant_id, id) do update set status = excluded.status, outcome = excluded.outcome, reason = excluded.reason," +
		" stream = excluded.stream, finished = excluded.finished, gateway_us = excluded.gateway_us, upstream_us = excluded.upstream_us," +
		" total_us = excluded.total_us, request_bytes = excluded.request_bytes, response_bytes = excluded.response_bytes" +
		" where not usage_events.finished and excluded.finished",
	columns: 23,
}

// bulkRows is how many rows go into one statement: with more of them, binding gets
// slower faster than running gets quicker.
const bulkRows = 10

// InsertBulk inserts n rows on SQLite; row appends the values of the i-th to its
// arguments. Only the system may: the statement is not scoped to a tenant.
func (tx *Tx) InsertBulk(b Bulk, n int, row func(i int, args []any) []any) error {
	if tx.handle.tenant != "" || tx.db.pool != nil {
		return errors.New("insert in bulk: only in a system transaction on SQLite")
	}
	args := make([]any, 0, bulkRows*b.columns)
	for at := 0; at < n; {
		rows := bulkRows
		if n-at < bulkRows {
			rows = 1
		}
		end := at + (n-at)/rows*rows
		if err := b.insert(tx, rows, at, end, args, row); err != nil {
			return fmt.Errorf("insert in bulk: %w", sqliteDialector{}.Translate(err))
		}
		at = end
	}
	return nil
}

// insert prepares the statement of so many rows once and runs it over a range that
// they divide.
func (b Bulk) insert(tx *Tx, rows, from, to int, args []any, row func(i int, args []any) []any) error {
	one := "(?" + strings.Repeat(", ?", b.columns-1) + ")"
	stmt, err := tx.stx.PrepareContext(tx.ctx, b.head+one+strings.Repeat(", "+one, rows-1)+b.tail)
	if err != nil {
		return err
	}
	defer func() { _ = stmt.Close() }() // what it did is in the transaction
	for at := from; at < to; at += rows {
		args = args[:0]
		for i := at; i < at+rows; i++ {
			args = row(i, args)
		}
		if _, err := stmt.ExecContext(tx.ctx, args...); err != nil {
			return err
		}
	}
	return nil
}
