package mcpwire

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPeekReadsEveryKind(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body string
		want       Message
	}{
		{
			"modern tool call",
			`{"jsonrpc":"2.0","id":"a-1","method":"tools/call","params":{"name":"echo","arguments":{"text":"hi","name":"other"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"ChatGPT","version":"1.2"},"io.modelcontextprotocol/clientCapabilities":{},"traceparent":"00-x"}}}`,
			Message{Kind: KindRequest, ID: []byte(`"a-1"`), Method: "tools/call", Name: "echo", ProtocolVersion: "2026-07-28", Modern: true, ClientName: "ChatGPT", ClientVersion: "1.2"},
		},
		{
			"params before method",
			` { "params" : {"uri":"file:///\u00e4", "name":7} , "method":"resources\/read","id":-12,"jsonrpc":"2.0"} ` + "\n",
			Message{Kind: KindRequest, ID: []byte(`-12`), Method: "resources/read", Name: "file:///ä"},
		},
		{
			"initialize",
			`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"claude-code","version":"2.1","title":null}}}`,
			Message{Kind: KindRequest, ID: []byte(`0`), Method: "initialize", ProtocolVersion: "2025-11-25", ClientName: "claude-code", ClientVersion: "2.1"},
		},
		{
			"notification", `{"jsonrpc":"2.0","method":"notifications/initialized"}`,
			Message{Kind: KindNotification, Method: "notifications/initialized"},
		},
		{
			"params null is params absent", `{"jsonrpc":"2.0","id":1,"method":"ping","params":null}`,
			Message{Kind: KindRequest, ID: []byte(`1`), Method: "ping"},
		},
		{
			"prompt", `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}}`,
			Message{Kind: KindRequest, ID: []byte(`1`), Method: "prompts/get", Name: "p"},
		},
		{
			"task", `{"jsonrpc":"2.0","id":1,"method":"tasks/cancel","params":{"taskId":"t"}}`,
			Message{Kind: KindRequest, ID: []byte(`1`), Method: "tasks/cancel", Name: "t"},
		},
		{
			"unknown method with its own params", `{"jsonrpc":"2.0","id":1,"method":"acme/rows","params":{"Name":"x","URI":1,"name":[]}}`,
			Message{Kind: KindRequest, ID: []byte(`1`), Method: "acme/rows"},
		},
		{
			"result", `{"jsonrpc":"2.0","id":5,"result":{"action":"accept"}}`,
			Message{Kind: KindResponse, ID: []byte(`5`), Result: []byte(`{"action":"accept"}`)},
		},
		{
			"error without a readable id", `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}`,
			Message{Kind: KindResponse, Error: []byte(`{"code":-32000,"message":"no"}`)},
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := Peek([]byte(tc.body))
			require.NoError(t, err)
			got.Params = nil
			require.Equal(t, tc.want, got)
		})
	}
}

func TestPeekReturnsParamsAsWritten(t *testing.T) {
	t.Parallel()
	body := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params" : {"name":"x", "arguments":{"b":1.0}}}`)
	m, err := Peek(body)
	require.NoError(t, err)
	require.Equal(t, `{"name":"x", "arguments":{"b":1.0}}`, string(m.Params))
	require.Equal(t, "x", m.Tool())
	m, err = Peek([]byte(`{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"x"}}`))
	require.NoError(t, err)
	require.Empty(t, m.Tool())
}

func TestPeekReadsBatches(t *testing.T) {
	t.Parallel()
	m, err := Peek([]byte(`[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}},{"jsonrpc":"2.0","method":"notifications/progress"},{"jsonrpc":"2.0","id":"z","result":{}}]`))
	require.NoError(t, err)
	require.Equal(t, KindBatch, m.Kind)
	require.Len(t, m.Batch, 3)
	require.Equal(t, "a", m.Batch[0].Tool())
	require.Equal(t, KindNotification, m.Batch[1].Kind)
	require.Equal(t, KindResponse, m.Batch[2].Kind)
	require.Equal(t, `"z"`, string(m.Batch[2].ID))

	one := `{"jsonrpc":"2.0","method":"ping"}`
	_, err = Peek([]byte("[" + strings.Repeat(one+",", MaxBatch-1) + one + "]"))
	require.NoError(t, err)
	requireRefused(t, "["+strings.Repeat(one+",", MaxBatch)+one+"]", CodeInvalidRequest)
	requireRefused(t, `[]`, CodeInvalidRequest)
	requireRefused(t, `[[`+one+`]]`, CodeInvalidRequest)
	requireRefused(t, `[1]`, CodeInvalidRequest)
	requireRefused(t, `[`+one, CodeParse)
}

