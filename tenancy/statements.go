package tenancy

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
		" join clients c on c.tenant_id = r.tenant_id and c.id = f.client_id and " + mayRotate +
		" join upstreams u on u.tenant_id = r.tenant_id and u.id = f.upstream_id" +
		" left join members m on m.tenant_id = r.tenant_id and m.account_id = f.subject" +
		" where r.tenant_id = $1 and r.used_at is null"
	mayRotate = `c.status = 'active' and not c.dpop_required and c.grant_types like '%"refresh_token"%'`

	// On PostgreSQL each row is looked up by its key, one for one, in this order: left to
	// itself the planner may read all of a tenant's families, of which it knows nothing yet.
	rotationToken = " from unnest($2::text[]) a (hash) cross join lateral (select * from refresh_tokens where tenant_id = $1 and hash = a.hash and used_at is null" +
		" limit 1 for update skip locked) r"
	rotationLookups = " cross join lateral (select * from token_families where tenant_id = $1 and id = r.family_id and revoked_at is null and dpop_jkt = '' limit 1) f" +
		" cross join lateral (select * from clients c where c.tenant_id = $1 and c.id = f.client_id and " + mayRotate + " limit 1) c" +
		" cross join lateral (select from upstreams where tenant_id = $1 and id = f.upstream_id limit 1) u" +
		" left join lateral (select account_id from members where tenant_id = $1 and account_id = f.subject limit 1) m on true" +
		" join tenants t on t.id = $1"

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
		postgres: rotationColumns + rotationToken + rotationLookups,
	}
	// RotationUse marks the tokens of a list of hashes ($2) as used at a time ($3).
	RotationUse = Statement{sqlite: useRotated + "in (select value from json_each($2))", postgres: useRotated + "= any($2)"}
	// RotationStore stores a new token: hash, family, generation, and when it was made and ends.
	RotationStore = Statement{sqlite: storeRotated + "values ($1, $2, $3, $4, $5, $6)", postgres: storeRotated + "values ($1, $2, $3, $4, $5, $6)"}
	// Rotation does all of it in one, for members: it takes the tokens ($2: hashes) that were
	// never used, asked for by their own clients ($4), which have proven themselves or need
	// not ($5: did not), for their own runtime or for none ($6), at a time ($7), of a tenant
	// that asks for no keys, stores their successors ($3: hashes), and gives what their
	// access tokens are made of. What another transaction holds it leaves out.
	Rotation = Statement{
		postgres: "with held as (select r.hash, r.generation, r.family_id, f.client_id, f.subject, f.upstream_id, f.resource, f.scope, f.expires_at, f.idle_seconds," +
			" t.generation as tenant_generation, a.next, least($7::timestamptz + f.idle_seconds * interval '1 second', f.expires_at) as ends" +
			strings.Replace(rotationToken, "unnest($2::text[]) a (hash)", "unnest($2::text[], $3::text[], $4::text[], $5::bool[], $6::text[]) a (hash, next, client_id, unproven, resource)", 1) + rotationLookups +
			" where m.account_id is not null and r.expires_at >= $7 and f.expires_at >= $7 and f.client_id = a.client_id" +
			" and (not a.unproven or c.auth_method = 'none' or c.auth_optional) and a.resource in ('', f.resource)" +
			" and not exists (select from auth_settings s where s.tenant_id = $1 and s.dpop = 'required'))," +
			" used as (update refresh_tokens r set used_at = $7 from held h where r.tenant_id = $1 and r.hash = h.hash and r.used_at is null returning h.*)," +
			" stored as (" + storeRotated + "select $1, next, family_id, generation + 1, $7, ends from used)" +
			" select hash, family_id, client_id, subject, upstream_id, resource, scope, expires_at, idle_seconds, tenant_generation from used",
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
