package tenancy

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	gormlogger "gorm.io/gorm/logger"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/migrations"
)

// Config is what the gate needs. Every field is required but DatabaseURL.
type Config struct {
	// DatabaseURL is a postgres:// URL; empty means SQLite at SQLitePath.
	DatabaseURL string
	// SQLitePath is the database file, made if it is missing.
	SQLitePath string
	// KEK wraps the tenants' data keys.
	KEK   *seal.KEK
	Clock clock.Clock
	Log   *slog.Logger
}

// DB is the gate. Close it after everything that uses it has stopped.
type DB struct {
	pool   *pgxpool.Pool // PostgreSQL only
	write  *sql.DB
	read   *sql.DB
	base   *gorm.DB
	keys   *keyring
	notice *Notices
	clock  clock.Clock
	log    *slog.Logger
	unlock func() error
	// compiled are the prepared statements by their text; SQLite only.
	compiled atomic.Pointer[map[string]*sql.Stmt]
}

// minConns is what the gate needs on PostgreSQL: the queue's listener and ours
// each hold one connection for good.
const minConns = 20

// Open connects to the database. It does not migrate.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	db := &DB{clock: cfg.Clock, log: cfg.Log, unlock: func() error { return nil }}
	db.keys = newKeyring(cfg.KEK)
	var err error
	if cfg.DatabaseURL != "" {
		err = db.openPostgres(ctx, cfg.DatabaseURL)
	} else {
		err = db.openSQLite(ctx, cfg.SQLitePath)
	}
	if err != nil {
		return nil, err
	}
	db.notice = newNotices(db.pool, cfg.Log)
	return db, nil
}

func (db *DB) openPostgres(ctx context.Context, url string) error {
	if !strings.HasPrefix(url, "postgres://") && !strings.HasPrefix(url, "postgresql://") {
		return errors.New("EMCY_DATABASE_URL must start with postgres:// (leave it empty for SQLite)")
	}
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return errors.New("EMCY_DATABASE_URL is not a PostgreSQL URL") // the parse error would show the password
	}
	cfg.MaxConns = max(cfg.MaxConns, minConns)
	// Times are read in UTC, as on SQLite, whatever zone the machine is in.
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		// A process that froze in a transaction must not keep its locks from the others.
		if _, err := conn.Exec(ctx, "set idle_in_transaction_session_timeout = '60s'"); err != nil {
			return err
		}
		conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("open postgres: %w", err)
	}
	if err := pool.Ping(ctx); err != nil {
		pool.Close()
		return fmt.Errorf("connect to postgres: %w", err)
	}
	db.pool = pool
	db.write = openFenced(pool)
	db.read = db.write
	db.base, err = openGorm(postgres.New(postgres.Config{Conn: db.write}), db.clock)
	return err
}

// sqliteDSN: immediate transactions are the row lock; times are UTC text that
// sorts; a string in double quotes is an error, not a string.
const sqliteDSN = "file:%s?_time_format=sqlite&_timezone=UTC&_dqs=0&_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)"

func (db *DB) openSQLite(ctx context.Context, path string) error {
	if err := registerFeeds(); err != nil {
		return fmt.Errorf("open sqlite: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return err
	}
	db.unlock = unlock
	dsn := fmt.Sprintf(sqliteDSN, path)
	if db.write, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("open sqlite: %w", err)
	}
	// One writer: database/sql queues fairly, SQLite's busy handler does not.
	db.write.SetMaxOpenConns(1)
	if err := db.write.PingContext(ctx); err != nil {
		_ = unlock()
		return fmt.Errorf("open sqlite %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return fmt.Errorf("protect database file: %w", err)
	}
	if db.read, err = sql.Open("sqlite", dsn+"&_pragma=query_only(1)"); err != nil {
		return fmt.Errorf("open sqlite for reading: %w", err)
	}
	db.read.SetMaxOpenConns(8)
	db.base, err = openGorm(sqliteDialector{conn: db.write}, db.clock)
	return err
}

func openGorm(d gorm.Dialector, c clock.Clock) (*gorm.DB, error) {
	gdb, err := gorm.Open(d, &gorm.Config{
		SkipDefaultTransaction: true, // every statement already runs in the gate's transaction
		TranslateError:         true,
		DisableAutomaticPing:   true,
		NowFunc:                c.Now, // GORM fills in times by itself: they are the gate's, too
		// GORM's own logger would print statements with their values.
		Logger: gormlogger.Discard,
	})
	if err != nil {
		return nil, fmt.Errorf("open gorm: %w", err)
	}
	if err := gdb.Use(scopePlugin{}); err != nil {
		return nil, fmt.Errorf("install the tenant scope: %w", err)
	}
	return gdb, nil
}

// Migrate brings the schema up to date, under a lock.
func (db *DB) Migrate(ctx context.Context) error {
	if db.pool != nil {
		return migrations.Postgres(ctx, db.pool)
	}
	return migrations.SQLite(ctx, db.write)
}

// CheckKeys fails when a stored data key was wrapped by another key than the one
// given, before anything is served with it.
func (db *DB) CheckKeys(ctx context.Context) error {
	return db.SystemRead(ctx, ReasonCheckKeys, func(tx *Tx) error {
		var foreign []tenantKeyRow
		if err := tx.DB().Where("kek_id <> ?", db.keys.kek.ID()).Limit(1).Find(&foreign).Error; err != nil {
			return err
		}
		if len(foreign) > 0 {
			return fmt.Errorf("the key does not fit this database: its data was sealed with key %s, and this is key %s", foreign[0].KekID, db.keys.kek.ID())
		}
		return nil
	})
}

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.read.PingContext(ctx) }

// Postgres reports whether the database is PostgreSQL.
func (db *DB) Postgres() bool { return db.pool != nil }

// Clock is the gate's clock.
func (db *DB) Clock() clock.Clock { return db.clock }

// KEK is the installation's key-encryption key, for MACs of console values.
func (db *DB) KEK() *seal.KEK { return db.keys.kek }

// Notices is the stream of change notices.
func (db *DB) Notices() *Notices { return db.notice }

// Native is what the queue needs to share the gate's connections: exactly one of
// the two is set. Only package jobs may use it.
func (db *DB) Native() (pool *pgxpool.Pool, sqlite *sql.DB) {
	if db.pool != nil {
		return db.pool, nil
	}
	return nil, db.write
}

// Close ends the listener and the connections. The SQLite file's lock goes last.
func (db *DB) Close() error {
	db.notice.close()
	err := db.write.Close()
	if db.read != db.write {
		err = errors.Join(err, db.read.Close())
	}
	if db.pool != nil {
		db.pool.Close()
	}
	return errors.Join(err, db.unlock())
}

func isBusy(err error) bool {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code()&0xff == sqlite3.SQLITE_BUSY
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code == "40001" || e.Code == "40P01" || e.Code == "55P03"
	}
	return false
}

// isUnstorable tells bytes that PostgreSQL takes into no text column: NUL, or what
// is not UTF-8. SQLite takes them, and simply finds nothing.
func isUnstorable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "22021"
}

// slowTx is when a transaction is worth a line in the log.
const slowTx = 2 * time.Second
