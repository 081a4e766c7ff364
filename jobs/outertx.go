package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// outerTx shows River a transaction that GORM opened on the same connection. What
// River begins in it becomes a savepoint; the transaction's end stays GORM's.
type outerTx struct {
	conn   *pgx.Conn
	point  string
	points *int
}

var errOuter = errors.New("the transaction belongs to the gate")

func (t *outerTx) Begin(ctx context.Context) (pgx.Tx, error) {
	*t.points++
	point := fmt.Sprintf("river_%d", *t.points)
	if _, err := t.conn.Exec(ctx, "savepoint "+point); err != nil {
		return nil, err
	}
	return &outerTx{conn: t.conn, point: point, points: t.points}, nil
}

func (t *outerTx) Commit(ctx context.Context) error {
	if t.point == "" {
		return errOuter
	}
	_, err := t.conn.Exec(ctx, "release savepoint "+t.point)
	t.point = ""
	return err
}

func (t *outerTx) Rollback(ctx context.Context) error {
	if t.point == "" {
		return pgx.ErrTxClosed
	}
	_, err := t.conn.Exec(ctx, "rollback to savepoint "+t.point)
	t.point = ""
	return err
}

func (t *outerTx) CopyFrom(ctx context.Context, table pgx.Identifier, columns []string, rows pgx.CopyFromSource) (int64, error) {
	return t.conn.CopyFrom(ctx, table, columns, rows)
}

func (t *outerTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.conn.SendBatch(ctx, b)
}

func (t *outerTx) LargeObjects() pgx.LargeObjects { return pgx.LargeObjects{} }

func (t *outerTx) Prepare(ctx context.Context, name, query string) (*pgconn.StatementDescription, error) {
	return t.conn.Prepare(ctx, name, query)
}

func (t *outerTx) Exec(ctx context.Context, query string, args ...any) (pgconn.CommandTag, error) {
	return t.conn.Exec(ctx, query, args...)
}

func (t *outerTx) Query(ctx context.Context, query string, args ...any) (pgx.Rows, error) {
	return t.conn.Query(ctx, query, args...)
}

func (t *outerTx) QueryRow(ctx context.Context, query string, args ...any) pgx.Row {
	return t.conn.QueryRow(ctx, query, args...)
}

func (t *outerTx) Conn() *pgx.Conn { return t.conn }
