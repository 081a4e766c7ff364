package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFormTarget(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://claude.ai/cb":    "https:",
		"http://localhost:1/cb":   "http://localhost:* http://127.0.0.1:* https:",
		"http://[::1]:1/cb":       "http: https:",
		"cursor://anysphere/cb":   "cursor:",
		"com.example.app:/signed": "com.example.app:",
	} {
		require.Equal(t, want, formTarget(uri), uri)
	}
}
