package clients

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/outbound"
)

// TestCatalogue: every entry has a date and a source, and every copy is a document that
// we would take from its address.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	strict := outbound.New(outbound.Config{})
	copies := 0
	listed().each(func(v *vendor, k *knownClient) bool {
		if v.Name == "Vendor" { // the tests' own
			return false
		}
		_, err := time.Parse(time.DateOnly, k.Seen)
		require.NoError(t, err, k.Name)
		require.NotEmpty(t, k.Source, k.Name)
		for _, pattern := range k.IDs {
			id := strings.ReplaceAll(pattern, "{id}", "a-B_9")
			require.NoError(t, checkDocumentID(strict, id), id)
			who := listed().byDocument(id)
			require.Same(t, k, who.client, id)
			raw := who.copyOf(id)
			if raw == nil {
				continue
			}
			copies++
			got, err := parseDocument(strict, id, raw)
			require.NoError(t, err, "%s: %s", id, raw)
			require.NotContains(t, strings.Join(got.RedirectURIs, " "), "{")
			require.Empty(t, who.drift(id, raw))
			require.Empty(t, listed().impersonates(got.ClientName, got.RedirectURIs), id)
		}
		for _, pattern := range k.Redirects {
			require.True(t, strings.HasPrefix(pattern, "https://"), "who is on a person's machine proves nothing: %s", pattern)
			require.NotNil(t, listed().byRedirects([]string{strings.ReplaceAll(pattern, "{id}", "x")}))
		}
		return false
	})
	require.Greater(t, copies, 8)
}

func TestKnownByRedirects(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		uris []string
		want string
	}{
		"Claude":               {[]string{"https://claude.ai/api/mcp/auth_callback"}, "Claude"},
		"both of Claude's":     {[]string{"https://claude.com/api/mcp/auth_callback", "https://claude.ai/api/mcp/auth_callback"}, "Claude"},
		"a connector":          {[]string{"https://chatgpt.com/connector/oauth/a1_B-2"}, "ChatGPT"},
		"and one more":         {[]string{"https://claude.ai/api/mcp/auth_callback", "https://evil.example/cb"}, ""},
		"and loopback":         {[]string{"https://claude.ai/api/mcp/auth_callback", "http://localhost/cb"}, ""},
		"two vendors":          {[]string{"https://claude.ai/api/mcp/auth_callback", "https://vscode.dev/redirect"}, ""},
		"loopback":             {[]string{"http://localhost/callback"}, ""},
		"another path":         {[]string{"https://claude.ai/api/mcp/auth_callback/"}, ""},
		"another host":         {[]string{"https://claude.ai.evil.example/api/mcp/auth_callback"}, ""},
		"a deeper path":        {[]string{"https://chatgpt.com/connector/oauth/a/b"}, ""},
		"a query":              {[]string{"https://chatgpt.com/connector/oauth/a?x=y"}, ""},
		"an escaped slash":     {[]string{"https://chatgpt.com/connector/oauth/a%2fb"}, ""},
		"dots":                 {[]string{"https://chatgpt.com/connector/oauth/.."}, ""},
		"nothing for the part": {[]string{"https://chatgpt.com/connector/oauth/"}, ""},
		"none":                 {nil, ""},
	} {
		who := listed().byRedirects(c.uris)
		if c.want == "" {
			require.Nil(t, who, name)
			continue
		}
		require.Equal(t, c.want, who.known().Name, name)
	}
	require.Equal(t, "Codex", listed().byDocument("https://chatgpt.com/oauth/codex/client.json").known().Name, "a whole address before a pattern")
	require.Equal(t, "ChatGPT", listed().byDocument("https://chatgpt.com/oauth/abc/client.json").known().Name)
	for _, id := range []string{"https://chatgpt.com/oauth/a/b/client.json", "https://CHATGPT.com/oauth/client.json", "https://chatgpt.com/oauth/client.json?x", "http://chatgpt.com/oauth/client.json", "https://chatgpt.com:444/oauth/client.json"} {
		require.Nil(t, listed().byDocument(id), id)
	}
}

// TestB7Impersonation: a name that is read as a brand's, at an address that is not the
// brand's.
func TestB7Impersonation(t *testing.T) {
	t.Parallel()
	evil := []string{"https://evil.example/cb"}
	for _, name := range []string{
		"Claude", "CLAUDE", "claude code", "Claude.", "C l a u d e", "Сlaude", "Clаude", "C1aude", "cIaude", "Ｃｌａｕｄｅ", "Claudé", "Claude (official)", "ClaudeAI", "The Claude App",
		"ChatGPT", "Chat GPT", "ChatGРT", "ОpenAI", "0penAI", "Cursor", "Сursor", "Cursоr", "VS Code", "Visual Studio Code", "vscode", "Github Copilot", "Gemini CLI", "Google", "Codex", "Zed", "opencode", "Wonder App", "VVonder App",
	} {
		require.NotEmpty(t, listed().impersonates(cleanName(name), evil), name)
	}
	for _, name := range []string{"", "An app", "Cursory glance", "My cursor theme", "Zedd", "Cloud", "Claud", "Code", "Chat", "Tickets"} {
		require.Empty(t, listed().impersonates(cleanName(name), evil), name)
	}
	require.Empty(t, listed().impersonates("Claude Code (work)", []string{"http://localhost:1/callback"}), "loopback is nobody's")
	require.Empty(t, listed().impersonates("Cursor", []string{"cursor://anysphere.cursor-mcp/cb", "https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"}))
	require.NotEmpty(t, listed().impersonates("Cursor", []string{"vscode://x/cb"}), "another's scheme")
	require.NotEmpty(t, listed().impersonates("Claude", []string{"http://localhost:1/callback", "https://claude.ai.evil.example/cb"}))

	self := Client{Kind: KindDCR, Name: "Claude", RedirectURIs: evil}
	self.identify()
	require.Nil(t, self.Known)
	require.NotEmpty(t, self.Impersonates)
	entered := Client{Kind: KindPreregistered, Name: "Claude", RedirectURIs: evil}
	entered.identify()
	require.Empty(t, entered.Impersonates, "whoever entered it vouches for it")
}

// TestB8LoopbackOfAKnownClient: the name is proven, the machine that answers is not.
func TestB8LoopbackOfAKnownClient(t *testing.T) {
	t.Parallel()
	c := Client{Kind: KindCIMD, ID: "https://claude.ai/oauth/claude-code-client-metadata", RedirectURIs: []string{"http://localhost/callback", "http://127.0.0.1/callback"}}
	c.identify()
	require.Equal(t, "Claude Code", c.Known.Name)
	require.Equal(t, "claude.ai", c.Host)
	require.True(t, MatchRedirect(c.RedirectURIs, "http://localhost:51234/callback"), "whoever listens there")
	impostor := Client{Kind: KindDCR, Name: "Claude Code", RedirectURIs: c.RedirectURIs}
	impostor.identify()
	require.Nil(t, impostor.Known, "loopback proves no name")
}
