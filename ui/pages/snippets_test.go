package pages

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
)

const mcpURL = "https://acme.mcp.example.com/todos/mcp"

func guide(t *testing.T, name, address, id string) clientGuide {
	t.Helper()
	for _, g := range clientGuides(name, address) {
		if g.id == id {
			return g
		}
	}
	require.Fail(t, "no such guide", id)
	return clientGuide{}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	commands := map[string]string{
		"claude-code": "claude mcp add --transport http todos " + mcpURL,
		"vscode":      `code --add-mcp '{"name":"todos","type":"http","url":"` + mcpURL + `"}'`,
		"codex":       "codex mcp add todos --url " + mcpURL + "\ncodex mcp login todos",
		"gemini":      "gemini mcp add --transport http todos " + mcpURL,
		"curl":        "curl -i -X POST " + mcpURL,
		"cursor":      "{\n  \"mcpServers\": {\n    \"todos\": {\n      \"url\": \"" + mcpURL + "\"\n    }\n  }\n}",
		"mcp-remote": "{\n  \"mcpServers\": {\n    \"todos\": {\n      \"command\": \"npx\",\n      \"args\": [\n        \"-y\",\n" +
			"        \"mcp-remote@0.15.1\",\n        \"" + mcpURL + "\"\n      ]\n    }\n  }\n}",
	}
	for id, want := range commands {
		require.Equal(t, want, guide(t, "todos", mcpURL, id).snippets[0].Code, id)
	}
}

func TestDeepLinksDecodeBack(t *testing.T) {
	t.Parallel()
	const odd = mcpURL + "?a=1&b=%20+#'\""

	link := string(guide(t, "to&dos", odd, "vscode").linkHref)
	encoded, found := strings.CutPrefix(link, "vscode:mcp/install?")
	require.True(t, found)
	decoded, err := url.PathUnescape(encoded)
	require.NoError(t, err)
	var vscode vscodeServer
	require.NoError(t, json.Unmarshal([]byte(decoded), &vscode))
	require.Equal(t, vscodeServer{"to&dos", "http", odd}, vscode)

	parsed, err := url.Parse(string(guide(t, "to&dos", odd, "cursor").linkHref))
	require.NoError(t, err)
	require.Equal(t, "to&dos", parsed.Query().Get("name"))
	config, err := base64.StdEncoding.DecodeString(parsed.Query().Get("config"))
	require.NoError(t, err)
	var cursor urlServer
	require.NoError(t, json.Unmarshal(config, &cursor))
	require.Equal(t, odd, cursor.URL)
}

func TestShellWordsAreReadBackByAShell(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"todos", "", "a b", "it's", `$(id) "x" ; rm *`, "https://a.example/x?y=1&z=2", "~", "!x"} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+shell(word)).Output()
		require.NoError(t, err)
		require.Equal(t, word, string(out))
	}
}

func TestClientsThatCallFromOutsideSaySo(t *testing.T) {
	t.Parallel()
	for address, outside := range map[string]bool{
		mcpURL: false, "http://localhost:8081/todos/mcp": true, "http://127.0.0.1:8081/todos/mcp": true,
		"http://[::1]:8081/todos/mcp": true, "http://acme.localhost/todos/mcp": true,
	} {
		steps := guide(t, "todos", address, "claude-web").steps
		require.Equal(t, outside, strings.Contains(steps[0], "public https address"), address)
	}
}

// TestCodeKeepsItsLines says that what a person copies is the code to the byte, line ends included.
func TestCodeKeepsItsLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	page := RuntimeSetupPage{Runtime: RuntimeRef{Name: "Todos", Slug: "todos"}, Adapters: Adapters()}
	require.NoError(t, RuntimeSetup(page).Render(t.Context(), &out))
	root, err := html.Parse(&out)
	require.NoError(t, err)
	code := map[string]string{}
	for node := range root.Descendants() {
		if node.Type == html.ElementNode && node.Data == "code" && node.FirstChild != nil {
			for _, a := range node.Attr {
				if a.Key == "id" {
					code[a.Val] = node.FirstChild.Data
				}
			}
		}
	}
	for _, adapter := range Adapters() {
		require.Equal(t, adapter.Code, code["adapter-"+adapter.ID])
	}
}

func TestLocalKeepsToThisHost(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/acme/logs?before=1": "/acme/logs?before=1", "https://evil.example": "/", "//evil.example": "/", `/\evil.example`: "/",
		"javascript:alert(1)": "/", "": "/",
	} {
		require.Equal(t, want, string(local(path)), path)
	}
}

func TestErrorsAreListedInTheFormsOrder(t *testing.T) {
	t.Parallel()
	found := messages(FieldErrors{"slug": "s", "url": "u", "other": "o", "name": ""}, "url", "name", "slug")
	require.Len(t, found, 3)
	require.Equal(t, "f-url", found[0].FieldID)
	require.Equal(t, "f-slug", found[1].FieldID)
	require.Equal(t, "f-other", found[2].FieldID)
}
