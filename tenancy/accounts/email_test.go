package accounts

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseEmail(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"ada@example.com":                    "ada@example.com",
		" Ada@Example.COM\t":                 "ada@example.com",
		"ada+tag@example.com":                "ada+tag@example.com",
		"o'hara!#$%&*/=?^_`{|}~@example.com": "o'hara!#$%&*/=?^_`{|}~@example.com",
		"ada@localhost":                      "ada@localhost",
		"ada@bücher.example":                 "ada@xn--bcher-kva.example",
		"ada@BÜCHER.example":                 "ada@xn--bcher-kva.example",
		"ada@xn--bcher-kva.example":          "ada@xn--bcher-kva.example",
		"ada@example。com":                    "ada@example.com", // what IDNA maps to a dot
		"ZOE\u0308@example.com":              "zoë@example.com",
		"ａｄａ@example.com":                    "ada@example.com",
		"\u212aelvin@example.com":            "kelvin@example.com",
	} {
		shown, key, ok := parseEmail(typed)
		require.True(t, ok, typed)
		require.Equal(t, want, key, typed)
		require.Equal(t, strings.TrimSpace(typed), shown)
	}
	for _, typed := range []string{
		"", "@", "ada", "ada@", "@example.com", "ada@@example.com", "ada@evil.com@example.com", "ada＠evil.com@example.com", "ada@example.com@",
		`"ada"@example.com`, `"a@b"@example.com`, "＂a＂@example.com", `a\@b@example.com`, "Ada <ada@example.com>", "<ada@example.com>", "ada@example.com (me)",
		"ada@example.com,eve@example.com", "ada@example.com;eve@example.com", "ada eve@example.com", "ada@exa mple.com", "ada@example.com\r\nBcc: eve@example.com",
		"ada@[127.0.0.1]", "ada@127.0.0.1:25", ".ada@example.com", "ada.@example.com", "a..da@example.com", "ada@.example.com", "ada@example..com", "ada@example.com.",
		"ada@-example.com", "ada@exam_ple.com", "ada@" + strings.Repeat("a", 64) + ".com", strings.Repeat("a", 250) + "@example.com",
		"a\x00da@example.com", "ada@exam\x00ple.com", "ada\u200b@example.com", "ada\u202e@example.com", "a\u00a0da@example.com", "\xff\xfe@example.com",
		"ada@xn--\u202e.com", "ada@xn--a.example",
	} {
		_, key, ok := parseEmail(typed)
		require.False(t, ok, "%q", typed)
		require.Empty(t, key, "%q", typed)
	}
}

func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{"ada@example.com", "ａ＠b@example.com", "zoe\u0308@bücher.example", `"a b"@c`, "a@xn--bcher-kva.example", "\u212a@\u212a.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		_, key, ok := parseEmail(typed)
		if !ok {
			require.Empty(t, key)
			return
		}
		require.Equal(t, 1, strings.Count(key, "@"))
		require.NotContains(t, key, "\x00")
		_, again, ok := parseEmail(key)
		require.True(t, ok, "a key is an address: %q", key)
		require.Equal(t, key, again, "and it is its own key")
	})
}
