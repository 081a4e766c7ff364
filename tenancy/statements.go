package tenancy

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// Statement is hand-written SQL of a path on which GORM's building of it costs more
// than its running. The list is closed: adding one is a decision to be reviewed. $1 is
// always the transaction's tenant, and every row that it reads or writes is held to it.
type Statement struct{ sqlite, postgres string }

const (
	rotationColumns = "select r.hash, r.generation, r.expires_at, r.family_id," +
		" f.client_id, f.subject, f.upstream_id, f.resource, f.scope, f.expires_at, f.idle_seconds," +
		" (c.auth_method = 'none' or c.auth_optional), (m.account_id is not null), t.generation"
	rotationJoins = " join tenants t on t.id = r.tenant_id" +
		" join token_families f on f.tenant_id = r.tenant_id and f.id = r.family_id and f.revoked_at is null and f.dpop_jkt = ''" +
		" join clients c on c.tenant_id = r.tenant_id and c.id = f.client_id and c.status = 'active' and not c.dpop_required" +
		` and c.grant_types like '%"refresh_token"%'` +
		" join upstreams u on u.tenant_id = r.tenant_id and u.id = f.upstream_id" +
		" left join members m on m.tenant_id = r.tenant_id and m.account_id = f.subject" +
		" where r.tenant_id = $1 and r.used_at is null"
	storeRotated = "insert into refresh_tokens (tenant_id, hash, family_id, generation, created_at, expires_at) "
	useRotated   = "update refresh_tokens set used_at = $3 where tenant_id = $1 and used_at is null and hash "
)

var (
	// RotationRead reads the refresh tokens of a list of hashes ($2) that were never used, of
	// families, clients and runtimes that are still there and need no key, with what
	// their renewal depends on. PostgreSQL locks them, and leaves out what another
	// transaction holds: it must not hold up everybody.
	RotationRead = Statement{
		sqlite:   rotationColumns + " from json_each($2) h cross join refresh_tokens r on r.tenant_id = $1 and r.hash = h.value" + rotationJoins,
		postgres: rotationColumns + " from refresh_tokens r" + rotationJoins + " and r.hash = any($2) for update of r skip locked",
	}
	// RotationUse marks the tokens of a list of hashes ($2) as used at a time ($3).
	RotationUse = Statement{sqlite: useRotated + "in (select value from json_each($2))"}
	// RotationStore stores a new token: hash, family, generation, and when it was made and ends.
	RotationStore = Statement{sqlite: storeRotated + "values ($1, $2, $3, $4, $5, $6)"}
	// Rotation does both in one round trip: of n tokens to be used ($2, $3) it stores the n
	// successors (lists of hashes, families, generations and ends), or none of them where
	// not every one could be used.
	Rotation = Statement{
		postgres: "with used as (" + useRotated + "= any($2) returning 1) " + storeRotated +
			"select $1, n.hash, n.family_id, n.generation, $3, n.expires_at from unnest($4::text[], $5::text[], $6::bigint[], $7::timestamptz[])" +
			" n (hash, family_id, generation, expires_at) where (select count(*) from used) = cardinality($2)",
	}
)

// prepared are those that SQLite keeps compiled; pgx does so by itself.
var prepared = []Statement{RotationRead, RotationUse, RotationStore}

// prepare compiles the statements on SQLite's writing connection, which must not be
// in use by the caller.
func (db *DB) prepare(ctx context.Context) {
	if db.pool != nil || db.compiled.Load() != nil {
		return
	}
	all := make(map[string]*sql.Stmt, len(prepared))
	for _, s := range prepared {
		stmt, err := db.write.PrepareContext(ctx, s.sqlite) //nolint:sqlclosecheck // kept as long as the connection, which closes it
		if err != nil {                                     // the schema is older: whoever needs the statement fails by it
			for _, other := range all {
				_ = other.Close()
			}
			return
		}
		all[s.sqlite] = stmt
	}
	if !db.compiled.CompareAndSwap(nil, &all) {
		for _, stmt := range all {
			_ = stmt.Close() // somebody else was faster
		}
	}
}

// Select runs a statement for the tenant's rows. Its arguments follow the tenant; a
// list of strings is one argument.
func (tx *Tx) Select(s Statement, row func(scan func(dest ...any) error) error, args ...any) (err error) {
	text, values, err := tx.statement(s, args)
	if err != nil {
		return err
	}
	var rows *sql.Rows
	if stmt := tx.compiled(text); stmt != nil { //nolint:sqlclosecheck // the transaction's end closes it
		rows, err = stmt.QueryContext(tx.ctx, values...)
	} else {
		rows, err = tx.stx.QueryContext(tx.ctx, text, values...)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Exec runs a statement on the tenant's rows and gives how many it changed. Its
// arguments are as Select's.
func (tx *Tx) Exec(s Statement, args ...any) (changed int64, err error) {
	text, values, err := tx.statement(s, args)
	if err != nil {
		return 0, err
	}
	var res sql.Result
	if stmt := tx.compiled(text); stmt != nil { //nolint:sqlclosecheck // the transaction's end closes it
		res, err = stmt.ExecContext(tx.ctx, values...)
	} else {
		res, err = tx.stx.ExecContext(tx.ctx, text, values...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (tx *Tx) compiled(text string) *sql.Stmt {
	if all := tx.db.compiled.Load(); all != nil && (*all)[text] != nil {
		return tx.stx.StmtContext(tx.ctx, (*all)[text])
	}
	return nil
}

// statement gives the text, and the arguments as the database takes them.
func (tx *Tx) statement(s Statement, args []any) (text string, values []any, err error) {
	if text = s.sqlite; tx.db.pool != nil {
		text = s.postgres
	}
	if tx.handle.tenant == "" || text == "" {
		return "", nil, errors.New("statement of a tenant in a transaction that has none, or of another database")
	}
	values = append(make([]any, 0, len(args)+1), tx.handle.tenant)
	for _, arg := range args {
		if list, ok := arg.([]string); ok && tx.db.pool == nil {
			encoded, err := json.Marshal(list)
			if err != nil {
				return "", nil, fmt.Errorf("encode a list: %w", err)
			}
			arg = string(encoded)
		}
		values = append(values, arg)
	}
	return text, values, nil
}
