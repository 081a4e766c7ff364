package accounts

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// cheap keeps the tests fast; what is tested does not depend on the price.
var cheap = Cost{MemoryKiB: 64, Passes: 1}

const (
	goodPassword = "canary password of ours"
	address      = "192.0.2.1"
)

type bundle struct {
	tenancytest.Env
	accounts *Accounts
	// hashed counts argon2id runs, and worked sums what they cost.
	hashed, worked *atomic.Int64
}

func setup(env tenancytest.Env) bundle {
	b := bundle{Env: env, accounts: New(env.DB, cheap), hashed: &atomic.Int64{}, worked: &atomic.Int64{}}
	real := b.accounts.hasher.derive
	b.accounts.hasher.derive = func(cost Cost, password, salt []byte) []byte {
		b.hashed.Add(1)
		b.worked.Add(int64(cost.MemoryKiB) * int64(cost.Passes))
		return real(cost, password, salt)
	}
	return b
}

func each(t *testing.T, test func(t *testing.T, b bundle)) {
	t.Helper()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) { test(t, setup(env)) })
}

func (b bundle) signUp(t *testing.T, email string) Account {
	t.Helper()
	a, err := b.accounts.SignUp(t.Context(), "Ada", email, goodPassword, "192.0.2.1")
	require.NoError(t, err)
	return a
}

func (b bundle) row(t *testing.T, id string) accountRow {
	t.Helper()
	var row accountRow
	require.NoError(t, b.DB.SystemRead(t.Context(), tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		return tx.DB().Where("id = ?", id).First(&row).Error
	}))
	return row
}

func (b bundle) sessions(t *testing.T) []sessionRow {
	t.Helper()
	var rows []sessionRow
	require.NoError(t, b.DB.SystemRead(t.Context(), tenancy.ReasonAccounts, func(tx *tenancy.Tx) error {
		return tx.DB().Order("created_at, id_hash").Find(&rows).Error
	}))
	return rows
}

func requireKind(t *testing.T, err error, want errs.Kind) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, want, errs.KindOf(err), "%v", err)
}
