package dbtest_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/dbtest"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	return conn
}

func fill(calls *atomic.Int32) func(context.Context, string) error {
	return func(ctx context.Context, url string) error {
		calls.Add(1)
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return err
		}
		// Left open on purpose: a template has to be sealed all the same.
		_, err = conn.Exec(ctx, "create table note (id int primary key, body text); insert into note values (1, 'from the template')")
		return err
	}
}

func TestPostgresClonesAreSeparate(t *testing.T) {
	t.Parallel()

	var calls atomic.Int32
	template := "separate-" + rand.Text()
	t.Cleanup(func() { require.NoError(t, dbtest.DropTemplate(template)) })
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()

			conn := connect(t, dbtest.Postgres(t, template, fill(&calls)))
			_, err := conn.Exec(t.Context(), "insert into note values (2, $1)", fmt.Sprint(i))
			require.NoError(t, err, "the database has the row of another test")
			require.Equal(t, int32(1), calls.Load(), "the template is filled once")
		})
	}
}

func TestPostgresIsDroppedWithConnectionsOpen(t *testing.T) {
	t.Parallel()

	var calls atomic.Int32
	var dropped string
	t.Run("inner", func(t *testing.T) {
		dropped = dbtest.Postgres(t, "dropped", fill(&calls))
		_ = connect(t, dropped)
	})
	_, err := pgx.Connect(t.Context(), dropped)
	require.ErrorContains(t, err, "does not exist")
}

func TestPostgresFailedPrepareIsNoTemplate(t *testing.T) {
	t.Parallel()

	template := "failing-" + rand.Text()
	rec := &recorder{TB: t}
	func() {
		defer func() { _ = recover() }()
		dbtest.Postgres(rec, template, func(context.Context, string) error { return fmt.Errorf("no such table") })
	}()
	require.Contains(t, rec.failure, "prepare: no such table")
}

func TestPostgresWithoutServerFails(t *testing.T) {
	t.Setenv(dbtest.Env, "")
	rec := &recorder{TB: t}
	func() {
		defer func() { _ = recover() }()
		dbtest.Postgres(rec, "unused", nil)
	}()
	require.Contains(t, rec.failure, "make test")
	require.Contains(t, rec.failure, "scripts/postgres start")
	require.False(t, strings.Contains(rec.failure, "\n"))
}

func TestSQLite(t *testing.T) {
	t.Parallel()

	a, b := dbtest.SQLite(t), dbtest.SQLite(t)
	require.NotEqual(t, a, b)
	require.NoFileExists(t, a)
}

func TestDigest(t *testing.T) {
	t.Parallel()

	digest := func(files fstest.MapFS) string {
		d, err := dbtest.Digest(files)
		require.NoError(t, err)
		return d
	}
	one := digest(fstest.MapFS{"1.sql": {Data: []byte("a")}})
	require.Equal(t, one, digest(fstest.MapFS{"1.sql": {Data: []byte("a")}}))
	require.NotEqual(t, one, digest(fstest.MapFS{"1.sql": {Data: []byte("b")}}))
	require.NotEqual(t, one, digest(fstest.MapFS{"2.sql": {Data: []byte("a")}}))
}

// recorder stands in for a test that is expected to fail.
type recorder struct {
	testing.TB
	failure string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failure = fmt.Sprintf(format, args...)
	panic(r.failure)
}
