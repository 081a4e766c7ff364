package tenancy

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// openFenced is database/sql over the pool, on which every transaction begins with
// its role and tenant, in one round trip, or not at all.
func openFenced(pool *pgxpool.Pool) *sql.DB {
	db := sql.OpenDB(fencedConnector{stdlib.GetPoolConnector(pool)})
	db.SetMaxIdleConns(0) // the pool keeps them
	return db
}

type fencedConnector struct{ driver.Connector }

func (c fencedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	std, ok := conn.(*stdlib.Conn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("connection is a %T", conn), conn.Close())
	}
	return &fencedConn{std}, nil
}

type fencedConn struct{ *stdlib.Conn }

// Begin is not there: it knows no scope.
func (*fencedConn) Begin() (driver.Tx, error) {
	return nil, errors.New("transaction without a scope")
}

// BeginTx begins in the scope that ctx carries.
func (c *fencedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if c.Conn.Conn().IsClosed() {
		return nil, driver.ErrBadConn
	}
	statement, err := beginStatement(ctx, opts)
	if err != nil {
		return nil, err
	}
	tx, err := c.Conn.Conn().BeginTx(ctx, pgx.TxOptions{BeginQuery: statement})
	if err != nil {
		return nil, err
	}
	return fencedTx{ctx, tx}, nil
}

type fencedTx struct {
	ctx context.Context //nolint:containedctx // database/sql gives none to its end
	tx  pgx.Tx
}

func (t fencedTx) Commit() error   { return t.tx.Commit(t.ctx) }
func (t fencedTx) Rollback() error { return t.tx.Rollback(t.ctx) }

type beginKey struct{}

// withBegin carries a scope to the connection that begins its transaction.
func withBegin(ctx context.Context, sc scope) context.Context {
	return context.WithValue(ctx, beginKey{}, sc)
}

// beginStatement is the text that begins a transaction in its scope. The server runs
// it as a whole or fails it, and the connection is closed then.
func beginStatement(ctx context.Context, opts driver.TxOptions) (string, error) {
	sc, ok := ctx.Value(beginKey{}).(scope)
	if !ok || sc.system != (sc.tenant == "") {
		return "", errors.New("transaction without a scope")
	}
	if strings.Trim(sc.tenant, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return "", errors.New("the tenant's id is none: it would have to be quoted")
	}
	begin := "begin"
	switch {
	case sql.IsolationLevel(opts.Isolation) == sql.LevelRepeatableRead && opts.ReadOnly:
		begin = "begin isolation level repeatable read read only"
	case sql.IsolationLevel(opts.Isolation) != sql.LevelDefault || opts.ReadOnly:
		return "", errors.New("transaction of a kind that the gate does not have")
	}
	return begin + "; select set_config('role', '" + sc.role() + "', true), set_config('app.tenant_id', '" + sc.tenant + "', true)", nil
}
