package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// Files are the migrations of both dialects.
//
//go:embed postgres/*.sql sqlite/*.sql
var Files embed.FS

// lockKey is the advisory lock that every process of an installation takes
// before it migrates. The number only has to be ours.
const lockKey = 0x656d6379 // "emcy"

// grantRiver lets both roles use the queue's tables: a job is inserted in the
// same transaction as the change that wants it.
const grantRiver = `
do $$
declare t text;
begin
  for t in select tablename from pg_tables where schemaname = current_schema() and tablename like 'river\_%' and tablename <> 'river_migration' loop
    execute format('grant select, insert, update, delete on %I to emcy_app, emcy_system', t);
  end loop;
  for t in select sequencename from pg_sequences where schemaname = current_schema() and sequencename like 'river\_%' loop
    execute format('grant usage on sequence %I to emcy_app, emcy_system', t);
  end loop;
end $$`

// Postgres brings the schema up to date. It holds an advisory lock for the whole
// time, because goose and River each race when two processes start at once.
func Postgres(ctx context.Context, pool *pgxpool.Pool) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to migrate: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(lockKey)); err != nil {
		return fmt.Errorf("take migration lock: %w", err)
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), "select pg_advisory_unlock($1)", int64(lockKey)) }()

	if err := ensureRoles(ctx, conn.Conn()); err != nil {
		return err
	}
	db := stdlib.OpenDBFromPool(pool)
	defer func() { _ = db.Close() }()
	if err := up(ctx, goose.DialectPostgres, db, "postgres"); err != nil {
		return err
	}
	river, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return fmt.Errorf("prepare queue migrations: %w", err)
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate queue: %w", err)
	}
	if _, err := conn.Exec(ctx, grantRiver); err != nil {
		return fmt.Errorf("grant queue tables: %w", err)
	}
	return nil
}

// SQLite brings the schema up to date. The caller holds the file's lock.
func SQLite(ctx context.Context, db *sql.DB) error {
	if err := up(ctx, goose.DialectSQLite3, db, "sqlite"); err != nil {
		return err
	}
	river, err := rivermigrate.New(riversqlite.New(db), nil)
	if err != nil {
		return fmt.Errorf("prepare queue migrations: %w", err)
	}
	if _, err := river.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate queue: %w", err)
	}
	return nil
}

func up(ctx context.Context, dialect goose.Dialect, db *sql.DB, dir string) error {
	sub, err := fs.Sub(Files, dir)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db, sub)
	if err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
