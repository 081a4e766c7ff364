package notify

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/notify/mail"
)

// TestTimesFitIntoEachOther: what is being sent is over before another process may take
// it, and a run with its last message before the queue gives up on the job.
func TestTimesFitIntoEachOther(t *testing.T) {
	t.Parallel()
	const job = time.Minute
	const onePost = 2 * mail.Timeout // to connect, and to hand over
	require.Less(t, onePost+settleFor, leaseFor)
	require.Less(t, webhookTimeout+settleFor, leaseFor)
	require.Less(t, runFor+onePost+settleFor, job)
	require.Less(t, userWindow, AlertWindow)
	sum := time.Duration(0)
	for _, wait := range retries {
		sum += wait
	}
	require.Greater(t, sum, disableAfter, "a webhook is turned off before a message that it refused is given up")
	require.Greater(t, keepFor, sum)
}

// TestEventsAreDocumented: each has words, and names for its data that no other has twice.
func TestEventsAreDocumented(t *testing.T) {
	t.Parallel()
	seen := map[Event]bool{}
	for _, k := range kinds {
		require.False(t, seen[k.Event], k.Event)
		seen[k.Event] = true
		require.NotEmpty(t, k.Title)
		require.NotEmpty(t, k.Text)
		require.NotEmpty(t, k.Severity)
		names := map[string]bool{}
		for _, d := range k.Data {
			require.False(t, names[d.Name], "%s %s", k.Event, d.Name)
			require.NotEmpty(t, d.What)
			names[d.Name] = true
		}
	}
	require.Len(t, Kinds(), 6)
}
