package probe

import (
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommandsAskTheSame runs every command line in a shell: it reaches the runtime, says what the step
// said, and holds no secret.
func TestCommandsAskTheSame(t *testing.T) {
	t.Parallel()
	for _, answer := range []reply{modern(oneTool), legacy} {
		f := newFake(t, answer)
		headers := map[string]string{"X-It's-$i": "key-canary-7"}
		target := Target{URL: f.URL + "/it's/mcp?a=$(id)", Secret: testSecret, Headers: headers}
		r := probeTarget(t, target)
		require.Equal(t, StateReady, r.State, "%+v", r.Steps)
		for _, step := range []string{StepDiscover, StepInitialize, StepTools, StepPrompts, StepResources, StepWithSecret, StepWrongSecret, StepWithoutSecret, StepOwnAuth, StepLatency} {
			line := r.Command(step, DefaultSecretHeader, []string{"X-It's-$i"})
			require.NotContains(t, line, "canary", step)
			before := len(f.requests("POST"))
			cmd := exec.CommandContext(t.Context(), "sh", "-c", line) //nolint:gosec // it is what people are given to run
			cmd.Env = []string{"PATH=/usr/bin:/bin", "EMCY_WORKER_SHARED_SECRET=" + testSecret, "X_IT_S__I=key-canary-7", "MCP_SESSION=session-1"}
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s: %s", line, out)
			asked := f.requests("POST")
			require.Len(t, asked, before+1, line)
			got := asked[before]
			require.Equal(t, "/it's/mcp", got.Path)
			require.NotEmpty(t, got.Method)
			switch step {
			case StepWrongSecret:
				require.Equal(t, "wrong", got.Header.Get(DefaultSecretHeader))
			case StepWithoutSecret, StepOwnAuth:
				require.Empty(t, got.Header.Get(DefaultSecretHeader))
			default:
				require.Equal(t, testSecret, got.Header.Get(DefaultSecretHeader), line)
				require.Equal(t, "key-canary-7", got.Header.Get("X-It's-$i"), line)
			}
			if step == StepTools {
				require.Contains(t, string(out), `"inputSchema"`, line)
			}
		}
	}
	r := Report{URL: "javascript:alert(1)"}
	require.Empty(t, r.Command(StepDiscover, DefaultSecretHeader, nil))
	require.Empty(t, (&Report{URL: "https://x.example/mcp"}).Command(StepAddress, DefaultSecretHeader, nil))
	dead := newFake(t, func(w http.ResponseWriter, _ *http.Request, _ asked) { _, _ = io.WriteString(w, "x") })
	require.True(t, strings.HasPrefix((&Report{URL: dead.URL}).Command(StepConnect, "", nil), "curl -v "))
}
