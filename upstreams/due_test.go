package upstreams_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/upstreams"
	"github.com/emcy/gateway/upstreams/probe"
)

// asked takes the place of the queue, to see what is put into it.
type asked struct {
	args []upstreams.ProbeArgs
	err  error
}

func (a *asked) EnqueueProbe(_ *tenancy.Tx, args upstreams.ProbeArgs) error {
	a.args = append(a.args, args)
	return a.err
}

func (a *asked) take() []upstreams.ProbeArgs {
	out := a.args
	a.args = nil
	return out
}

// TestEveryRuntimeIsLookedAtTwiceAnHour: of every tenant, reachable or not, and not all at one moment.
func TestEveryRuntimeIsLookedAtTwiceAnHour(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		queue := &asked{}
		out := outbound.Config{AllowPrivate: true}
		b.registry = upstreams.New(b.DB, outbound.New(out), probe.New(probe.Config{Outbound: out, Clock: b.Clock}), b.revoker, queue)
		l := start(t, tool("a", "First."))
		began := b.Clock.Now()
		var all []upstreams.ProbeArgs
		for range 12 {
			for _, h := range []tenancy.Handle{b.a, b.b} {
				u, err := b.registry.Create(t.Context(), h, input("files-"+time.Duration(len(all)).String(), l.URL()))
				require.NoError(t, err)
				all = append(all, upstreams.ProbeArgs{TenantID: h.Tenant(), UpstreamID: u.ID})
			}
		}
		require.Equal(t, all, queue.take())
		due := func(after time.Duration) []upstreams.ProbeArgs {
			b.Clock.Advance(began.Add(after).Sub(b.Clock.Now()))
			require.NoError(t, b.registry.ProbeDue(t.Context()))
			return queue.take()
		}
		require.Empty(t, due(0))
		require.Empty(t, due(27*time.Minute-time.Second))
		var seen []int
		for minute := 27; minute <= 33; minute++ {
			seen = append(seen, len(due(time.Duration(minute)*time.Minute)))
		}
		require.True(t, slices.IsSorted(seen), "%v", seen)
		require.Greater(t, len(slices.Compact(slices.Clone(seen))), 3, "they are spread: %v", seen)
		require.ElementsMatch(t, all, due(33*time.Minute), "also those that no probe has ever been finished of")

		began = b.Clock.Now()
		_, err := b.registry.Probe(t.Context(), b.a, "files-"+time.Duration(0).String())
		require.NoError(t, err)
		require.ElementsMatch(t, all[1:], due(time.Minute), "who was looked at has time")
		require.ElementsMatch(t, all, due(33*time.Minute))

		queue.err = errors.New("the queue is full")
		require.ErrorIs(t, b.registry.ProbeDue(t.Context()), queue.err)
	})
}
