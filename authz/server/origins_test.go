package server_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
)

type originRow struct {
	Origin, TenantID string
	CreatedAt        time.Time
}

func (originRow) TableName() string { return "tenant_origins" }

// TestOriginsAreForgotten: an origin that is taken away is served for a second more,
// and not at all by a node that never served it; one that comes is served at once.
func TestOriginsAreForgotten(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		br := tn.browser()
		require.Equal(b.t, 200, br.get("/").status)
		require.NoError(b.t, b.env.DB.System(b.t.Context(), tenancy.ReasonOrigins, func(tx *tenancy.Tx) error {
			return tx.DB().Where("origin = ?", tn.issuer).Delete(&originRow{}).Error
		}))
		b.env.Clock.Advance(time.Second - time.Microsecond)
		require.Equal(b.t, 200, br.get("/").status)
		b.env.Clock.Advance(time.Microsecond)
		require.Equal(b.t, 404, br.get("/").status)
		require.NoError(b.t, b.env.DB.System(b.t.Context(), tenancy.ReasonOrigins, func(tx *tenancy.Tx) error {
			return tx.DB().Create(&originRow{Origin: tn.issuer, TenantID: tn.handle.Tenant(), CreatedAt: tx.Now()}).Error
		}))
		require.Equal(b.t, 200, br.get("/").status, "that there was none is not remembered")

		// A clock that is set back does not make an answer last.
		require.NoError(b.t, b.env.DB.System(b.t.Context(), tenancy.ReasonOrigins, func(tx *tenancy.Tx) error {
			return tx.DB().Where("origin = ?", tn.issuer).Delete(&originRow{}).Error
		}))
		b.env.Clock.Advance(-time.Hour)
		require.Equal(b.t, 404, br.get("/").status)
	})
}
