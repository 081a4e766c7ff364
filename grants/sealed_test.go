package grants_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/seal"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// TestASealedTokenOpensInItsPlaceOnly: in another row, another column, another tenant
// and another table it does not.
func TestASealedTokenOpensInItsPlaceOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		mine := b.connect(t, b.a, b.profile, ada)
		other := b.connect(t, b.a, b.profile, "acc_grace")
		foreign := b.connect(t, b.b, b.newProfile(t, b.b, "Todo"), ada)
		copied := func(to, column, from, source string) string {
			return fmt.Sprintf("update grants set %s = (select %s from grants where id = '%s') where id = '%s'", column, source, from, to)
		}
		kept := map[string][2][]byte{}
		for _, id := range []string{mine.ID, other.ID} {
			access, refresh := b.sealed(t, id)
			kept[id] = [2][]byte{access, refresh}
		}
		for name, change := range map[string]string{
			"another row":    copied(mine.ID, "access_token", other.ID, "access_token"),
			"another column": copied(mine.ID, "access_token", mine.ID, "refresh_token"),
			"another tenant": copied(mine.ID, "access_token", foreign.ID, "access_token"),
		} {
			b.statement(t, change, change)
			_, err := b.service.Resolve(t.Context(), b.a, b.query())
			require.ErrorIs(t, err, seal.ErrOpen, name)
			b.restore(t, mine.ID, kept[mine.ID][0])
		}
		swap := copied(mine.ID, "refresh_token", other.ID, "refresh_token")
		b.statement(t, swap, swap)
		_, err := b.service.Refresh(t.Context(), b.a, mine.ID, mine.Generation, grants.ForCall)
		require.ErrorIs(t, err, seal.ErrOpen)
		require.Zero(t, b.provider.RefreshRequests(), "nothing of somebody else's is sent")

		// Two revocations change their tokens.
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, "acc_grace", other.ID))
		require.NoError(t, b.service.Disconnect(t.Context(), b.b, ada, foreign.ID))
		moved := fmt.Sprintf("update grant_revocations set tokens = (select tokens from grant_revocations where grant_id = '%s') where grant_id = '%s'", foreign.ID, other.ID)
		b.statement(t, moved, moved)
		var id string
		b.row(t, "select id from grant_revocations where grant_id = '"+other.ID+"'", &id)
		require.ErrorIs(t, b.service.RevokeOne(t.Context(), b.a, id), seal.ErrOpen)
		require.Zero(t, b.provider.Revocations())
	})
}

func (b *bundle) sealed(t *testing.T, id string) (access, refresh []byte) {
	t.Helper()
	b.row(t, "select access_token, refresh_token from grants where id = '"+id+"'", &access, &refresh)
	return access, refresh
}

func (b *bundle) restore(t *testing.T, id string, access []byte) {
	t.Helper()
	hex := fmt.Sprintf("%x", access)
	b.statement(t, `update grants set access_token = decode('`+hex+`', 'hex') where id = '`+id+`'`, `update grants set access_token = x'`+hex+`' where id = '`+id+`'`)
}

// row reads one row past all fences.
func (b *bundle) row(t *testing.T, query string, into ...any) {
	t.Helper()
	pool, lite := b.DB.Native()
	if pool != nil {
		require.NoError(t, pool.QueryRow(t.Context(), query).Scan(into...))
		return
	}
	require.NoError(t, lite.QueryRowContext(t.Context(), query).Scan(into...))
}

// TestNoTokenInTheClear: a token, a key and a refresh token are nowhere in the database,
// its files, its queue, or in what people are told; one that is planted is found.
func TestNoTokenInTheClear(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		b.pass(t, time.Hour)
		b.token(t)
		b.write(t, b.a, func(tx *tenancy.Tx) error { return b.service.RequestRefresh(tx, g.ID) })
		key := "canary_" + ids.Secret("key")
		keys := b.keyProfile(t)
		b.write(t, b.a, func(tx *tenancy.Tx) error {
			_, err := b.service.SaveKey(tx, keys.ID, ada, secret.New(key))
			return err
		})
		require.NoError(t, b.service.Disconnect(t.Context(), b.a, ada, g.ID))
		minted := append([]string{key}, b.provider.Secrets()...)
		require.Greater(t, len(minted), 4)
		for _, value := range minted {
			require.Empty(t, tenancytest.Find(t, b.Env, value))
			require.NotContains(t, fmt.Sprint(b.told.notices), value)
		}
		b.save(t, b.a, grants.Connected{
			ProfileID: b.profile.ID, Subject: "acc_leak", Account: provider.Account{ID: "x", Name: minted[1]},
			Tokens: provider.Tokens{Access: secret.New("canary_x")}, ClientGeneration: 1,
		})
		require.NotEmpty(t, tenancytest.Find(t, b.Env, minted[1]), "the search finds what is there")
	})
}
