package tenancy

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"gorm.io/gorm"

	"github.com/emcy/gateway/internal/outbound"
)

// Reason names an act that crosses tenants. The list is closed: adding one is a
// decision to be reviewed.
type Reason string

// The acts that cross tenants, or happen before there is one.
const (
	ReasonResolveMember Reason = "resolve a member's workspace"
	ReasonResolveOrigin Reason = "resolve an origin"
	ReasonResolveJob    Reason = "resolve a job's tenant"
	ReasonAccounts      Reason = "read and write people and their sessions"
	ReasonCreateTenant  Reason = "create a workspace"
	ReasonOrigins       Reason = "list origins and their ports"
	ReasonSnapshot      Reason = "list tenants for the edge's snapshot"
	ReasonCheckKeys     Reason = "check the wrapping key at start"
	ReasonSweep         Reason = "delete what has expired"
	ReasonUsage         Reason = "store usage events of many tenants in one batch"
	ReasonProbeDue      Reason = "find runtimes that are due for a probe"
	ReasonSigningKeys   Reason = "find signing keys that are due for a change"
	ReasonDocuments     Reason = "find clients whose metadata documents are due"
	ReasonDeliveries    Reason = "find alerts that are due to be sent"
	ReasonGrantsDue     Reason = "find grants that are due for a refresh or a warning"
	ReasonRevocations   Reason = "find tokens that wait to be revoked at providers"
)

// Tx is an open transaction of one tenant, or of the system. It is valid inside
// the function it was given to, and only on that goroutine.
type Tx struct {
	db     *DB
	gdb    *gorm.DB
	conn   *sql.Conn
	stx    *sql.Tx
	ctx    context.Context //nolint:containedctx // it is the transaction's own, marked so that no outbound call can be made with it
	handle Handle
	topics []string
}

// DB is GORM, scoped to the transaction's tenant.
func (tx *Tx) DB() *gorm.DB { return tx.gdb }

// Context is the transaction's context. An outbound call made with it fails.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Handle is whose rows these are; empty in a system transaction.
func (tx *Tx) Handle() Handle { return tx.handle }

// Tenant is the tenant's id, to be set on every new row.
func (tx *Tx) Tenant() string { return tx.handle.tenant }

// Now is the time of the gate's clock.
func (tx *Tx) Now() time.Time { return tx.db.clock.Now() }

// Notify sends a notice of this topic when, and only when, the transaction commits.
func (tx *Tx) Notify(t Topic) { tx.topics = append(tx.topics, string(t)) }

// countChanges moves on the generation of every tenant whose edge configuration
// this transaction changed. It is the last statement before the notices, because
// it locks the tenant's row until the end.
func (tx *Tx) countChanges() error {
	statement := "update tenants set generation = generation + 1 where id = ?"
	if tx.db.pool != nil {
		statement = "update tenants set generation = generation + 1 where id = $1"
	}
	for i, topic := range tx.topics {
		tenant, ok := Topic(topic).Config()
		if !ok || slices.Contains(tx.topics[:i], topic) {
			continue
		}
		if _, err := tx.stx.ExecContext(tx.ctx, statement, tenant); err != nil {
			return translate(fmt.Errorf("count a change of tenant %s: %w", tenant, err))
		}
	}
	return nil
}

// SQL is the open transaction for the queue on SQLite. Only package jobs may use it.
func (tx *Tx) SQL() *sql.Tx { return tx.stx }

// Pgx runs fn with the transaction's own connection, for the queue and for COPY.
// fn must neither begin nor end a transaction.
func (tx *Tx) Pgx(fn func(*pgx.Conn) error) error {
	if tx.db.pool == nil {
		return fmt.Errorf("pgx connection asked of %s", "sqlite")
	}
	return tx.conn.Raw(func(c any) error {
		conn, ok := c.(*fencedConn)
		if !ok {
			return fmt.Errorf("connection is a %T", c)
		}
		return fn(conn.Conn.Conn())
	})
}

// Postgres reports whether the database is PostgreSQL: the seam for COPY.
func (tx *Tx) Postgres() bool { return tx.db.pool != nil }

// Read runs fn with the tenant's rows, without the right to change them.
func (db *DB) Read(ctx context.Context, h Handle, fn func(*Tx) error) error {
	return db.tenantTx(ctx, h, true, fn)
}

// Write runs fn in a transaction on the tenant's rows. When fn returns an error
// nothing has happened.
func (db *DB) Write(ctx context.Context, h Handle, fn func(*Tx) error) error {
	return db.tenantTx(ctx, h, false, fn)
}

func (db *DB) tenantTx(ctx context.Context, h Handle, readOnly bool, fn func(*Tx) error) error {
	if h.tenant == "" {
		return fmt.Errorf("no tenant: the handle is empty")
	}
	return db.run(ctx, scope{tenant: h.tenant}, h, readOnly, fn)
}

// System runs fn across tenants.
func (db *DB) System(ctx context.Context, reason Reason, fn func(*Tx) error) error {
	return db.run(ctx, scope{system: true}, Handle{actor: Actor{Kind: "system", ID: string(reason)}}, false, fn)
}

// SystemRead is System without the right to change.
func (db *DB) SystemRead(ctx context.Context, reason Reason, fn func(*Tx) error) error {
	return db.run(ctx, scope{system: true}, Handle{actor: Actor{Kind: "system", ID: string(reason)}}, true, fn)
}

func (db *DB) run(ctx context.Context, sc scope, h Handle, readOnly bool, fn func(*Tx) error) (err error) {
	pool := db.write
	if readOnly {
		pool = db.read
	}
	options := &sql.TxOptions{}
	if readOnly && db.pool != nil { // SQLite's read pool is query-only by itself, and its driver knows no read-only transactions
		// All statements of one reading see one state, as they do on SQLite: what is built from several would else be torn.
		options = &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}
	}
	if !sc.system && !readOnly {
		db.prepare(ctx)
	}
	conn, err := pool.Conn(ctx)
	if err != nil {
		return translate(fmt.Errorf("get a database connection: %w", err))
	}
	defer func() { _ = conn.Close() }()
	stx, err := conn.BeginTx(withBegin(ctx, sc), options)
	if err != nil {
		return translate(fmt.Errorf("begin as %s: %w", sc.role(), err))
	}
	defer func() { _ = stx.Rollback() }() // after a commit it does nothing
	start := time.Now()
	marked := outbound.ContextWithTx(ctx)
	gdb := db.base.Session(&gorm.Session{NewDB: true, Context: marked}).Set(scopeKey, sc)
	gdb.Statement.ConnPool = stx
	gdb = gdb.Session(&gorm.Session{})
	tx := &Tx{db: db, gdb: gdb, conn: conn, stx: stx, ctx: marked, handle: h}
	if err := fn(tx); err != nil {
		return translate(err)
	}
	if err := tx.countChanges(); err != nil {
		return err
	}
	if db.pool != nil {
		for _, topic := range tx.topics {
			if _, err := stx.ExecContext(ctx, "select pg_notify($1, $2)", noticeChannel, topic); err != nil {
				return fmt.Errorf("notify: %w", err)
			}
		}
	}
	if err := stx.Commit(); err != nil {
		return translate(fmt.Errorf("commit: %w", err))
	}
	if db.pool == nil {
		for _, topic := range tx.topics {
			db.notice.deliver(Topic(topic))
		}
	}
	if d := time.Since(start); d > slowTx {
		db.log.WarnContext(ctx, "slow transaction", "ms", d.Milliseconds(), "actor", h.actor.Kind, "by", h.actor.ID)
	}
	return nil
}
