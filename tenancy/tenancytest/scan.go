package tenancytest

import (
	"bytes"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
)

// Counts tells how many rows every table has, the queue's included.
func Counts(t testing.TB, env Env) map[string]int {
	t.Helper()
	out := map[string]int{}
	walk(t, env, func(table string, _ []string, rows *sql.Rows) {
		for rows.Next() {
			out[table]++
		}
	})
	return out
}

// Find lists the places that hold the value, as it is, in hex or in base64: every
// column of every table, and on SQLite the files, where deleted rows may go on.
func Find(t testing.TB, env Env, value string) []string {
	t.Helper()
	require.NotEmpty(t, value)
	forms := spellings([]byte(value))
	seen := map[string]bool{}
	var out []string
	found := func(place string, content []byte) {
		if seen[place] {
			return
		}
		for _, form := range forms {
			if bytes.Contains(content, form) {
				seen[place] = true
				out = append(out, place)
				return
			}
		}
	}
	walk(t, env, func(table string, columns []string, rows *sql.Rows) {
		for rows.Next() {
			cells, into := make([]any, len(columns)), make([]any, len(columns))
			for i := range cells {
				into[i] = &cells[i]
			}
			require.NoError(t, rows.Scan(into...))
			for i, cell := range cells {
				content, ok := cell.([]byte)
				if !ok {
					content = fmt.Append(nil, cell)
				}
				found(table+"."+columns[i], content)
			}
		}
	})
	if env.Path != "" {
		for _, suffix := range []string{"", "-wal", "-shm"} {
			content, err := os.ReadFile(env.Path + suffix)
			if !os.IsNotExist(err) {
				require.NoError(t, err)
			}
			found("file"+suffix, content)
		}
	}
	return out
}

// walk reads every table as the owner of the database, past all fences.
func walk(t testing.TB, env Env, visit func(table string, columns []string, rows *sql.Rows)) {
	t.Helper()
	list := "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
	pool, db := env.DB.Native()
	if pool != nil {
		db = stdlib.OpenDBFromPool(pool)
		defer func() { require.NoError(t, db.Close()) }()
		list = "select tablename from pg_tables where schemaname = current_schema()"
	}
	var tables []string
	query(t, db, list, func(rows *sql.Rows) {
		for rows.Next() {
			var name string
			require.NoError(t, rows.Scan(&name))
			tables = append(tables, name)
		}
	})
	require.Contains(t, tables, "upstreams")
	require.Contains(t, tables, "river_job")
	for _, table := range tables {
		query(t, db, `select * from "`+strings.ReplaceAll(table, `"`, `""`)+`"`, func(rows *sql.Rows) {
			columns, err := rows.Columns()
			require.NoError(t, err)
			visit(table, columns, rows)
		})
	}
}

func query(t testing.TB, db *sql.DB, statement string, read func(*sql.Rows)) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), statement)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	read(rows)
	require.NoError(t, rows.Err())
}

// spellings are the forms in which a value could have been written by accident:
// JSON makes base64 of bytes, and it may stand at any offset of something longer.
func spellings(value []byte) [][]byte {
	out := [][]byte{value, []byte(hex.EncodeToString(value))}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift, skip := range []int{0, 2, 3} {
			padded := append(make([]byte, shift), value...)
			if text := enc.EncodeToString(padded)[:len(padded)/3*4]; len(text) > skip+8 {
				out = append(out, []byte(text[skip:]))
			}
		}
	}
	return out
}