// TestPeekRefusesWhatParsersReadDifferently is security.md's row D3.
func TestPeekRefusesWhatParsersReadDifferently(t *testing.T) {
	t.Parallel()
	const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"}}`
	bodies := map[string]string{
		"method twice":               `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"drop"}}`,
		"method twice, one escaped":  `{"jsonrpc":"2.0","id":1,"method":"tools/list","\u006dethod":"tools/call"}`,
		"name twice":                 `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","name":"drop"}}`,
		"params twice":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"params":{"name":"drop"}}`,
		"duplicate in arguments":     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"p":{"a":1,"a":2}}}}`,
		"duplicate in _meta":         `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"a":1,"a":2}}}`,
		"Method":                     `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"name":"drop"}}`,
		"Method alone":               `{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"name":"drop"}}`,
		"long s in params":           `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"param` + "\u017f" + `":{"name":"drop"}}`,
		"Name":                       `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","Name":"drop"}}`,
		"Name escaped":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"\u004eame":"drop","name":"read"}}`,
		"name escaped":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"\u006eame":"drop"}}`,
		"ARGUMENTS":                  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{},"ARGUMENTS":{}}}`,
		"_Meta":                      `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_Meta":{}}}`,
		"meta version in other case": `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolversion":"2026-07-28"}}}`,
		"protocolversion":            `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolversion":"2025-11-25"}}`,
		"two messages":               call + call,
		"trailing comma":             call + ",",
		"trailing brace":             call + "}",
		"trailing NUL":               call + "\x00",
		"deep object":                `{"jsonrpc":"2.0","id":1,"method":"ping","params":` + strings.Repeat(`{"a":`, 70) + `1` + strings.Repeat(`}`, 70) + `}`,
		"deep array":                 strings.Repeat(`[`, 200000),
		"invalid UTF-8":              `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"re` + "\xff" + `ad"}}`,
		"overlong UTF-8":             `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + "\xc0\xae" + `"}}`,
		"jsonrpc missing":            `{"id":1,"method":"ping"}`,
		"jsonrpc number":             `{"jsonrpc":2.0,"id":1,"method":"ping"}`,
		"id null":                    `{"jsonrpc":"2.0","id":null,"method":"ping"}`,
		"id true":                    `{"jsonrpc":"2.0","id":true,"method":"ping"}`,
		"id object":                  `{"jsonrpc":"2.0","id":{},"method":"ping"}`,
		"id fraction":                `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`,
		"id exponent":                `{"jsonrpc":"2.0","id":1e3,"method":"ping"}`,
		"id too long":                `{"jsonrpc":"2.0","id":"` + strings.Repeat("x", MaxID) + `","method":"ping"}`,
		"method number":              `{"jsonrpc":"2.0","id":1,"method":7}`,
		"method empty":               `{"jsonrpc":"2.0","id":1,"method":""}`,
		"method with a line break":   `{"jsonrpc":"2.0","id":1,"method":"a\nb"}`,
		"method too long":            `{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("m", MaxMethod+1) + `"}`,
		"params array":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["read"]}`,
		"_meta array":                `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":[]}}`,
		"call and answer":            `{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`,
		"result and error":           `{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`,
		"result without id":          `{"jsonrpc":"2.0","result":{}}`,
		"result with a null id":      `{"jsonrpc":"2.0","id":null,"result":{}}`,
		"nothing in it":              `{"jsonrpc":"2.0","id":1}`,
		"a string":                   `"tools/call"`,
		"null":                       `null`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireRefused(t, body, CodeInvalidRequest)
		})
	}
}

