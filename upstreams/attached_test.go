package upstreams_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

type newProfileRow struct {
	TenantID, ID, Name, Kind, Preset, Issuer, Settings string
	CreatedAt, UpdatedAt                               time.Time
}

func (newProfileRow) TableName() string { return "profiles" }

type newAttachmentRow struct {
	TenantID, UpstreamID, ProfileID string
	CreatedAt                       time.Time
}

func (newAttachmentRow) TableName() string { return "profile_upstreams" }

// TestPeoplesTokensStayWithTheirHost: a runtime that gets people's own access moves to
// another host only by the hand of somebody who may say who gets it.
func TestPeoplesTokensStayWithTheirHost(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		const here, path, elsewhere = "http://127.0.0.1:9/mcp", "http://127.0.0.1:9/other", "http://127.0.0.1:10/mcp"
		plain := b.create(t, b.a, input("plain", here))
		u := b.create(t, b.a, input("files", here))
		require.NoError(t, b.DB.Write(t.Context(), b.a, func(tx *tenancy.Tx) error {
			now := tx.Now()
			if err := tx.DB().Create(&newProfileRow{tx.Tenant(), "prf_1", "Todo", "oauth", "generic", "https://as.example", "{}", now, now}).Error; err != nil {
				return err
			}
			return tx.DB().Create(&newAttachmentRow{tx.Tenant(), u.ID, "prf_1", now}).Error
		}))
		before := b.get(t, b.a, "files")
		_, _, err := b.registry.Update(t.Context(), b.a, "files", input("", elsewhere), u.Version)
		requireKind(t, err, errs.Invalid)
		require.Contains(t, errs.FieldsOf(err)["url"], "another host")
		require.Equal(t, before, b.get(t, b.a, "files"))

		u, moved, err := b.registry.Update(t.Context(), b.a, "files", input("", path), u.Version)
		require.NoError(t, err, "the same host is no move")
		require.False(t, moved)
		in := input("", elsewhere)
		in.MayMoveTokens = true
		_, moved, err = b.registry.Update(t.Context(), b.a, "files", in, u.Version)
		require.NoError(t, err)
		require.True(t, moved)
		_, moved, err = b.registry.Update(t.Context(), b.a, "plain", input("", elsewhere), plain.Version)
		require.NoError(t, err, "no tokens go there")
		require.True(t, moved)
	})
}
