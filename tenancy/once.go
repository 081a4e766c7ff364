package tenancy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ErrTransaction is a database on which a single statement is no cheaper than a
// transaction: use Write there.
var ErrTransaction = errors.New("single statements are PostgreSQL's")

// HasOnce reports whether Once is there, so that nothing has to be prepared for it in vain.
func (db *DB) HasOnce() bool { return db.pool != nil }

// Once runs one statement on the tenant's rows in a transaction of its own, in a single
// round trip: the role, the tenant and the statement go out together, and the server
// commits them together or not at all. Its arguments are as Tx.Select's. It sends no
// notices and counts no change, so it is for rows that no edge is configured by.
// Errors: ErrTransaction on SQLite.
func (db *DB) Once(ctx context.Context, h Handle, s Statement, row func(scan func(dest ...any) error) error, args ...any) error {
	if db.pool == nil {
		return ErrTransaction
	}
	if h.tenant == "" || s.postgres == "" {
		return errors.New("statement of a tenant without one, or of another database")
	}
	sc := scope{tenant: h.tenant}
	// What is sent until the one Sync at the end is one transaction (PostgreSQL, section
	// 54.2.4, Pipelining): the settings hold for the statement behind them and end with it.
	batch := &pgx.Batch{}
	batch.Queue("select set_config('role', $1, true), set_config('app.tenant_id', $2, true)", sc.role(), sc.tenant)
	batch.Queue(s.postgres, append(append(make([]any, 0, len(args)+1), h.tenant), args...)...)
	results := db.pool.SendBatch(ctx, batch)
	err := func() error {
		if _, err := results.Exec(); err != nil {
			return fmt.Errorf("begin as %s: %w", sc.role(), err)
		}
		rows, err := results.Query()
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := row(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	}()
	return translate(errors.Join(err, results.Close()))
}

// MAC is Tx.MAC outside of a transaction.
func (db *DB) MAC(ctx context.Context, h Handle, label string, parts ...string) ([32]byte, error) {
	if keys := db.keys.known(h.tenant); keys != nil {
		return keys.active.MAC(label, parts...), nil
	}
	var mac [32]byte
	err := db.Read(ctx, h, func(tx *Tx) (err error) {
		mac, err = tx.MAC(label, parts...)
		return err
	})
	return mac, err
}
