package mcpwire

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// spellings are ways to write a member's name that some parser takes for that name:
// other cases, letters that fold to it, escapes, escapes of other cases.
func spellings(name string) []string {
	found := map[string]struct{}{}
	add := func(s string) {
		found[s] = struct{}{}
		var lower, upper strings.Builder
		for _, c := range s {
			_, _ = fmt.Fprintf(&lower, `\u%04x`, c)
			_, _ = fmt.Fprintf(&upper, `\u%04X`, c)
		}
		found[lower.String()], found[upper.String()] = struct{}{}, struct{}{}
		first := []rune(s)
		found[fmt.Sprintf(`\u%04x`, first[0])+string(first[1:])] = struct{}{}
		last := len(first) - 1
		found[string(first[:last])+fmt.Sprintf(`\u%04x`, first[last])] = struct{}{}
	}
	letters := []rune(name)
	for bits := range 1 << min(len(letters), 6) {
		v := slices.Clone(letters)
		for i := range v {
			if bits>>(i%6)&1 == 1 {
				v[i] = unicode.ToUpper(v[i])
			}
		}
		add(string(v))
	}
	for i, c := range letters { // the long s and the Kelvin sign fold to ASCII
		for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
			v := slices.Clone(letters)
			v[i] = f
			add(string(v))
		}
	}
	for _, blank := range []string{" ", "\\u0000", "\\t", "\u200b", "\ufeff"} {
		found[name+blank], found[blank+name] = struct{}{}, struct{}{}
	}
	return slices.Sorted(maps.Keys(found))
}

// variants are messages with a member twice, once as it should be and once in another
// spelling, in either order, and with that spelling alone.
func variants() []string {
	const head = `"jsonrpc":"2.0","id":1`
	var out []string
	twice := func(name, good, bad string, shape func(members string) string) {
		for _, s := range spellings(name) {
			exact, other := fmt.Sprintf("%q:%s", name, good), fmt.Sprintf(`"%s":%s`, s, bad)
			for _, members := range []string{exact + "," + other, other + "," + exact, other} {
				out = append(out, shape(members))
			}
		}
	}
	outer := func(rest string) func(string) string {
		return func(m string) string { return "{" + head + "," + rest + m + "}" }
	}
	inner := func(method string) func(string) string {
		return func(m string) string { return `{` + head + `,"method":"` + method + `","params":{` + m + `}}` }
	}
	twice("method", `"tools/call"`, `"tools/list"`, outer(`"params":{"name":"read"},`))
	twice("params", `{"name":"read"}`, `{"name":"drop"}`, outer(`"method":"tools/call",`))
	twice("id", `1`, `2`, func(m string) string {
		return `{"jsonrpc":"2.0",` + m + `,"method":"tools/call","params":{"name":"read"}}`
	})
	twice("result", `{}`, `{"x":1}`, outer(``))
	twice("name", `"read"`, `"drop"`, inner(MethodToolsCall))
	twice("name", `"read"`, `"drop"`, inner(MethodPromptsGet))
	twice("uri", `"a:read"`, `"a:drop"`, inner(MethodResourcesRead))
	twice("taskId", `"read"`, `"drop"`, inner(MethodTasksCancel))
	twice("arguments", `{"p":1}`, `{"p":2}`, func(m string) string { return inner(MethodToolsCall)(`"name":"read",` + m) })
	twice("_meta", `{}`, `{"x":1}`, func(m string) string { return inner(MethodToolsCall)(`"name":"read",` + m) })
	for i, body := range slices.Clone(out) { // the same, nested, in a batch, with something behind it
		switch i % 4 {
		case 0:
			out = append(out, "["+body+"]")
		case 1:
			out = append(out, body+"{}")
		case 2:
			out = append(out, "\ufeff"+body)
		case 3:
			out = append(out, strings.Replace(body, `"jsonrpc":"2.0"`, `"jsonrpc":"2.0","jsonrpc":"2.0"`, 1))
		}
	}
	return out
}

// TestEveryReaderSeesTheSameMessage is security.md's row D3: of thousands of ways to
// write one message so that two parsers read two, what is accepted is the same to
// encoding/json, which folds case, and to the official SDK's reader, which does not.
func TestEveryReaderSeesTheSameMessage(t *testing.T) {
	t.Parallel()
	tried, accepted := 0, 0
	for _, body := range variants() {
		tried++
		m, err := Peek([]byte(body))
		if err != nil {
			var refused *Error
			require.ErrorAs(t, err, &refused)
			continue
		}
		accepted++
		members := []Message{m}
		parts := []json.RawMessage{json.RawMessage(body)}
		if m.Kind == KindBatch {
			members, parts = m.Batch, nil
			require.NoError(t, json.Unmarshal([]byte(body), &parts))
		}
		for i, part := range parts {
			same(t, part, members[i])
			sameToSDK(t, part, members[i])
		}
	}
	require.GreaterOrEqual(t, tried, 2000)
	require.Greater(t, accepted, tried/100, "what is harmless passes")
	require.Less(t, accepted, tried/4, "what is not is refused")
	t.Logf("%d variants, %d accepted as the same message to all", tried, accepted)
}

// sameToSDK holds a message against the official SDK's decoder.
func sameToSDK(t *testing.T, body []byte, m Message) {
	t.Helper()
	decoded, err := jsonrpc.DecodeMessage(body)
	if err != nil {
		return // it refuses, so it does nothing that was not judged
	}
	request, ok := decoded.(*jsonrpc.Request)
	require.Equal(t, m.Kind != KindResponse, ok, "%s", body)
	if !ok {
		return
	}
	require.Equal(t, request.Method, m.Method, "%s", body)
	require.Equal(t, request.IsCall(), m.Kind == KindRequest, "%s", body)
	// Params that it cannot read are none that it acts on.
	switch m.Method {
	case MethodToolsCall:
		var p mcp.CallToolParamsRaw
		if json.Unmarshal(request.Params, &p) == nil {
			require.Equal(t, p.Name, m.Name, "%s", body)
		}
	case MethodPromptsGet:
		var p mcp.GetPromptParams
		if json.Unmarshal(request.Params, &p) == nil {
			require.Equal(t, p.Name, m.Name, "%s", body)
		}
	case MethodResourcesRead:
		var p mcp.ReadResourceParams
		if json.Unmarshal(request.Params, &p) == nil {
			require.Equal(t, p.URI, m.Name, "%s", body)
		}
	}
}
