package jobs

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// TestWhatTheQueueBeginsIsASavepoint: it may roll its own part back, and it can
// neither commit nor end what is the gate's.
func TestWhatTheQueueBeginsIsASavepoint(t *testing.T) {
	t.Parallel()
	env := tenancytest.Postgres(t)
	a := tenancytest.Tenant(t, env, "alpha")
	require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
		return tx.Pgx(func(conn *pgx.Conn) error {
			ctx := tx.Context()
			outer := &outerTx{conn: conn, points: new(int)}
			require.ErrorIs(t, outer.Commit(ctx), errOuter)
			require.ErrorIs(t, outer.Rollback(ctx), pgx.ErrTxClosed)

			one, err := outer.Begin(ctx)
			require.NoError(t, err)
			_, err = one.Exec(ctx, "select set_config('app.probe', 'kept', true)")
			require.NoError(t, err)
			two, err := one.Begin(ctx)
			require.NoError(t, err)
			_, err = two.Exec(ctx, "select 1/0")
			require.Error(t, err)
			require.NoError(t, two.Rollback(ctx), "a failed statement inside is undone alone")
			require.ErrorIs(t, two.Rollback(ctx), pgx.ErrTxClosed)
			require.NoError(t, one.Commit(ctx))
			require.ErrorIs(t, one.Commit(ctx), errOuter)

			var kept string
			require.NoError(t, outer.QueryRow(ctx, "select current_setting('app.probe')").Scan(&kept))
			require.Equal(t, "kept", kept)
			require.Same(t, conn, outer.Conn())
			return nil
		})
	}))
}
