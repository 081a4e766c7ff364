package tenancy_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/dbtest"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// plainOwner makes a login role that owns the database and is no superuser, as an
// installation has it, and gives its URL.
func plainOwner(t *testing.T, superuser, attributes string) string {
	t.Helper()
	name := strings.ToLower(ids.New("owner"))
	admin, err := pgx.Connect(t.Context(), superuser)
	require.NoError(t, err)
	database := admin.Config().Database
	for _, statement := range []string{
		"create role %[1]s login " + attributes,
		"alter database %[2]q owner to %[1]s",
		"alter schema public owner to %[1]s",
	} {
		_, err = admin.Exec(t.Context(), fmt.Sprintf(statement, name, database))
		require.NoError(t, err)
	}
	require.NoError(t, admin.Close(t.Context()))
	u, err := url.Parse(superuser)
	require.NoError(t, err)
	u.User = url.User(name)
	return u.String()
}

func empty(t *testing.T) string {
	t.Helper()
	return dbtest.Postgres(t, "empty", func(context.Context, string) error { return nil })
}

// TestPlainOwner: the database user of an installation is no superuser, to whom
// row-level security would mean nothing.
func TestPlainOwner(t *testing.T) {
	t.Parallel()
	open := func(url string) (*tenancy.DB, error) {
		return tenancy.Open(t.Context(), tenancy.Config{DatabaseURL: url, KEK: tenancytest.KEK(t), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	}
	db, err := open(plainOwner(t, empty(t), "createrole"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.Migrate(t.Context()))
	require.NoError(t, db.Migrate(t.Context()), "again, as at the next start")
	env := tenancytest.Env{DB: db, Clock: clock.NewManual(tenancytest.Start)}
	a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
	require.NoError(t, db.Write(t.Context(), a, func(tx *tenancy.Tx) error {
		row := newClient(tx, "cli_1", "x")
		return tx.DB().Create(&row).Error
	}))
	var seen []client
	require.NoError(t, db.Read(t.Context(), b, func(tx *tenancy.Tx) error { return tx.DB().Find(&seen).Error }))
	require.Empty(t, seen)

	db2, err := open(plainOwner(t, empty(t), ""))
	require.NoError(t, err)
	defer func() { require.NoError(t, db2.Close()) }()
	require.ErrorContains(t, db2.Migrate(t.Context()), "as an administrator of the database server run once", "a user without the right is told what is missing")
}