func TestPeekRefusesWhatIsNotJSON(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		"", " ", "{", `{"jsonrpc":"2.0"`, "\xef\xbb\xbf" + `{"jsonrpc":"2.0","id":1,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping",}`, `{'jsonrpc':'2.0'}`, `{"jsonrpc":"2.0","id":01,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\ud800"}}`, `{"jsonrpc":"2.0" /*c*/,"id":1,"method":"ping"}`,
		`<html></html>`, `event: message`, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"pi\nng\"}",
	} {
		requireRefused(t, body, CodeParse)
	}
}

func TestPeekAnswersTheIDOfASoundEnvelope(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":"k","method":"tools/call"}`,
		`{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{}}`,
		`{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{"name":null}}`,
		`{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{"name":["x"]}}`,
		`{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{"name":""}}`,
		`{"jsonrpc":"2.0","id":"k","method":"tools/call","params":{"name":"read\u0000drop"}}`,
		`{"jsonrpc":"2.0","id":"k","method":"resources/read","params":{"uri":"a:b\n"}}`,
		`{"jsonrpc":"2.0","id":"k","method":"resources/read","params":{"name":"x"}}`,
		`{"jsonrpc":"2.0","id":"k","method":"ping","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":20260728}}}`,
	} {
		got := requireRefused(t, body, CodeInvalidParams)
		require.Equal(t, `"k"`, string(got.ID), body)
	}
}

// TestPeekRefusesEverySpellingVariant generates each casing of the judged names, plain and escaped.
func TestPeekRefusesEverySpellingVariant(t *testing.T) {
	t.Parallel()
	shapes := map[string]string{
		"method": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"%s":"tools/list"}`,
		"params": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read"},"%s":{"name":"drop"}}`,
		"name":   `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","%s":"drop"}}`,
		"id":     `{"jsonrpc":"2.0","id":1,"%s":2,"method":"tools/call","params":{"name":"read"}}`,
		"_meta":  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","_meta":{},"%s":{}}}`,
	}
	tried := 0
	for name, shape := range shapes {
		for bits := range 1 << len(name) {
			var plain, escaped strings.Builder
			for i, c := range name {
				if bits>>i&1 == 1 {
					c = []rune(strings.ToUpper(string(c)))[0]
				}
				plain.WriteRune(c)
				_, _ = fmt.Fprintf(&escaped, `\u%04x`, c)
			}
			requireRefused(t, fmt.Sprintf(shape, plain.String()), CodeInvalidRequest)
			requireRefused(t, fmt.Sprintf(shape, escaped.String()), CodeInvalidRequest)
			tried += 2
		}
	}
	require.Greater(t, tried, 350)
}

func TestPeekDepthCountsBracketsOutsideStringsOnly(t *testing.T) {
	t.Parallel()
	_, err := Peek([]byte(`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"` + strings.Repeat(`[{\"\\`, 500) + `"}}`))
	require.NoError(t, err)
	nest := func(n int) string {
		return `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":` + strings.Repeat(`[`, n) + strings.Repeat(`]`, n) + `}}`
	}
	_, err = Peek([]byte(nest(MaxDepth - 2)))
	require.NoError(t, err)
	requireRefused(t, nest(MaxDepth-1), CodeInvalidRequest)
}

func TestPeekerIsCleanAfterARefusal(t *testing.T) {
	t.Parallel()
	for range 100 {
		requireRefused(t, `{"jsonrpc":"2.0","id":1,"method":`, CodeParse)
		m, err := Peek([]byte(`{"jsonrpc":"2.0","id":2,"method":"ping"}`))
		require.NoError(t, err)
		require.Equal(t, "ping", m.Method)
	}
}

func requireRefused(t *testing.T, body string, code int) *Error {
	t.Helper()
	_, err := Peek([]byte(body))
	var refused *Error
	require.True(t, errors.As(err, &refused), "accepted or untyped: %.200s (%v)", body, err)
	require.Equal(t, code, refused.Code, "%.200s (%s)", body, refused.Reason)
	require.NotContains(t, refused.Reason, "drop")
	return refused
}
