package stories_test

import (
	"bytes"
	"compress/gzip"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/emcy/gateway/ui/stories"
)

const (
	nonce = "nonce-of-this-answer"
	// pageBudget is what a page may weigh, compressed.
	pageBudget = 30 * 1024
	// firstGateView is what an end-user page may weigh uncompressed, without its style sheet and font.
	firstGateView = 20 * 1024
)

type rendered struct {
	stories.Story
	raw  []byte
	root *html.Node
}

func render(t *testing.T, story stories.Story) rendered {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, story.Component.Render(t.Context(), &out))
	require.NotZero(t, out.Len())
	if !story.Fragment {
		root, err := html.Parse(bytes.NewReader(out.Bytes()))
		require.NoError(t, err)
		return rendered{story, out.Bytes(), root}
	}
	context := &html.Node{Type: html.ElementNode, Data: "div", DataAtom: atom.Div}
	if bytes.HasPrefix(bytes.TrimSpace(out.Bytes()), []byte("<tr")) {
		context = &html.Node{Type: html.ElementNode, Data: "tbody", DataAtom: atom.Tbody}
	}
	nodes, err := html.ParseFragment(bytes.NewReader(out.Bytes()), context)
	require.NoError(t, err)
	root := &html.Node{Type: html.DocumentNode}
	for _, node := range nodes {
		root.AppendChild(node)
	}
	return rendered{story, out.Bytes(), root}
}

// each runs check on every story, with plain and with hostile texts.
func each(t *testing.T, check func(t *testing.T, page rendered)) {
	t.Helper()
	for kind, say := range map[string]stories.Text{"plain": stories.Plain, "hostile": stories.Hostile} {
		for _, story := range stories.All(nonce, say) {
			t.Run(kind+"/"+story.Name, func(t *testing.T) {
				t.Parallel()
				check(t, render(t, story))
			})
		}
	}
}

func all(root *html.Node, match func(*html.Node) bool) []*html.Node {
	var found []*html.Node
	for node := range root.Descendants() {
		if node.Type == html.ElementNode && match(node) {
			found = append(found, node)
		}
	}
	return found
}

func tag(names ...string) func(*html.Node) bool {
	return func(node *html.Node) bool { return slices.Contains(names, node.Data) }
}

func attribute(node *html.Node, name string) (string, bool) {
	for _, a := range node.Attr {
		if a.Key == name {
			return a.Val, true
		}
	}
	return "", false
}

func value(node *html.Node, name string) string {
	found, _ := attribute(node, name)
	return found
}

func text(node *html.Node) string {
	var out strings.Builder
	for child := range node.Descendants() {
		if child.Type == html.TextNode {
			out.WriteString(child.Data)
		}
	}
	return out.String()
}

func ids(root *html.Node) map[string]int {
	found := map[string]int{}
	for _, node := range all(root, func(*html.Node) bool { return true }) {
		if id, ok := attribute(node, "id"); ok {
			found[id]++
		}
	}
	return found
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, story := range stories.All(nonce, stories.Plain) {
		require.False(t, seen[story.Name], story.Name)
		seen[story.Name] = true
	}
}

func TestStructure(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, page rendered) {
		known := ids(page.root)
		for id, times := range known {
			require.Equal(t, 1, times, "id %q", id)
			require.NotContains(t, id, " ")
		}
		if !page.Fragment {
			if page.Name != "kit" { // it shows the headings of pages, too
				require.Len(t, all(page.root, tag("h1")), 1)
			}
			require.Len(t, all(page.root, tag("main")), 1)
			require.Len(t, all(all(page.root, tag("head"))[0], tag("title")), 1) // drawings have titles, too
			require.NotEmpty(t, strings.TrimSpace(text(all(page.root, tag("h1"))[0])))
		}
		for _, node := range all(page.root, func(*html.Node) bool { return true }) {
			for _, name := range []string{"for", "aria-labelledby", "aria-describedby", "data-copy", "data-stream", "data-dialog", "popovertarget"} {
				for id := range strings.FieldsSeq(value(node, name)) {
					require.Contains(t, known, id, "%s of <%s>", name, node.Data)
				}
			}
			if target, ok := strings.CutPrefix(value(node, "href"), "#"); ok {
				require.Contains(t, known, target)
			}
		}
	})
}

