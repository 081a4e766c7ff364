package logx

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/secret"
)

func TestNew(t *testing.T) {
	t.Parallel()
	for _, asJSON := range []bool{true, false} {
		var out bytes.Buffer
		log := New(&out, slog.LevelInfo, asJSON)
		log.Debug("not shown")
		require.Empty(t, out.String())
		log.Info("shown", Tenant, "tnt_1", Err, errors.New("boom"), "secret", secret.New("canary"))
		require.Contains(t, out.String(), "tnt_1")
		require.Contains(t, out.String(), "boom")
		require.NotContains(t, out.String(), "canary")
		require.Equal(t, asJSON, json.Valid(out.Bytes()))
	}
}
