package spent_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/spent"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

func TestUse(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h, other := tenancytest.Tenant(t, env, "acme"), tenancytest.Tenant(t, env, "beta")
		expires := env.Clock.Now().Add(time.Minute)
		use := func(h tenancy.Handle, kind spent.Kind, by, jti string) (first bool) {
			t.Helper()
			require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				first, err = spent.Use(tx, kind, by, jti, expires)
				return err
			}))
			return first
		}
		require.True(t, use(h, spent.IDJAG, "issuer", "1"))
		require.False(t, use(h, spent.IDJAG, "issuer", "1"))
		require.True(t, use(h, spent.ClientAssertion, "issuer", "1"), "a kind has names of its own")
		require.True(t, use(h, spent.IDJAG, "issuer1", ""), "and so has whoever chose it: what is theirs cannot be moved over")
		require.True(t, use(h, spent.IDJAG, "issue", "r1"))
		require.True(t, use(other, spent.IDJAG, "issuer", "1"))

		var firsts atomic.Int64
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if use(h, spent.DPoP, "key", "1") {
					firsts.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int64(1), firsts.Load())

		sweep := func() {
			require.NoError(t, env.DB.System(t.Context(), tenancy.ReasonSweep, func(tx *tenancy.Tx) error { return spent.Sweep(tx, tx.Now()) }))
		}
		env.Clock.Advance(time.Minute)
		sweep()
		require.False(t, use(h, spent.IDJAG, "issuer", "1"), "remembered to its last moment")
		env.Clock.Advance(time.Microsecond)
		sweep()
		require.True(t, use(h, spent.IDJAG, "issuer", "1"))
	})
}
