package workspaces_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/idna"

	"github.com/emcy/gateway/tenancy/workspaces"
)

func TestCheckSlug(t *testing.T) {
	t.Parallel()
	for _, slug := range []string{
		"acme", "a1b", "abc", "acme-inc", "a-b-c-d", "x" + strings.Repeat("y", 31), "mailchimp", "my-api", "admin-tools", "newco", "testing",
		"documents", "statusquo", "edgeworth", "rootstock", "internals", "morning", "burn", "workspace-5", "account-5",
	} {
		require.Empty(t, workspaces.CheckSlug(slug), slug)
	}
	for says, slugs := range map[string][]string{
		"Choose a short name":   {""},
		"3 to 32 characters":    {"a", "ab", "x" + strings.Repeat("y", 32), strings.Repeat("a", 5000)},
		"small letters, digits": {"-acme", "acme-", "1acme", "Acme", "ac me", "ac.me", "ac_me", "acme\n", "\nacme", "acme\x00", "äcme", "аcme", "acme/", "acme%2e", "---", "a\u200bcme"},
		"Two hyphens":           {"ac--me", "a---b"},
		"international":         {"xn-abc", "xn-" + "acme"},
		"reserved": {
			"www", "app", "api", "docs", "status", "admin", "mail", "auth", "login", "localhost", "workspaces", "sign-in", "wpad", "internal",
			"adm1n", "log1n", "iogin", "l0gin", "log-in", "signln", "adrnin", "vvvvvv", "c0nsole", "e-mcy", "aclmin", "rnail", "b1lling", "d0c5", "ma-il", "a-p-i", "lnternal",
		},
	} {
		for _, slug := range slugs {
			require.Contains(t, workspaces.CheckSlug(slug), says, "%q", slug)
		}
	}
}

var label = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

// FuzzCheckSlug: what is accepted is a host name label that means only itself.
func FuzzCheckSlug(f *testing.F) {
	for _, seed := range []string{"acme", "xn--acme", "a--b", "-a-", "adm1n", "ACME", "a.b", "acme\n", "ａcme", strings.Repeat("a", 64)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, slug string) {
		if workspaces.CheckSlug(slug) != "" {
			return
		}
		require.Regexp(t, label, slug)
		require.NotContains(t, slug, "--")
		require.NotContains(t, slug, "\n")
		ascii, err := idna.Registration.ToASCII(slug)
		require.NoError(t, err)
		require.Equal(t, slug, ascii)
	})
}

func TestSlugFrom(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Acme":                           "acme",
		"  Acme,  Inc. ":                 "acme-inc",
		"Zoë's Bücher & Co":              "zoe-s-bucher-co",
		"4 Hire":                         "hire",
		"日本":                             "",
		"日本 Acme":                        "acme",
		"ﬁnance":                         "finance",
		"A--B":                           "a-b",
		"---":                            "",
		strings.Repeat("long ", 9):       "long-long-long-long-long-long-lo",
		strings.Repeat("a", 31) + " b c": strings.Repeat("a", 31),
		"":                               "",
	} {
		require.Equal(t, want, workspaces.SlugFrom(name), name)
	}
}

func FuzzSlugFrom(f *testing.F) {
	for _, seed := range []string{"Acme", "4 Hire", "Zoë", "xn--acme", "www", strings.Repeat("ab ", 30), "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		slug := workspaces.SlugFrom(name)
		require.Equal(t, slug, workspaces.SlugFrom(slug), "a slug is its own slug")
		if problem := workspaces.CheckSlug(slug); problem != "" {
			require.NotContains(t, problem, "small letters", "it has the form of one, whatever else is wrong: %q", slug)
			require.NotContains(t, problem, "Two hyphens", "%q", slug)
		}
	})
}

func TestParsePattern(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"https://{tenant}.mcp.example.com", "http://{tenant}.mcp.test:8443", "https://{tenant}.localhost"} {
		require.NoError(t, workspaces.ParsePattern(good), good)
	}
	for _, bad := range []string{
		"", "https://mcp.example.com", "https://mcp.example.com/{tenant}", "https://{tenant}", "https://x-{tenant}.example.com", "https://{tenant}.{tenant}.com",
		"ftp://{tenant}.example.com", "{tenant}.example.com", "https://{tenant}.example.com/", "https://{tenant}.example.com/x", "https://{tenant}.example.com?a",
		"https://{tenant}.example.com#a", "https://a@{tenant}.example.com", "https://{tenant}.exa mple.com",
	} {
		require.Error(t, workspaces.ParsePattern(bad), bad)
	}
}

func TestParsePorts(t *testing.T) {
	t.Parallel()
	first, last, err := workspaces.ParsePorts("8081-8180")
	require.NoError(t, err)
	require.Equal(t, []int{8081, 8180}, []int{first, last})
	for _, bad := range []string{"", "8081", "8180-8081", "0-1", "1-65536", "a-b", "1-2-3", "-1-2", "8081 - 8180"} {
		_, _, err := workspaces.ParsePorts(bad)
		require.Error(t, err, bad)
	}
}
