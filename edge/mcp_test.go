package edge_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
	"github.com/emcy/gateway/usage/event"
)

func TestChallengeOnEveryMethod(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	want := fmt.Sprintf(`Bearer resource_metadata="%s", scope="mcp"`, b.acme.Edges[slug].MetadataURL)
	for _, method := range []string{"POST", "GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE", "BREW"} {
		for name, authorization := range map[string]string{"none": "", "basic": "Basic YTpi"} {
			resp, body := b.do(b.request(method, "", "Authorization", authorization, "Accept", "*/*"))
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "%s %s", method, name)
			require.Equal(t, []string{want}, resp.Header["Www-Authenticate"], "%s %s", method, name)
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
			if method != http.MethodHead {
				require.True(t, json.Valid([]byte(body)), body)
			}
		}
		last := b.events.list()[len(b.events.list())-1]
		require.Equal(t, method, last.HTTPMethod)
		require.Equal(t, event.Denied, last.Outcome)
		require.Equal(t, "missing_token", last.Reason)
		require.True(t, last.Finished)
	}
	resp, _ := b.do(b.request("POST", "{not json", "Authorization", "", "Content-Type", "text/plain"))
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "the token comes before the body")

	req := b.request("POST", ping, "Authorization", "")
	req.URL.RawQuery = "access_token=" + b.token(b.acme)
	resp, _ = b.do(req)
	require.Equal(t, want, resp.Header.Get("WWW-Authenticate"), "a token in the query does not count")

	req = b.request("POST", ping)
	req.Header["Authorization"] = append(req.Header["Authorization"], req.Header["Authorization"][0])
	resp, _ = b.do(req)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "two headers")
	require.Equal(t, want+`, error="invalid_token", error_description="it is malformed"`, resp.Header.Get("WWW-Authenticate"))
	require.Empty(t, runtime.requests())
}

func TestMethodsAfterTheToken(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	for _, method := range []string{"OPTIONS", "PUT", "PATCH", "TRACE", "BREW"} {
		resp, body := b.do(b.request(method, ""))
		require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode, method)
		require.Equal(t, "POST, GET, HEAD, DELETE, OPTIONS", resp.Header.Get("Allow"), method)
		require.True(t, json.Valid([]byte(body)), method)
		require.NotContains(t, body, "Bearer", "nothing of the request is reflected")
	}
	require.Empty(t, runtime.requests())
	for _, method := range []string{"GET", "HEAD", "DELETE", "POST"} {
		body := ""
		if method == "POST" {
			body = ping
		}
		resp, _ := b.do(b.request(method, body))
		require.Equal(t, http.StatusOK, resp.StatusCode, method)
		seen := runtime.requests()
		require.Equal(t, method, seen[len(seen)-1].Method)
	}
	resp, _ := b.do(b.request("GET", "surprise"))
	require.Equal(t, http.StatusBadRequest, resp.StatusCode, "a GET with a body")
}

func TestBodies(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime, func(c *edge.Config) { c.Limits.Body = 1000 })
	packed := &bytes.Buffer{}
	zip := gzip.NewWriter(packed)
	_, err := io.WriteString(zip, ping)
	require.NoError(t, err)
	require.NoError(t, zip.Close())

	for name, c := range map[string]struct {
		body   string
		header []string
		status int
		answer string
		reason string
	}{
		"no type":           {ping, []string{"Content-Type", ""}, 415, `"id":null,"error":{"code":-32600`, "unsupported_content_type"},
		"text":              {ping, []string{"Content-Type", "text/plain"}, 415, `-32600`, "unsupported_content_type"},
		"form":              {ping, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, `-32600`, "unsupported_content_type"},
		"charset":           {ping, []string{"Content-Type", "application/json; charset=utf-16"}, 415, `-32600`, "unsupported_content_type"},
		"old charset":       {ping, []string{"Content-Type", "application/json; charset=iso-8859-1"}, 415, `-32600`, "unsupported_content_type"},
		"two charsets":      {ping, []string{"Content-Type", "application/json; charset=utf-8; charset=utf-16"}, 415, `-32600`, "unsupported_content_type"},
		"batch, too late":   {`[` + ping + `]`, []string{"Mcp-Protocol-Version", "2025-06-18"}, 400, `-32600`, "invalid_message"},
		"modern batch":      {`[` + modernPing + `]`, nil, 400, `-32600`, "invalid_message"},
		"batch with method": {`[` + ping + `]`, []string{"Mcp-Method", "ping"}, 400, `-32020`, "header_mismatch"},
		"packed":            {packed.String(), []string{"Content-Encoding", "gzip"}, 415, `-32600`, "unsupported_content_type"},
		"too large":         {`{"jsonrpc":"2.0","id":1,"method":"` + strings.Repeat("a", 1000) + `"}`, nil, 413, `-32600`, "message_too_large"},
		"empty":             {" ", nil, 400, `-32700`, "invalid_message"},
		"not JSON":          {`{"jsonrpc":`, nil, 400, `-32700`, "invalid_message"},
		"no version":        {`{"id":1,"method":"ping"}`, nil, 400, `-32600`, "invalid_message"},
		"member twice":      {`{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}`, nil, 400, `-32600`, "invalid_message"},
		"other case":        {`{"jsonrpc":"2.0","id":1,"Method":"tools/list","method":"ping"}`, nil, 400, `-32600`, "invalid_message"},
		"rest":              {ping + ping, nil, 400, `-32600`, "invalid_message"},
		"no name":           {`{"jsonrpc":"2.0","id":"x7","method":"tools/call","params":{}}`, nil, 400, `"id":"x7","error":{"code":-32602`, "invalid_message"},
		"lying header":      {ping, []string{"Mcp-Method", "tools/list"}, 400, `"id":"q-1","error":{"code":-32020`, "header_mismatch"},
		"lying name header": {`{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"rm"}}`, []string{"Mcp-Name", "ls"}, 400, `"id":5,"error":{"code":-32020`, "header_mismatch"},
	} {
		resp, body := b.do(b.request("POST", c.body, c.header...))
		require.Equal(t, c.status, resp.StatusCode, name)
		require.Contains(t, body, c.answer, name)
		require.True(t, json.Valid([]byte(body)), name)
		last := b.events.list()[len(b.events.list())-1]
		require.Equal(t, c.reason, last.Reason, name)
		require.Equal(t, event.Rejected, last.Outcome, name)
	}
	require.Empty(t, runtime.requests())

	for name, kind := range map[string]string{"charset": "application/json; charset=utf-8", "charset's case": `application/json; Charset="UTF-8"`, "case": "Application/JSON"} {
		resp, _ := b.do(b.request("POST", ping, "Content-Type", kind))
		require.Equal(t, http.StatusOK, resp.StatusCode, name)
	}
	for _, body := range []string{
		"  " + ping + "\n", `[` + ping + `,{"jsonrpc":"2.0","method":"notifications/initialized"}]`,
		`{"jsonrpc":"2.0","id":0,"result":{"roots":[]}}`, "{\"method\" : \"ping\",\t\"id\":12345678901234567890,\"jsonrpc\":\"2.0\",\"params\":{\"_meta\":{\"x\":1}}}",
	} {
		resp, _ := b.do(b.request("POST", body))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, body, runtime.bodies[len(runtime.bodies)-1], "the bytes that were judged are the bytes that are sent on")
	}
}

