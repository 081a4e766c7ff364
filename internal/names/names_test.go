package names

import (
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

func TestClean(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"":                         "",
		"  Acme \t Inc.\r\n":       "Acme Inc.",
		"a\x00b":                   "ab",
		"pay\u202epal":             "paypal",
		"zero\u200bwidth\ufeff":    "zerowidth",
		"broken \xff\xfe":          "broken",
		"line\u2028break":          "line break",
		"Zoe\u0308":                "Zo\u00eb",
		"日本 株式会社":                  "日本 株式会社",
		"\u2066\u2069\u00ad\ue000": "",
	} {
		require.Equal(t, want, Clean(typed), "%q", typed)
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"Acme", "a\x00", "\u202e", "e\u0301\u200d\u0301", "\u1100\u200b\u1161"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		clean := Clean(typed)
		require.True(t, utf8.ValidString(clean))
		require.NotContains(t, clean, "\x00")
		require.Equal(t, clean, Clean(clean), "cleaning is done once")
		require.True(t, norm.NFC.IsNormalString(clean))
	})
}
