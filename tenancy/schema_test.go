package tenancy_test

import (
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

var update = flag.Bool("update", false, "write the golden schemas anew")

// unfenced tables hold nothing of a tenant; each says why.
var unfenced = map[string]string{
	"goose_db_version": "goose's own list of migrations",
	"accounts":         "people belong to themselves; only the system role reads them",
	"console_sessions": "sessions of people, not of tenants",
}

// query runs a statement of the catalogue, which no tenant's transaction could.
func query(t *testing.T, db *tenancy.DB, q string) [][]string {
	t.Helper()
	pool, lite := db.Native()
	var out [][]string
	if pool != nil {
		rows, err := pool.Query(t.Context(), q)
		require.NoError(t, err)
		defer rows.Close()
		for rows.Next() {
			vals, err := rows.Values()
			require.NoError(t, err)
			out = append(out, render(vals))
		}
		require.NoError(t, rows.Err())
		return out
	}
	rows, err := lite.QueryContext(t.Context(), q)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	cols, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		vals := make([]any, len(cols))
		for i := range vals {
			vals[i] = new(sql.NullString)
		}
		require.NoError(t, rows.Scan(vals...))
		for i := range vals {
			vals[i] = vals[i].(*sql.NullString).String
		}
		out = append(out, render(vals))
	}
	require.NoError(t, rows.Err())
	return out
}

func render(vals []any) []string {
	out := make([]string, len(vals))
	for i, v := range vals {
		out[i] = fmt.Sprint(v)
	}
	return out
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path) //nolint:gosec // a file of this repository
	require.NoError(t, err)
	require.Equal(t, string(want), got, "the schema changed: look at the difference, then run go test ./tenancy -run Golden -update")
}

const pgColumns = `select c.table_name, c.column_name, c.data_type, c.is_nullable from information_schema.columns c
	join information_schema.tables t using (table_schema, table_name)
	where c.table_schema = 'public' and t.table_type = 'BASE TABLE' and c.table_name not like 'river%' and c.table_name <> 'goose_db_version' order by 1, 2`

func TestGoldenSchemaPostgres(t *testing.T) {
	t.Parallel()
	env := tenancytest.Postgres(t)
	var b strings.Builder
	for _, part := range []struct{ title, q string }{
		{"columns", pgColumns},
		{"constraints", `select conrelid::regclass::text, contype::text, pg_get_constraintdef(oid) from pg_constraint where connamespace = 'public'::regnamespace
			and conrelid::regclass::text not like 'river%' and conrelid <> 0 and conrelid::regclass::text <> 'goose_db_version' order by 1, 2, 3`},
		{"indexes", `select indexdef from pg_indexes where schemaname = 'public' and tablename not like 'river%' and tablename <> 'goose_db_version' order by 1`},
		{"policies", `select tablename, policyname, roles::text, cmd, qual, with_check from pg_policies where schemaname = 'public' order by 1, 2`},
		{"grants", `select table_name, grantee, string_agg(privilege_type, ' ' order by privilege_type) from information_schema.role_table_grants
			where table_schema = 'public' and grantee like 'emcy%' group by 1, 2 order by 1, 2`},
	} {
		fmt.Fprintf(&b, "-- %s\n", part.title)
		for _, row := range query(t, env.DB, part.q) {
			fmt.Fprintln(&b, strings.Join(row, " | "))
		}
	}
	golden(t, filepath.Join("..", "migrations", "schema.postgres.golden.txt"), b.String())
}

func TestGoldenSchemaSQLite(t *testing.T) {
	t.Parallel()
	env := tenancytest.SQLite(t)
	var b strings.Builder
	for _, row := range query(t, env.DB, `select sql from sqlite_master where sql is not null and name not like 'river%' and tbl_name not like 'river%' and name not like '%goose%' and name not like 'sqlite_%' order by type desc, name`) {
		fmt.Fprintln(&b, row[0]+";")
	}
	golden(t, filepath.Join("..", "migrations", "schema.sqlite.golden.sql"), b.String())
}

func TestBothDialectsHaveTheSameColumns(t *testing.T) {
	t.Parallel()
	lite, pg := tenancytest.SQLite(t), tenancytest.Postgres(t)
	columns := func(rows [][]string) []string {
		var out []string
		for _, r := range rows {
			out = append(out, r[0]+"."+r[1])
		}
		return out
	}
	require.Equal(t, columns(query(t, pg.DB, pgColumns)), columns(query(t, lite.DB,
		`select m.name, p.name from sqlite_master m join pragma_table_info(m.name) p where m.type = 'table' and m.name not like 'river%' and m.name not like '%goose%' and m.name not like 'sqlite_%' order by 1, 2`)))
}

