package usage_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/usage"
)

// TestRecent: a person's calls through one client at one runtime, and nobody else's.
func TestRecent(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "acme")
		other := tenancytest.Tenant(t, env, "globex")
		r := recorder(t, env.DB, t.TempDir(), quick)
		require.NoError(t, r.Start())
		for n := range 12 {
			r.Record(sample(h.Tenant(), n))
		}
		strangers := sample(h.Tenant(), 20)
		strangers.Subject = "acc_2"
		elsewhere := sample(h.Tenant(), 21)
		elsewhere.UpstreamID = "ups_2"
		through := sample(h.Tenant(), 22)
		through.ClientID = "cli_2"
		r.Record(strangers)
		r.Record(elsewhere)
		r.Record(through)
		r.Record(sample(other.Tenant(), 23))
		waitForEvents(t, env.DB, h, 15)
		waitForEvents(t, env.DB, other, 1)

		got, err := usage.NewLog(env.DB).Recent(t.Context(), h, "acc_1", "cli_1", "ups_1", 10)
		require.NoError(t, err)
		require.Len(t, got, 10)
		require.Equal(t, "req_11", got[0].RequestID, "the newest first")
		require.Equal(t, "req_2", got[9].RequestID)
	})
}