func TestForms(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, page rendered) {
		labels := map[string]bool{}
		for _, label := range all(page.root, tag("label")) {
			require.NotEmpty(t, strings.TrimSpace(text(label)))
			labels[value(label, "for")] = true
		}
		for _, input := range all(page.root, tag("input", "select", "textarea")) {
			require.NotEmpty(t, value(input, "name"))
			if _, unseen := attribute(input, "hidden"); unseen || value(input, "type") == "hidden" {
				continue
			}
			require.True(t, labels[value(input, "id")], "label of %q", value(input, "name"))
			if value(input, "type") == "password" {
				_, given := attribute(input, "value")
				require.False(t, given, "a password is given back")
			}
			if value(input, "aria-invalid") == "true" {
				require.Contains(t, value(input, "aria-describedby"), value(input, "id")+"-error")
			}
		}
		for _, button := range all(page.root, tag("button")) {
			require.Contains(t, []string{"button", "submit"}, value(button, "type"))
		}
		for _, form := range all(page.root, tag("form")) {
			if value(form, "method") == "dialog" { // closes its dialog, and sends nothing
				continue
			}
			require.True(t, strings.HasPrefix(value(form, "action"), "/"), value(form, "action"))
			require.False(t, strings.HasPrefix(value(form, "action"), "//"))
			if value(form, "method") == "get" { // asks, and changes nothing
				continue
			}
			require.Equal(t, "post", value(form, "method"))
			guards := all(form, func(node *html.Node) bool { return node.Data == "input" && value(node, "name") == "csrf" })
			require.Len(t, guards, 1)
			require.Equal(t, "csrf-token", value(guards[0], "value"))
			require.Empty(t, all(form, tag("form")))
		}
	})
}

// TestNothingForTheSecurityPolicyToBlock finds what the Content-Security-Policy would refuse, hostile texts included.
func TestNothingForTheSecurityPolicyToBlock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, page rendered) {
		tenant := strings.HasPrefix(page.Name, "tenant/")
		for _, node := range all(page.root, func(*html.Node) bool { return true }) {
			usesHTMX := false
			for _, a := range node.Attr {
				name := strings.ToLower(a.Key)
				require.NotEqual(t, "style", name)
				require.False(t, strings.HasPrefix(name, "on"), "%s on <%s>", name, node.Data)
				require.False(t, strings.HasPrefix(name, "hx-on"), name)
				require.NotEqual(t, "srcdoc", name)
				if strings.HasPrefix(name, "hx-") {
					usesHTMX = true
					require.NotContains(t, a.Val, "js:")
					require.NotContains(t, a.Val, "javascript:")
					// A filter in a trigger would be evaluated.
					require.False(t, name == "hx-trigger" && strings.Contains(a.Val, "["), a.Val)
				}
				if slices.Contains([]string{"href", "src", "action", "formaction"}, name) {
					require.True(t, allowedAddress(node, a.Val), "%s=%q", name, a.Val)
				}
			}
			if usesHTMX {
				require.Equal(t, nonce, value(node, "hx-nonce"))
				require.False(t, page.Fragment, "a streamed fragment holds plain markup only")
				require.False(t, tenant, "end-user pages have no script")
			}
		}
		require.Empty(t, all(page.root, tag("style", "iframe", "object", "embed", "base", "img")))
		scripts := all(page.root, tag("script"))
		if tenant || page.Fragment {
			require.Empty(t, scripts)
			return
		}
		require.Len(t, scripts, 1)
		require.Equal(t, nonce, value(scripts[0], "nonce"))
		require.NotEmpty(t, value(scripts[0], "src"))
		require.Empty(t, text(scripts[0]))
	})
}

func allowedAddress(node *html.Node, address string) bool {
	switch {
	case strings.HasPrefix(address, "/") && !strings.HasPrefix(address, "//"), strings.HasPrefix(address, "#"):
		return true
	case node.Data == "link":
		return strings.HasPrefix(address, "data:")
	case node.Data == "a" && strings.HasPrefix(address, "data:text/plain;charset=utf-8,"):
		_, saves := attribute(node, "download")
		return saves
	case node.Data == "a":
		return strings.HasPrefix(address, "vscode:mcp/install?") ||
			strings.HasPrefix(address, "cursor://anysphere.cursor-deeplink/mcp/install?") ||
			strings.HasPrefix(address, "http://localhost:8080/")
	default:
		return false
	}
}

// TestHostileTextStaysText says that the texts come out as text: each one is read back, none becomes an element.
func TestHostileTextStaysText(t *testing.T) {
	t.Parallel()
	for _, story := range stories.All(nonce, stories.Hostile) {
		t.Run(story.Name, func(t *testing.T) {
			t.Parallel()
			page := render(t, story)
			require.NotContains(t, string(page.raw), "<script>alert")
			require.NotContains(t, string(page.raw), "<img")
			if strings.Contains(string(page.raw), "alert(1)") {
				require.Contains(t, string(page.raw), "&lt;script&gt;alert(1)")
			}
		})
	}
}

func TestWeight(t *testing.T) {
	t.Parallel()
	for _, story := range stories.All(nonce, stories.Plain) {
		t.Run(story.Name, func(t *testing.T) {
			t.Parallel()
			page := render(t, story)
			var packed bytes.Buffer
			writer := gzip.NewWriter(&packed)
			_, err := writer.Write(page.raw)
			require.NoError(t, err)
			require.NoError(t, writer.Close())
			require.LessOrEqual(t, packed.Len(), pageBudget)
			if strings.HasPrefix(story.Name, "tenant/") {
				require.LessOrEqual(t, len(page.raw), firstGateView)
			}
		})
	}
}

