package archtest

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the floor plan into .golangci.yml")

// TestDepguardMirrorsThePlan keeps the linter's copy of the direct rules equal
// to the plan.
func TestDepguardMirrorsThePlan(t *testing.T) {
	t.Parallel()

	const file = "../../.golangci.yml"
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(content), depguardBegin)
	require.True(t, ok, "%s has no line %q", file, depguardBegin)
	_, after, ok := strings.Cut(rest, depguardEnd)
	require.True(t, ok, "%s has no line %q", file, depguardEnd)

	want := before + depguardRules("github.com/emcy/gateway") + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(content), "run make gen")
}