func TestChunkedBodyIsBoundedToo(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime, func(c *edge.Config) { c.Limits.Body = 100 })
	for size, status := range map[int]int{60: http.StatusOK, 100: http.StatusOK, 101: http.StatusRequestEntityTooLarge} {
		body := ping + strings.Repeat(" ", size-len(ping))
		req := b.request("POST", body)
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), -1
		resp, _ := b.do(req)
		require.Equal(t, status, resp.StatusCode, size)
	}
	for _, r := range runtime.requests() {
		require.Empty(t, r.TransferEncoding, "the runtime gets one framing, ours")
	}
}

func TestBodyThatNeverComes(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime, func(c *edge.Config) { c.Limits.BodyTime = 50_000_000 }) // 50 ms
	answer := b.raw("POST /crm/mcp HTTP/1.1\r\nHost: " + b.server.Listener.Addr().String() + "\r\nAuthorization: Bearer " + b.token(b.acme) +
		"\r\nContent-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{")
	require.Contains(t, answer, " 408 ")
	require.Equal(t, "message_too_slow", b.events.list()[0].Reason)
	require.Empty(t, runtime.requests())
}

func TestFramingThatTwoServersCouldReadDifferently(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	head := "POST /crm/mcp HTTP/1.1\r\nHost: " + b.server.Listener.Addr().String() + "\r\nAuthorization: Bearer " + b.token(b.acme) + "\r\nContent-Type: application/json\r\nConnection: close\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(ping), ping)
	for name, rest := range map[string]string{
		"two lengths":         "Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + ping,
		"odd length":          "Content-Length: +50\r\n\r\n" + ping,
		"odd encoding":        "Transfer-Encoding: xchunked\r\n\r\n" + chunked,
		"encoding twice":      "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
		"folded header":       "Transfer-Encoding:\r\n chunked, x\r\n\r\n" + chunked,
		"space before colon":  "Transfer-Encoding : chunked\r\n\r\n" + chunked,
		"bare LF in a header": "X: a\nTransfer-Encoding : chunked\r\n\r\n" + chunked,
		"control in a value":  "X: a\x00b\r\nContent-Length: 0\r\n\r\n",
		"odd chunk size":      "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
	} {
		answer := b.raw(head + rest)
		first := strings.SplitN(answer, "\r\n", 2)[0]
		require.True(t, strings.Contains(first, " 400 ") || strings.Contains(first, " 501 "), "%s: %s", name, first)
	}
	require.Empty(t, runtime.requests())

	// Both framings: one request reaches the runtime, framed by its length, and the bytes behind it are no second one.
	answer := b.raw(head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + "GET /crm/mcp HTTP/1.1\r\nHost: evil\r\n\r\n")
	require.Equal(t, 1, strings.Count(answer, "HTTP/1.1 "))
	require.LessOrEqual(t, len(runtime.requests()), 1)
	for _, r := range runtime.requests() {
		require.Equal(t, int64(len(ping)), r.ContentLength)
		require.Empty(t, r.TransferEncoding)
	}
}
