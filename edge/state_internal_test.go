package edge

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/mcpwire"
	"github.com/emcy/gateway/internal/seal"
)

// FuzzState: whatever a client sends, a state of ours gives back just what it was made of, for the same call of the
// same person, and any other text that bears its mark opens nothing.
func FuzzState(f *testing.F) {
	raw := [32]byte{1}
	key, err := seal.NewKey(1, raw[:])
	require.NoError(f, err)
	states, err := seal.NewEnvelope("mcp-request-state", key)
	require.NoError(f, err)
	front := &Front{clock: clock.NewManual(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))}
	ada := &access{tenant: "tnt_a", subject: "acc_ada", client: "cli_1"}
	at := call{tenant: &snapshot.Tenant{ID: "tnt_a", States: states}, edge: &snapshot.Edge{ID: "ups_1"}}
	exchangeOf := func(body []byte) (*exchange, bool) {
		m, err := mcpwire.Peek(body)
		return &exchange{call: at, front: front, access: ada, message: m, body: body}, err == nil && m.Kind == mcpwire.KindRequest && acts(m.Method) && m.Params != nil
	}
	f.Add([]byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":1.0}}}`), "emcy-connect.AAAA")
	f.Add([]byte(`{"jsonrpc":"2.0","id":"x","method":"resources/read","params":{ "inputResponses" : {"k":[ ]}, "uri":"u", "requestState":"s\u0041"}}`), "emcy-connect.")
	f.Fuzz(func(t *testing.T, body []byte, forged string) {
		x, ok := exchangeOf(body)
		if !ok || ourState(x.message.RequestState) {
			return
		}
		inner, responses := x.message.RequestState, mcpwire.Lookup(x.message.Params, mcpwire.ParamInputResponses)
		state, ok := x.sealState()
		require.True(t, ok)

		retry := func(state string) []byte {
			quoted, err := json.Marshal(state)
			require.NoError(t, err)
			next, err := mcpwire.SwapParams(body, []string{mcpwire.ParamRequestState, mcpwire.ParamInputResponses},
				mcpwire.Member{Name: mcpwire.ParamInputResponses, Value: []byte(`{"emcy-connect":{"action":"accept"}}`)}, mcpwire.Member{Name: mcpwire.ParamRequestState, Value: quoted})
			require.NoError(t, err)
			return next
		}
		y, ok := exchangeOf(retry(state))
		if !ok {
			return // it became too long or too deep
		}
		asked, re := y.openState()
		require.Nil(t, re)
		require.False(t, asked.refused)
		require.Equal(t, string(inner), string(y.message.RequestState))
		require.Equal(t, string(responses), string(mcpwire.Lookup(y.message.Params, mcpwire.ParamInputResponses)))

		z, ok := exchangeOf(retry(stateMark + forged))
		if !ok || stateMark+forged == state {
			return
		}
		_, re = z.openState()
		require.NotNil(t, re)
		require.Equal(t, mcpwire.CodeInvalidParams, re.code)
	})
}
