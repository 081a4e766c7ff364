package jobs_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// TestAGrantsJobIsAskedForOnce, names ids only, and works with the tenant's handle.
func TestAGrantsJobIsAskedForOnce(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q := newQueue(t, env)
		a, b := tenancytest.Tenant(t, env, "alpha"), tenancytest.Tenant(t, env, "beta")
		for _, h := range []tenancy.Handle{a, a, b} {
			require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
				require.NoError(t, q.EnqueueRefresh(tx, grants.RefreshArgs{TenantID: tx.Tenant(), GrantID: "grt_1"}))
				require.NoError(t, q.EnqueueRefreshNow(tx, grants.RefreshNowArgs{TenantID: tx.Tenant(), GrantID: "grt_1"}))
				return q.EnqueueRevoke(tx, grants.RevokeArgs{TenantID: tx.Tenant(), RevocationID: "rvk_1"})
			}))
		}
		all := listJobs(t, env)
		require.Len(t, all, 6, "three kinds, two tenants")
		for _, j := range all {
			var args map[string]string
			require.NoError(t, json.Unmarshal([]byte(j.Args), &args))
			require.Len(t, args, 2)
		}
		require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
			return q.EnqueueRefresh(tx, grants.RefreshArgs{TenantID: "tnt_gone", GrantID: "grt_1"})
		}))
		w := newWork()
		start(t, q, w.jobs())
		eventually(t, "all run", func() bool { return len(w.get().grants) == 6 })
		var want []string
		for _, h := range []tenancy.Handle{a, b} {
			want = append(want, "refresh "+h.Tenant()+" grt_1", "refresh_now "+h.Tenant()+" grt_1", "revoke "+h.Tenant()+" rvk_1")
		}
		require.ElementsMatch(t, want, w.get().grants)
		eventually(t, "the job of a workspace that is gone gives up", func() bool {
			for _, j := range ofKind(listJobs(t, env), "grants.refresh") {
				if j.State == "cancelled" {
					return true
				}
			}
			return false
		})
	})
}

// TestADeadGrantsJobIsOver: what only a person can help is not tried again.
func TestADeadGrantsJobIsOver(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		q, a := newQueue(t, env), tenancytest.Tenant(t, env, "alpha")
		w := newWork()
		w.answer = errs.E(errs.DownstreamRejected, "It is dead.", nil)
		require.NoError(t, env.DB.Write(t.Context(), a, func(tx *tenancy.Tx) error {
			return q.EnqueueRefresh(tx, grants.RefreshArgs{TenantID: tx.Tenant(), GrantID: "grt_1"})
		}))
		start(t, q, w.jobs())
		eventually(t, "it is cancelled", func() bool {
			one := ofKind(listJobs(t, env), "grants.refresh")
			return len(one) == 1 && one[0].State == "cancelled"
		})
	})
}
