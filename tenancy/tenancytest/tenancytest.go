package tenancytest

import (
	"bytes"
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/dbtest"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/migrations"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/workspaces"
)

// Start is when every test's manual clock begins.
var Start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Env is an open gate on one of the two databases.
type Env struct {
	DB    *tenancy.DB
	Clock *clock.Manual
	// URL is the PostgreSQL URL, or empty on SQLite, where Path is set.
	URL, Path string
}

// Each runs the test on SQLite and on PostgreSQL.
func Each(t *testing.T, test func(t *testing.T, env Env)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, SQLite(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, Postgres(t)) })
}

// KEK is the key of all tests.
func KEK(t testing.TB) *seal.KEK {
	t.Helper()
	raw := bytes.Repeat([]byte("k"), 32)
	raw[0] = 'K'
	kek, err := seal.NewKEK(raw)
	require.NoError(t, err)
	return kek
}

// SQLite opens a migrated SQLite database of the test's own.
func SQLite(t testing.TB) Env {
	t.Helper()
	return open(t, Env{Path: dbtest.SQLite(t)})
}

// Postgres opens a migrated PostgreSQL database of the test's own.
func Postgres(t testing.TB) Env {
	t.Helper()
	digest, err := dbtest.Digest(migrations.Files)
	require.NoError(t, err)
	url := dbtest.Postgres(t, "emcy-"+digest, func(ctx context.Context, url string) error {
		db, err := tenancy.Open(ctx, tenancy.Config{DatabaseURL: url, KEK: KEK(t), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		return db.Migrate(ctx)
	})
	return open(t, Env{URL: url})
}

func open(t testing.TB, env Env) Env {
	t.Helper()
	env.Clock = clock.NewManual(Start)
	db, err := tenancy.Open(t.Context(), tenancy.Config{DatabaseURL: env.URL, SQLitePath: env.Path, KEK: KEK(t), Clock: env.Clock, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, db.Migrate(t.Context()))
	env.DB = db
	return env
}

// Tenant makes a tenant with that slug, at https://{slug}.mcp.test, and its owner.
func Tenant(t testing.TB, env Env, slug string) tenancy.Handle {
	t.Helper()
	account := Account(t, env, slug+"-owner@example.com")
	ws := workspaces.New(env.DB, workspaces.Placement{Pattern: "https://{tenant}.mcp.test"}, func(*tenancy.Tx) error { return nil })
	created, err := ws.Create(t.Context(), account, "Workspace "+slug, slug)
	require.NoError(t, err)
	h, _, err := env.DB.ForMember(t.Context(), account, created.Slug)
	require.NoError(t, err)
	return h
}

type accountRow struct {
	ID, Email, EmailKey, Name, PasswordHash string
	CreatedAt                               time.Time
}

func (accountRow) TableName() string { return "accounts" }

// Account makes a person who has no password.
func Account(t testing.TB, env Env, email string) string {
	t.Helper()
	row := accountRow{ID: ids.New("acc"), Email: email, EmailKey: email, Name: email, CreatedAt: env.Clock.Now()}
	require.NoError(t, env.DB.System(t.Context(), tenancy.ReasonAccounts, func(tx *tenancy.Tx) error { return tx.DB().Create(&row).Error }))
	return row.ID
}
