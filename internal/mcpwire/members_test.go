package mcpwire

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func peeked(t *testing.T, body string) *Message {
	t.Helper()
	m, err := Peek([]byte(body))
	require.NoError(t, err)
	return &m
}

func TestLookup(t *testing.T) {
	t.Parallel()
	const object = ` {"a": {"b" : [1, {"c":2}], "\u0063": 3}, "n":null}`
	for path, want := range map[string][]string{
		`{"b" : [1, {"c":2}], "\u0063": 3}`: {"a"},
		`[1, {"c":2}]`:                      {"a", "b"},
		`null`:                              {"n"},
	} {
		require.Equal(t, path, string(Lookup([]byte(object[1:]), want...)))
	}
	for _, none := range [][]string{{"x"}, {"a", "c"}, {"a", "b", "c"}, {"n", "x"}, {"A"}} {
		require.Nil(t, Lookup([]byte(object[1:]), none...), none)
	}
	require.Nil(t, Lookup(nil, "a"))
	require.Nil(t, Lookup([]byte(`[]`), "a"))
}

func TestDeclaresURLElicitation(t *testing.T) {
	t.Parallel()
	for capabilities, want := range map[string]bool{
		`{"elicitation":{"url":{}}}`:                true,
		`{"elicitation":{"form":{},"url":{"x":1}}}`: true,
		`{"elicitation":{}}`:                        false,
		`{"elicitation":{"form":{}}}`:               false,
		`{"elicitation":{"url":null}}`:              false,
		`{"elicitation":{"url":true}}`:              false,
		`{"elicitation":{"URL":{}}}`:                false,
		`{"elicitation":true}`:                      false,
		`{}`:                                        false,
		`null`:                                      false,
	} {
		initialize := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":` + capabilities + `}}`
		require.Equal(t, want, DeclaresURLElicitation(peeked(t, initialize)), initialize)
		call := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":` + capabilities + `}}}`
		require.Equal(t, want, DeclaresURLElicitation(peeked(t, call)), call)
	}
	require.False(t, DeclaresURLElicitation(peeked(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","capabilities":{"elicitation":{"url":{}}}}}`)), "that is initialize's")
	require.False(t, DeclaresURLElicitation(peeked(t, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)))
}

func TestRequestState(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"x\u0041"`, string(peeked(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"requestState":"x\u0041","name":"a"}}`).RequestState))
	require.Nil(t, peeked(t, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"requestState":"x"}}}`).RequestState)
	_, err := Peek([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"requestState":"x","name":"a","requestState":"y"}}`))
	require.Error(t, err, "two are none")
}

func TestSwapParams(t *testing.T) {
	t.Parallel()
	out := []string{ParamRequestState, ParamInputResponses}
	for _, c := range []struct {
		body, want string
		in         []Member
	}{
		{
			` {"jsonrpc":"2.0", "id":1 ,"method":"m","params": {"a" : 1.50,"requestState":"s", "b":"\u00e4", "inputResponses":{"x":[1]}}, "x":0} `,
			`{"jsonrpc":"2.0", "id":1 ,"method":"m","params": {"a" : 1.50,"b":"\u00e4"}, "x":0}`, nil,
		},
		{`{"params":{"requestState":"s"}}`, `{"params":{}}`, nil},
		{`{"params":{}}`, `{"params":{}}`, nil},
		{`{"params":{"requestState":"s","a":1}}`, `{"params":{"a":1,"inputResponses":{ "k":1.0 },"requestState":"t"}}`, []Member{{ParamInputResponses, []byte(`{ "k":1.0 }`)}, {ParamRequestState, []byte(`"t"`)}}},
		{`{"params":{"requestState":"s"}}`, `{"params":{"requestState":"t"}}`, []Member{{ParamRequestState, []byte(`"t"`)}}},
		{`{"params":{"a":{"requestState":"s"}},"requestState":"u"}`, `{"params":{"a":{"requestState":"s"}},"requestState":"u"}`, nil},
	} {
		got, err := SwapParams([]byte(c.body), out, c.in...)
		require.NoError(t, err, c.body)
		require.Equal(t, c.want, string(got))
	}
	for _, body := range []string{`{}`, `{"params":[1]}`, `{"params":null}`, `[]`, `{"params":{"a":}}`, `{"params":{"a":1}`, ``} {
		_, err := SwapParams([]byte(body), out)
		require.Error(t, err, body)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for want, got := range map[string][]byte{
		`{"jsonrpc":"2.0","id":"\u0061","result":{"content":[{"type":"text","text":"a \"b\" <c>"}],"isError":true}}`:                                                                                 ToolErrorBody([]byte(`"\u0061"`), `a "b" <c>`, false),
		`{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[{"type":"text","text":"a` + "\uFFFD" + `"}],"isError":true}}`:                                                          ToolErrorBody([]byte(`1`), "a\xff", true),
		`{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{"k":{"method":"elicitation/create","params":{"mode":"url","url":"u","message":"m"}}},"requestState":"s"}}`: InputRequiredBody([]byte(`1`), "k", Elicitation{ID: "no", URL: "u", Message: "m"}, "s"),
		`{"jsonrpc":"2.0","id":null,"error":{"code":-32042,"message":"t","data":{"elicitations":[{"mode":"url","elicitationId":"e","url":"u","message":"m"}]}}}`:                                     URLElicitationBody(nil, "t", Elicitation{ID: "e", URL: "u", Message: "m"}),
		`[{},[]]`: BatchBody([][]byte{[]byte(`{}`), []byte(`[]`)}),
		`[]`:      BatchBody(nil),
		`{"jsonrpc":"2.0","id":null,"result":{"content":[{"type":"text","text":""}],"isError":true}}`: ToolErrorBody([]byte(`}`), "", false),
	} {
		require.Equal(t, want, string(got))
		require.True(t, json.Valid(got))
	}
}

// FuzzSwapParams: what is put in and taken out again leaves the message that was, to every reader.
func FuzzSwapParams(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":[1,{}]},"_meta":{"k":"\u00e4"}}}`), `"s"`, `{"k":{"action":"accept"}}`)
	f.Add([]byte(` {"params" : { "inputResponses":{},"uri":"u","requestState" : "x" },"jsonrpc":"2.0","id":"b","method":"resources/read"} `), `"s\u0041"`, `{}`)
	f.Fuzz(func(t *testing.T, body []byte, state, responses string) {
		m, err := Peek(body)
		if err != nil || m.Kind != KindRequest || m.Params == nil || !json.Valid([]byte(state)) || !json.Valid([]byte(responses)) {
			return
		}
		out := []string{ParamRequestState, ParamInputResponses}
		bare, err := SwapParams(body, out)
		require.NoError(t, err)
		stripped, err := Peek(bare)
		require.NoError(t, err)
		require.Nil(t, stripped.RequestState)
		require.Equal(t, []string{string(m.ID), m.Method, m.Name, m.ProtocolVersion}, []string{string(stripped.ID), stripped.Method, stripped.Name, stripped.ProtocolVersion})
		full, err := SwapParams(bare, nil, Member{ParamInputResponses, []byte(responses)}, Member{ParamRequestState, []byte(state)})
		require.NoError(t, err)
		again, err := Peek(full)
		if err != nil {
			return // what was put in nests too deep, or is not one value to every reader
		}
		require.Equal(t, Lookup(full, "params", ParamRequestState), again.RequestState)
		back, err := SwapParams(full, out)
		require.NoError(t, err)
		require.Equal(t, string(bare), string(back))
	})
}
