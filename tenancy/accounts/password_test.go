package accounts

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/errs"
)

func TestStoredHash(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bundle) {
		one := b.row(t, b.signUp(t, "ada@example.com").ID)
		two := b.row(t, b.signUp(t, "eve@example.com").ID)
		require.Regexp(t, `^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`, one.PasswordHash)
		require.NotEqual(t, one.PasswordHash, two.PasswordHash, "one password, two salts")
		require.NotContains(t, strings.Join([]string{one.Email, one.EmailKey, one.Name, one.PasswordHash}, " "), "canary")
	})
}

func TestCheckKnowsItsOwnHashesOnly(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap)
	stored, err := h.hash(t.Context(), "Z\u0065\u0308bra crossing")
	require.NoError(t, err)
	for password, want := range map[string]bool{"Z\u00ebbra crossing": true, "Z\u0065\u0308bra crossing": true, "zëbra crossing": false, "": false, stored: false} {
		got, err := h.check(t.Context(), stored, password)
		require.NoError(t, err)
		require.Equal(t, want, got, password)
	}
	for _, damaged := range []string{
		"x", "$argon2i$v=19$m=64,t=1,p=1$AAAA$AAAA", "$argon2id$v=18$m=64,t=1,p=1$AAAA$AAAA",
		"$argon2id$v=19$m=64,p=1$AAAA$AAAA", "$argon2id$v=19$m=64,t=0,p=1$AAAA$AAAA", "$argon2id$v=19$m=64,t=1,p=1$!$AAAA",
	} {
		ok, err := h.check(t.Context(), damaged, "password")
		require.Error(t, err, damaged)
		require.False(t, ok)
		require.NotContains(t, err.Error(), "AAAA")
	}
	require.False(t, h.outdated(stored))
	require.False(t, h.outdated(""))
}

func TestDefaultCostIsAboveTheFloor(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, DefaultCost.MemoryKiB, uint32(19<<10))
	require.GreaterOrEqual(t, DefaultCost.Passes, uint32(2))
}

// TestNoMoreHashesAtOnceThanTurns is what keeps sign-ins from taking the machine.
func TestNoMoreHashesAtOnceThanTurns(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap)
	require.GreaterOrEqual(t, cap(h.turns), 1)
	const turns = 2
	h.turns, h.wait = make(chan struct{}, turns), time.Hour
	var running, most atomic.Int64
	full := make(chan struct{})
	var once sync.Once
	h.derive = func(cost Cost, password, salt []byte) []byte {
		now := running.Add(1)
		defer running.Add(-1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		if now == turns {
			once.Do(func() { close(full) })
		}
		<-full // both turns are taken before the first ends
		return argon2id(cost, password, salt)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := h.check(t.Context(), "", "password"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, turns, most.Load())
	require.Empty(t, h.turns, "every turn is given back")
}

func TestWaitingForATurnEnds(t *testing.T) {
	t.Parallel()
	h := newHasher(cheap)
	h.turns = make(chan struct{}, 1)
	h.turns <- struct{}{}
	h.wait = time.Millisecond
	_, err := h.hash(t.Context(), "password")
	requireKind(t, err, errs.RateLimited)
	var limited *errs.Error
	require.ErrorAs(t, err, &limited)
	require.Equal(t, h.wait, limited.RetryAfter)

	h.wait = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.check(ctx, "", "password")
	requireKind(t, err, errs.Canceled)
	require.Len(t, h.turns, 1)
}
