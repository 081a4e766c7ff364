package mcpwire

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzPeek holds Peek against encoding/json, which folds case and lets the last duplicate win, and against
// the official SDK's reader: what Peek accepts must mean the same to both.
func FuzzPeek(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"a":[1,{"b":null}]}}}`,
		`{"jsonrpc":"2.0","id":"x","method":"initialize","params":{"protocolVersion":"2025-11-25","clientInfo":{"name":"c","version":"1"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a:\u00e4","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"p"}},{"jsonrpc":"2.0","id":2,"result":{}}]`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"Name":"drop"}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t","TaskID":"u"}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := Peek(body)
		if err != nil {
			var refused *Error
			require.ErrorAs(t, err, &refused)
			return
		}
		if m.Kind != KindBatch {
			same(t, body, m)
			sameToSDK(t, body, m)
			return
		}
		var parts []json.RawMessage
		require.NoError(t, json.Unmarshal(body, &parts))
		require.Len(t, m.Batch, len(parts))
		for i, part := range parts {
			same(t, part, m.Batch[i])
			sameToSDK(t, part, m.Batch[i])
		}
	})
}

func same(t *testing.T, body []byte, m Message) {
	t.Helper()
	var loose struct {
		ID     json.RawMessage
		Method string
		Params json.RawMessage
	}
	require.NoError(t, json.Unmarshal(body, &loose))
	require.Equal(t, loose.Method, m.Method)
	if m.ID != nil {
		require.Equal(t, string(loose.ID), string(m.ID))
	}
	if m.Params != nil {
		require.Equal(t, string(loose.Params), string(m.Params))
	}
	var want string
	switch m.Method {
	case MethodToolsCall, MethodPromptsGet:
		var p struct{ Name string }
		require.NoError(t, json.Unmarshal(loose.Params, &p))
		want = p.Name
	case MethodResourcesRead:
		var p struct{ URI string }
		require.NoError(t, json.Unmarshal(loose.Params, &p))
		want = p.URI
	case MethodTasksGet, MethodTasksUpdate, MethodTasksCancel:
		var p struct{ TaskID string }
		require.NoError(t, json.Unmarshal(loose.Params, &p))
		want = p.TaskID
	}
	require.Equal(t, want, m.Name)
}
