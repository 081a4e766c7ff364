package leaks

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Postgres looks through every row of every table of a database, as a user whom no
// row-level security holds.
func (l Look) Postgres(ctx context.Context, url string) ([]Found, error) {
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close(ctx) }()
	rows, err := db.Query(ctx, "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")
	if err != nil {
		return nil, err
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var out []Found
	for _, table := range tables {
		rows, err := db.Query(ctx, "select t::text from "+table+" t")
		if err != nil {
			return out, fmt.Errorf("read %s: %w", table, err)
		}
		for rows.Next() {
			if err := rows.Scan(new(string)); err != nil {
				return out, fmt.Errorf("read %s: %w", table, err)
			}
			out = append(out, l.Bytes("table "+table, rows.RawValues()[0])...)
		}
		if err := rows.Err(); err != nil {
			return out, fmt.Errorf("read %s: %w", table, err)
		}
	}
	return out, nil
}

// WAL looks through the write-ahead log of a whole server, which has everything that
// any of its databases was given lately.
func (l Look) WAL(ctx context.Context, url string) ([]Found, error) {
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close(ctx) }()
	var dir string
	if err := db.QueryRow(ctx, "show data_directory").Scan(&dir); err != nil {
		return nil, err
	}
	return l.Files(filepath.Join(dir, "pg_wal"))
}

// Words puts what was found into lines.
func Words(found []Found) string {
	lines := make([]string, len(found))
	for i, f := range found {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}
