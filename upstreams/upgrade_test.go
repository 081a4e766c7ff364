package upstreams_test

import (
	"io/fs"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/migrations"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
)

// downTo takes the schema back to an older version, with the rows that it has.
func (b *bundle) downTo(t *testing.T, version int64) {
	t.Helper()
	pool, db := b.DB.Native()
	dialect, dir := goose.DialectSQLite3, "sqlite"
	if pool != nil {
		db = stdlib.OpenDBFromPool(pool)
		defer func() { require.NoError(t, db.Close()) }()
		dialect, dir = goose.DialectPostgres, "postgres"
	}
	files, err := fs.Sub(migrations.Files, dir)
	require.NoError(t, err)
	provider, err := goose.NewProvider(dialect, db, files)
	require.NoError(t, err)
	_, err = provider.DownTo(t.Context(), version)
	require.NoError(t, err)
}

// reported is a runtime's row as the first version wrote it: the tools are in the report.
type reported struct{ TenantID, ID, Report, State string }

func (reported) TableName() string { return "upstreams" }

// TestUpgradeFromTheFirstSchema: a database from before there was a snapshot keeps its rows, reads its old reports, and has
// a snapshot after the next probe.
func TestUpgradeFromTheFirstSchema(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		l := start(t, tool("a", "First."))
		u := b.create(t, b.a, input("files", l.URL(), "X-Key", "canary"))
		secret := b.secret(t, b.a, "files")
		b.downTo(t, 1)
		require.NoError(t, b.DB.System(t.Context(), tenancy.ReasonSweep, func(tx *tenancy.Tx) error {
			return tx.DB().Model(&reported{}).Where("id = ?", u.ID).Updates(map[string]any{
				"state": "ready", "report": `{"state":"ready","url":"` + l.URL() + `","steps":[],"tools":[{"name":"a","input_schema":{},"hash":"x","approx_tokens":3,"warnings":[{"code":"slow","words":"w"}]}],"warnings":[]}`,
			}).Error
		}))
		require.NoError(t, b.DB.Migrate(t.Context()))

		got := b.get(t, b.a, "files")
		require.Equal(t, upstreams.Ready, got.State)
		require.Equal(t, []string{"X-Key"}, got.HeaderNames)
		require.Equal(t, secret, b.secret(t, b.a, "files"))
		require.Equal(t, 1, got.Report.ToolCount)
		require.Equal(t, "a", got.Report.Warnings[0].Tool)
		require.Zero(t, b.tools(t, b.a, "files").Revision)
		require.Equal(t, 1, b.sync(t, "files").Added)
		require.Equal(t, []string{"a"}, names(b.tools(t, b.a, "files").Tools))
	})
}