func TestConsent(t *testing.T) {
	t.Parallel()
	find := func(name string, say stories.Text) rendered {
		for _, story := range stories.All(nonce, say) {
			if story.Name == name {
				return render(t, story)
			}
		}
		require.Fail(t, "no such story", name)
		return rendered{}
	}
	decisions := func(page rendered) []*html.Node {
		return all(page.root, func(node *html.Node) bool { return value(node, "name") == "decision" })
	}

	loopback := find("tenant/consent-loopback", stories.Plain)
	answers := decisions(loopback)
	require.Len(t, answers, 2)
	require.Equal(t, "deny", value(answers[0], "value"))
	require.Equal(t, "allow", value(answers[1], "value"))
	for _, answer := range answers {
		require.Contains(t, strings.Fields(value(answer, "class")), "btn-big")
	}
	shown := text(loopback.root)
	require.Contains(t, shown, "This app is not verified")
	require.Contains(t, shown, "“Claude Code”")
	require.Contains(t, shown, "localhost:33418")
	require.Contains(t, shown, "Only allow if you started this on this computer just now")
	require.Contains(t, shown, "ana@acme.example")
	require.Empty(t, all(loopback.root, tag("a")), "a consent page holds no link")
	focused := all(loopback.root, func(node *html.Node) bool { _, ok := attribute(node, "autofocus"); return ok })
	require.Len(t, focused, 1)
	require.Equal(t, "h1", focused[0].Data, "not a button")
	buttons := all(loopback.root, func(node *html.Node) bool {
		return node.Data == "button" && node.Parent.Data == "form" && value(node.Parent, "id") == "decide"
	})
	require.Len(t, buttons, 3)
	_, open := attribute(buttons[0], "formnovalidate")
	require.False(t, open, "Enter in a choice presses the form's first button, which a field holds back that nobody can fill in")
	require.Len(t, all(buttons[0].Parent, func(node *html.Node) bool {
		_, required := attribute(node, "required")
		_, gone := attribute(node, "hidden")
		return required && gone
	}), 1)
	for _, tick := range all(loopback.root, func(node *html.Node) bool { _, ok := attribute(node, "checked"); return ok }) {
		require.Equal(t, "decide", value(tick, "form"))
		require.True(t, strings.HasPrefix(value(tick, "name"), "scope.") || value(tick, "name") == "life", value(tick, "name"))
	}
	require.Empty(t, all(loopback.root, func(node *html.Node) bool { return value(node, "name") == "scope.mcp" }), "there is no yes without it")

	require.Contains(t, text(find("tenant/consent-web", stories.Plain).root), "claude.ai")

	app := find("tenant/consent-app", stories.Plain)
	require.Contains(t, text(app.root), "com.example.app:")
	for name, says := range map[string]string{
		"tenant/consent-web": "Verified app", "tenant/consent-document": "the website chose that name", "tenant/consent-added": "Added by Acme admins",
		"tenant/consent-device": "Only allow if the device is in front of you", "tenant/lookalike": "This is probably not Claude", "tenant/consent-lookalike": "Not Claude",
	} {
		page := find(name, stories.Plain)
		require.Contains(t, text(page.root), says)
		require.Equal(t, "deny", value(decisions(page)[0], "value"), "Cancel is first")
	}
	proceed := decisions(find("tenant/lookalike", stories.Plain))
	require.Len(t, proceed, 2)
	require.Equal(t, "proceed", value(proceed[1], "value"), "the warning itself allows nothing")
	for _, form := range all(app.root, tag("form")) {
		require.NotContains(t, value(form, "action"), "evil.example", "the form for another account stays on this origin")
	}
	require.Empty(t, all(find("tenant/consent-web", stories.Hostile).root, tag("a")))
}

// TestTemplatesAvoidRaw keeps the one door shut through which a template could print unescaped text.
func TestTemplatesAvoidRaw(t *testing.T) {
	t.Parallel()
	tree := os.DirFS("..")
	checked := 0
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".templ") {
			return err
		}
		content, err := fs.ReadFile(tree, path)
		if err != nil {
			return err
		}
		checked++
		for _, banned := range []string{"templ.Raw", "style=", "onclick", "<script>", "hx-on", "templ.JSFuncCall", "templ.OnceHandle"} {
			require.NotContains(t, string(content), banned, path)
		}
		generated, err := fs.Stat(tree, strings.TrimSuffix(path, ".templ")+"_templ.go")
		require.NoError(t, err, path)
		require.NotZero(t, generated.Size())
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, checked)
}

func BenchmarkLogs(b *testing.B) {
	for _, story := range stories.All(nonce, stories.Plain) {
		if story.Name != "console/logs" {
			continue
		}
		b.ReportAllocs()
		for b.Loop() {
			var out bytes.Buffer
			require.NoError(b, story.Component.Render(b.Context(), &out))
		}
	}
}
