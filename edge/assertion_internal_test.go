package edge

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAssertionsForgetWhatIsOfNoUse(t *testing.T) {
	t.Parallel()
	var s assertions
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	who := func(i int) caller { return caller{subject: fmt.Sprint(i)} }
	require.Nil(t, s.get(who(0)))
	for i := range 3 * maxAssertions {
		s.put(who(i), &assertion{made: now})
		require.NotNil(t, s.get(who(i)))
		require.LessOrEqual(t, len(s.young)+len(s.old), 2*maxAssertions)
	}
	require.Nil(t, s.get(who(0)), "the oldest fall out first")
	require.NotNil(t, s.get(who(2*maxAssertions)))

	kept := who(3*maxAssertions - 1)
	s.put(who(-1), &assertion{made: now.Add(assertionReuse)})
	require.NotNil(t, s.get(kept), "nothing goes before its time")
	s.put(who(-2), &assertion{made: now.Add(2 * assertionReuse)})
	require.Nil(t, s.get(kept))
	require.NotNil(t, s.get(who(-1)))
}
