//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/shots/tour"
	"github.com/emcy/gateway/ui/stories"
)

// TestAccessibility walks the pages of a filled gateway and every state of the kit with axe-core, light and dark, wide
// and narrow. It fails on any violation of WCAG 2.2 AA or of axe's best practice, on a page that scrolls sideways, on
// an error in the console and on a broken security policy.
func TestAccessibility(t *testing.T) {
	t.Parallel()

	requireFile(t, "node_modules/axe-core/axe.js", "axe-core")
	g := newGateway(t, sqlite, freePorts(t, 4))
	filled, err := tour.Walk(t.Context(), g.Console)
	require.NoError(t, err)
	t.Cleanup(filled.Close)

	artifacts := filepath.Join(root(), ".cache/e2e", t.Name())
	require.NoError(t, os.RemoveAll(artifacts))
	require.NoError(t, os.MkdirAll(artifacts, 0o700))
	var screens []string
	for _, story := range stories.Screens("", stories.Plain) {
		if !story.Fragment {
			screens = append(screens, story.Name)
		}
	}
	runDriver(t, "axe.mjs", map[string]any{
		"console":   g.Console,
		"chromium":  requireProgram(t, "chromium", "chromium-browser", "google-chrome"),
		"artifacts": artifacts,
		"pages":     filled.Stops,
		"screens":   screens,
	})

	log, err := os.ReadFile(g.Log)
	require.NoError(t, err)
	// The last page breaks the policy on purpose, to show that it would be found.
	require.NotContains(t, string(log), `"page":"/northwind`)
}