// TestEveryTableIsFenced reads the catalogue: a table is fenced, or it is on the
// list above with its reason.
func TestEveryTableIsFenced(t *testing.T) {
	t.Parallel()
	env := tenancytest.Postgres(t)
	const fenced = `select c.relname, c.relrowsecurity, c.relforcerowsecurity,
		exists (select from pg_policies p where p.tablename = c.relname and p.roles = '{emcy_app}' and p.cmd = 'ALL'
			and p.qual like '%app.tenant_id%' and p.with_check like '%app.tenant_id%'),
		coalesce((select string_agg(a.attname, ',' order by array_position(i.indkey::int[], a.attnum::int)) from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = any(i.indkey)
			where i.indrelid = c.oid and i.indisprimary), ''), pg_get_userbyid(c.relowner)
		from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and c.relname not like 'river%' order by 1`
	seen := 0
	for _, r := range query(t, env.DB, fenced) {
		table, rls, force, policy, pk, owner := r[0], r[1], r[2], r[3], r[4], r[5]
		require.NotContains(t, owner, "emcy_", "%s is owned by a role that serves requests", table)
		if unfenced[table] != "" {
			continue
		}
		seen++
		require.Equal(t, []string{"true", "true", "true"}, []string{rls, force, policy}, "%s: row-level security, forced, with a tenant policy", table)
		// An origin is a global name, and a tenant's row is its own.
		if table != "tenant_origins" && table != "tenants" {
			require.True(t, strings.HasPrefix(pk+",", "tenant_id,"), "%s: primary key (%s) must start with tenant_id", table, pk)
		}
	}
	require.Greater(t, seen, 10)
	for _, r := range query(t, env.DB, `select conrelid::regclass::text, pg_get_constraintdef(oid) from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace`) {
		if strings.HasPrefix(r[0], "river") || strings.Contains(r[1], "REFERENCES tenants(") || strings.Contains(r[1], "REFERENCES accounts(") {
			continue
		}
		require.Contains(t, r[1], "FOREIGN KEY (tenant_id, ", "%s: foreign keys name the tenant, because their checks ignore row-level security", r[0])
	}
	for _, r := range query(t, env.DB, `select rolname, rolsuper, rolbypassrls, rolcanlogin from pg_roles where rolname in ('emcy_app', 'emcy_system')`) {
		require.Equal(t, []string{"false", "false", "false"}, r[1:], r[0])
	}
}

// TestRowLevelSecurityAloneHolds goes around the first fence, with statements that
// GORM never sees, to prove the second one by itself.
func TestRowLevelSecurityAloneHolds(t *testing.T) {
	t.Parallel()
	env := tenancytest.Postgres(t)
	a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
	exec := func(h tenancy.Handle, q string, args ...any) (n int64, err error) {
		err = env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
			res, err := tx.SQL().ExecContext(t.Context(), q, args...)
			if err == nil {
				n, err = res.RowsAffected()
			}
			return err
		})
		return n, err
	}
	const insert = `insert into clients (tenant_id, id, kind, name, redirect_uris, application_type, created_at) values ($1, 'cli_1', 'dcr', 'canary', '[]', 'web', now())`
	n, err := exec(a, insert, a.Tenant())
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	_, err = exec(b, insert, a.Tenant())
	require.ErrorContains(t, err, "row-level security")
	for _, q := range []string{`update clients set name = 'taken'`, `delete from clients`} {
		n, err = exec(b, q)
		require.NoError(t, err)
		require.Zero(t, n, q)
	}
	for _, q := range []string{`select from accounts`, `update audit_events set action = 'x'`, `delete from audit_events`, `insert into tenants values ('x','x','x',1,now())`, `create table x ()`, `set local app.tenant_id = 'x'; drop table clients`} {
		_, err = exec(a, q)
		require.ErrorContains(t, err, "SQLSTATE 42501", q)
	}
	require.NoError(t, env.DB.Read(t.Context(), b, func(tx *tenancy.Tx) error {
		var n int
		require.NoError(t, tx.SQL().QueryRowContext(t.Context(), `select count(*) from clients`).Scan(&n))
		require.Zero(t, n)
		require.NoError(t, tx.SQL().QueryRowContext(t.Context(), `select count(*) from tenants`).Scan(&n))
		require.Equal(t, 1, n)
		return nil
	}))
}

func TestMigrateTwiceAndAtOnce(t *testing.T) {
	t.Parallel()
	env := tenancytest.Postgres(t)
	done := make(chan error, 4)
	for range 4 {
		go func() { done <- env.DB.Migrate(t.Context()) }()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
	lite := tenancytest.SQLite(t)
	require.NoError(t, lite.DB.Migrate(t.Context()))
	_, err := tenancy.Open(t.Context(), tenancy.Config{SQLitePath: lite.Path, KEK: tenancytest.KEK(t), Clock: lite.Clock, Log: nil})
	require.ErrorContains(t, err, "another process uses this data folder")
}
