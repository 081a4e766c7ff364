package edge

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTokenCacheStaysBounded(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	const size = 8 * tokenShards
	c := newTokenCache(size)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				token := fmt.Sprintf("token-%d-%d", worker, i)
				c.put(token, &access{subject: token, expires: now.Add(time.Hour)}, now)
				if a := c.get(token); a != nil && a.subject != token {
					t.Errorf("%s gave %s", token, a.subject)
				}
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, c.len(), size)
	require.Greater(t, c.len(), size/2)
}

func TestTokenCacheGivesUpTheExpiredFirst(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	s := &tokenShard{entries: map[string]*access{
		"old": {expires: now}, "soon": {expires: now.Add(time.Minute)}, "late": {expires: now.Add(time.Hour)},
	}}
	s.evict(now)
	require.NotContains(t, s.entries, "old")
	require.Contains(t, s.entries, "late")
	delete(s.entries, "old")
	for len(s.entries) > 1 {
		s.evict(now)
	}
	require.Contains(t, s.entries, "late")
}
