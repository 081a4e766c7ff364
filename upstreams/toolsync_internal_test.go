package upstreams

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/upstreams/probe"
)

// TestAListFromBeforeTheStoredOneIsGivenUp: by its revision alone, whoever lets two of them happen.
func TestAListFromBeforeTheStoredOneIsGivenUp(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		a := tenancytest.Tenant(t, env, "alpha")
		sync := func(seen int64, hash string) (out ToolSync, err error) {
			err = env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
				out, err = syncTools(tx, "ups_1", seen, &probe.Listing{Definitions: []probe.Definition{{Name: "a", JSON: `{"name":"a"}`, Hash: hash}}})
				return err
			})
			return out, err
		}
		require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
			now := tx.Now()
			return tx.DB().Create(&upstreamRow{TenantID: tx.Tenant(), ID: "ups_1", Slug: "files", WorkerSecret: []byte("x"), State: string(Waiting), CreatedAt: now, UpdatedAt: now}).Error
		}))
		_, err := sync(1, "h1")
		require.True(t, errs.Is(err, errs.Conflict), "nothing is stored yet")
		got, err := sync(0, "h1")
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Revision)
		_, err = sync(0, "h2")
		require.True(t, errs.Is(err, errs.Conflict))
		got, err = sync(1, "h2")
		require.NoError(t, err)
		require.Equal(t, ToolSync{Listed: true, Revision: 2, Changed: 1}, got)
		_, err = sync(1, "h3")
		require.True(t, errs.Is(err, errs.Conflict), "it began before h2 was stored")
	})
}
