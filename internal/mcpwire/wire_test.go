package mcpwire

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestErrorBody(t *testing.T) {
	t.Parallel()
	cases := []struct{ id, message, want string }{
		{`7`, "no", `{"jsonrpc":"2.0","id":7,"error":{"code":-32600,"message":"no"}}`},
		{`"a\u0041"`, "say \"no\"\n", `{"jsonrpc":"2.0","id":"a\u0041","error":{"code":-32600,"message":"say \"no\"\n"}}`},
		{``, "no", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}`},
		{`},"x":{`, "no", `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}`},
		{`1`, "bad \xff", "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600,\"message\":\"bad \uFFFD\"}}"},
	}
	for _, tc := range cases {
		got := ErrorBody([]byte(tc.id), CodeInvalidRequest, tc.message)
		require.Equal(t, tc.want, string(got))
		require.True(t, json.Valid(got))
		m, err := Peek(got)
		require.NoError(t, err)
		require.Equal(t, KindResponse, m.Kind)
	}
}

func TestCheckHeaders(t *testing.T) {
	t.Parallel()
	modern := Message{Kind: KindRequest, ID: []byte("1"), Method: "tools/call", Name: "größe", Modern: true, ProtocolVersion: "2026-07-28"}
	legacy := Message{Kind: KindRequest, ID: []byte("1"), Method: "tools/call", Name: "read"}
	batch := Message{Kind: KindBatch, Batch: []Message{legacy, legacy}}
	full := func(change func(http.Header)) http.Header {
		h := http.Header{}
		h.Set("MCP-Protocol-Version", "2026-07-28")
		h.Set("mcp-method", "tools/call")
		h.Set("MCP-NAME", "=?base64?Z3LDtsOfZQ==?=")
		change(h)
		return h
	}
	cases := []struct {
		name   string
		m      Message
		header http.Header
		ok     bool
	}{
		{"all equal", modern, full(func(http.Header) {}), true},
		{"legacy without any", legacy, http.Header{}, true},
		{"legacy with its version", legacy, http.Header{HeaderProtocolVersion: {"2025-11-25"}}, true},
		{"legacy with a lying name", legacy, http.Header{HeaderName: {"drop"}}, false},
		{"legacy with a lying method", legacy, http.Header{HeaderMethod: {"tools/list"}}, false},
		{"version missing", modern, full(func(h http.Header) { h.Del(HeaderProtocolVersion) }), false},
		{"version differs", modern, full(func(h http.Header) { h.Set(HeaderProtocolVersion, "2026-07-29") }), false},
		{"version twice", modern, full(func(h http.Header) { h.Add(HeaderProtocolVersion, "2026-07-28") }), false},
		{"method missing", modern, full(func(h http.Header) { h.Del(HeaderMethod) }), false},
		{"method in other case", modern, full(func(h http.Header) { h.Set(HeaderMethod, "Tools/Call") }), false},
		{"method twice", modern, full(func(h http.Header) { h.Add(HeaderMethod, "tools/call") }), false},
		{"name missing", modern, full(func(h http.Header) { h.Del(HeaderName) }), false},
		{"name differs", modern, full(func(h http.Header) { h.Set(HeaderName, "read") }), false},
		{"name in broken base64", modern, full(func(h http.Header) { h.Set(HeaderName, "=?base64?Z3LDtsOfZQ=?=") }), false},
		{"header alone says modern", legacy, http.Header{HeaderProtocolVersion: {"2026-07-28"}}, false},
		{
			"modern notification needs no name",
			Message{Kind: KindNotification, Method: "notifications/cancelled", Modern: true, ProtocolVersion: "2026-07-28"},
			http.Header{HeaderProtocolVersion: {"2026-07-28"}},
			true,
		},
		{"batch of 2025-03-26", batch, http.Header{HeaderProtocolVersion: {"2025-03-26"}}, true},
		{"batch without a version", batch, http.Header{}, true},
		{"batch with a name header", batch, http.Header{HeaderName: {"read"}}, false},
		{"batch with a method header", Message{Kind: KindBatch}, http.Header{HeaderMethod: {"tools/list"}}, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			err := CheckHeaders(tc.header, &tc.m)
			if tc.ok {
				require.NoError(t, err)
				return
			}
			var refused *Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, CodeHeaderMismatch, refused.Code)
		})
	}
}

// TestNoBatchesSince20250618: the version that took them out, and every later one, has none.
func TestNoBatchesSince20250618(t *testing.T) {
	t.Parallel()
	ping := Message{Kind: KindRequest, ID: []byte("1"), Method: "ping"}
	modern := Message{Kind: KindRequest, ID: []byte("1"), Method: "ping", Modern: true, ProtocolVersion: "2026-07-28"}
	for _, c := range []struct {
		version string
		members []Message
	}{
		{Version20250618, []Message{ping}},
		{Version20251125, []Message{ping, ping}},
		{Version20260728, []Message{modern}},
		{"draft", []Message{ping}},
		{"", []Message{ping, modern}},
	} {
		err := CheckHeaders(http.Header{HeaderProtocolVersion: {c.version}}, &Message{Kind: KindBatch, Batch: c.members})
		var refused *Error
		require.ErrorAs(t, err, &refused, c.version)
		require.Equal(t, CodeInvalidRequest, refused.Code)
	}
}

func TestHeaderValue(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"read": "read", "": "", "=?base64?cmVhZA==?=": "read", "=?base64??=": "", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=": "=?base64?literal?=",
		"=?base64?cmVhZA==": "=?base64?cmVhZA==", "=?BASE64?cmVhZA==?=": "=?BASE64?cmVhZA==?=", "=?base64?=": "=?base64?=",
	} {
		got, ok := HeaderValue(raw)
		require.True(t, ok, raw)
		require.Equal(t, want, got, raw)
	}
	for _, raw := range []string{"=?base64?cmVhZA?=", "=?base64?cmVhZB==?=", "=?base64?cmVh ZA==?=", "=?base64?/w==?=", "=?base64?_w==?=", "=?base64?cmVhZA==?=?="} {
		_, ok := HeaderValue(raw)
		require.False(t, ok, raw)
	}
}

func TestHeaderNamesAreCanonical(t *testing.T) {
	t.Parallel()
	for _, name := range []string{HeaderSessionID, HeaderProtocolVersion, HeaderMethod, HeaderName, HeaderParamPrefix, HeaderLastEventID} {
		require.Equal(t, http.CanonicalHeaderKey(name), name)
	}
}
