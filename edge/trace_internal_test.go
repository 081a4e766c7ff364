package edge

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestToldOnce: of many requests at once, one is the first.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	var one told
	var mu sync.Mutex
	counts := map[string]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				for _, step := range []string{TraceFirstRequest, TraceToolsList, TraceFirstCall} {
					for _, ok := range []bool{true, false} {
						if one.first(step, ok) {
							mu.Lock()
							counts[step+map[bool]string{true: "", false: "!"}[ok]]++
							mu.Unlock()
						}
					}
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, map[string]int{
		TraceFirstRequest: 1, TraceFirstRequest + "!": 1, TraceToolsList: 1, TraceToolsList + "!": 1, TraceFirstCall: 1, TraceFirstCall + "!": 1,
	}, counts)
}
