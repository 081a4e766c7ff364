package clients

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCleanName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Claude Code":                 "Claude Code",
		" \t two\u2028 \u00a0 words ": "two words",
		"\u202egnp.exe\u202c":         "gnp.exe",
		"a\x00b\u200bc\ufeffd\u2066e": "abcde",
		"e\u0301":                     "é",
		"\u3164\u115f\u2800":          "",
		"\xff\xfebad":                 "bad",
	} {
		require.Equal(t, want, cleanName(name), "%q", name)
	}
	long := ""
	for range 10_000 {
		long += "😀"
	}
	require.Len(t, []rune(cleanName(long)), maxClientName)
}
