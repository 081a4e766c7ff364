package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/secret"
)

func TestNoRenderingShowsTheValue(t *testing.T) {
	t.Parallel()
	const canary = "canary-7b1f"
	s := secret.New(canary)
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "s", s, "nested", struct{ S secret.Text }{s})
	encoded, err := json.Marshal(map[string]any{"s": s})
	require.NoError(t, err)
	for _, out := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%+v", struct{ S secret.Text }{s}),
		logged.String(), string(encoded),
	} {
		require.NotContains(t, out, canary)
		require.Contains(t, out, "[sealed]")
	}
	require.Equal(t, canary, s.Reveal())
}
