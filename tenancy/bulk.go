package tenancy

import (
	"errors"
	"fmt"
)

// Bulk is an insert whose rows come by the thousand, for which GORM builds and
// parses too much text. The list is closed: adding one is a decision to be reviewed.
type Bulk struct {
	table, columns, conflict string
}

// BulkUsageEvents stores usage events. One that is there already changes only from
// unfinished to finished.
var BulkUsageEvents = Bulk{
	table: "usage_events",
	columns: "tenant_id, id, at, request_id, generation, upstream_id, client_id, subject, family_id, http_method, method, name," +
		" protocol_version, status, outcome, reason, stream, finished, gateway_us, upstream_us, total_us, request_bytes, response_bytes",
	conflict: "(tenant_id, id) do update set status = excluded.status, outcome = excluded.outcome, reason = excluded.reason," +
		" stream = excluded.stream, finished = excluded.finished, gateway_us = excluded.gateway_us, upstream_us = excluded.upstream_us," +
		" total_us = excluded.total_us, request_bytes = excluded.request_bytes, response_bytes = excluded.response_bytes" +
		" where not usage_events.finished and excluded.finished",
}

// InsertBulk inserts n rows on SQLite, all or none. row appends the values of the
// i-th to its arguments: string, []byte, int64, float64, bool, time.Time or nil. It
// is called while the statement runs, so it must not use the transaction. Only the
// system may: the statement is not scoped to a tenant.
func (tx *Tx) InsertBulk(b Bulk, n int, row func(i int, args []any) []any) error {
	if tx.handle.tenant != "" || tx.db.pool != nil {
		return errors.New("insert in bulk: only in a system transaction on SQLite")
	}
	if n == 0 {
		return nil
	}
	id, withdraw := offerFeed(&feed{rows: n, row: row})
	defer withdraw()
	// SQLite takes the rows from the feed as from a table: binding them costs as much as storing them.
	_, err := tx.stx.ExecContext(tx.ctx, "create virtual table if not exists temp.feed_"+b.table+" using "+feedModule+"("+b.columns+")")
	if err == nil {
		_, err = tx.stx.ExecContext(tx.ctx, "insert into "+b.table+" ("+b.columns+") select * from temp.feed_"+b.table+
			" where feed = ? on conflict "+b.conflict, id)
	}
	if err != nil {
		return fmt.Errorf("insert in bulk: %w", sqliteDialector{}.Translate(err))
	}
	return nil
}
