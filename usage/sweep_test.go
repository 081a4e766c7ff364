package usage_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/usage"
)

// TestSweep has more old events than one transaction deletes.
func TestSweep(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		many := tenancytest.Tenant(t, env, "acme")
		few := tenancytest.Tenant(t, env, "globex")
		tenancytest.Tenant(t, env, "initech") // without events
		r, err := usage.New(usage.Config{DB: env.DB, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		const old = 5003
		for n := range old + 2 {
			r.Record(sample(many.Tenant(), n))
		}
		r.Record(sample(few.Tenant(), 1))
		r.Record(sample(few.Tenant(), old+1))
		require.NoError(t, r.Start())
		require.NoError(t, r.Stop(t.Context()), "stop stores what is there")
		log := usage.NewLog(env.DB)
		first := func(h tenancy.Handle) bool {
			events := list(t, env.DB, h, usage.Query{Before: sample(h.Tenant(), 2).ID})
			return len(events) > 0
		}

		env.Clock.Advance(usage.Retention)
		require.NoError(t, log.Sweep(t.Context()))
		require.True(t, first(many), "an event that is just as old is kept")

		env.Clock.Advance(old * time.Millisecond)
		ended, end := context.WithCancel(t.Context())
		end()
		require.ErrorIs(t, log.Sweep(ended), context.Canceled)
		require.True(t, first(many))

		require.NoError(t, log.Sweep(t.Context()))
		for h, requests := range map[tenancy.Handle][]string{many: {"req_5004", "req_5003"}, few: {"req_5004"}} {
			var left []string
			for _, e := range list(t, env.DB, h, usage.Query{}) {
				left = append(left, e.RequestID)
			}
			require.Equal(t, requests, left)
		}
		require.NoError(t, log.Sweep(t.Context()), "nothing is left to delete")
	})
}
