package edge_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge"
)

// sendAll sends bytes, ends its side of the connection, and gives back what comes.
// A connection that is dropped without an answer gives what came until then.
func (b *bundle) sendAll(text string) string {
	b.t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(b.context(), "tcp", b.server.Listener.Addr().String())
	require.NoError(b.t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(b.t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, _ = io.WriteString(conn, text) // the server may have hung up before the end
	// Half a connection that is closed counts as a client that is gone, so only one that gets no answer closes it.
	require.NoError(b.t, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	first := make([]byte, 1)
	n, _ := conn.Read(first)
	if half, ok := conn.(*net.TCPConn); ok && n == 0 {
		_ = half.CloseWrite()
	}
	require.NoError(b.t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	rest, _ := io.ReadAll(conn)
	return string(first[:n]) + string(rest)
}

// framings are heads and bodies of one request that two servers might take for
// different ones: what stands behind the body is a second request to one of them.
func framings() map[string]string {
	out := map[string]string{}
	length := len(ping)
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", length, ping)
	plain := func(name, headers string) { out[name] = headers + "\r\n\r\n" + ping }
	pieces := func(name, headers string) { out[name] = headers + "\r\n\r\n" + chunked }

	lengths := []string{
		fmt.Sprint(length), fmt.Sprintf("0%d", length), fmt.Sprintf("+%d", length), fmt.Sprintf(" %d ", length), fmt.Sprintf("%d, %d", length, length),
		fmt.Sprintf("%d,4", length), fmt.Sprintf("0x%x", length), fmt.Sprintf("%d.0", length), "-1", "0", "4", "", "four", "4 4", "99999999999999999999", "1e2", "\t4", "4\x0b",
	}
	encodings := []string{
		"chunked", "Chunked", "CHUNKED ", "\tchunked", "xchunked", "chunkedx", "chunked, chunked", "identity", "chunked, identity", "identity, chunked", "gzip, chunked",
		"chunked;q=1", `"chunked"`, "chunked\x0b", "\x0bchunked", "chunked\x00", "", ",chunked", "chunked,", "trailers, chunked", "ch\u00fanked",
	}
	for _, l := range lengths {
		plain("length "+l, "Content-Length: "+l)
		pieces("length "+l+", chunks", "Content-Length: "+l+"\r\nTransfer-Encoding: chunked")
		pieces("chunks, length "+l, "Transfer-Encoding: chunked\r\nContent-Length: "+l)
		plain("two lengths "+l, fmt.Sprintf("Content-Length: %d\r\nContent-Length: %s", length, l))
		plain("two lengths, turned "+l, fmt.Sprintf("Content-Length: %s\r\nContent-Length: %d", l, length))
	}
	for _, e := range encodings {
		pieces("encoding "+e, "Transfer-Encoding: "+e)
		plain("length and encoding "+e, fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: %s", length, e))
		pieces("small length and encoding "+e, "Content-Length: 4\r\nTransfer-Encoding: "+e)
		pieces("encoding twice "+e, "Transfer-Encoding: chunked\r\nTransfer-Encoding: "+e)
	}
	for _, name := range []string{
		"Transfer-Encoding ", " Transfer-Encoding", "Transfer_Encoding", "Transfer\tEncoding", "Transfer-Encoding\x00", "\x00Transfer-Encoding", "Transfer-Encoding\x0b",
		"Transfer-\u0045ncoding", "TRANSFER-ENCODING", "Transfer-Encoding:", "X: y\rTransfer-Encoding", "X: y\nTransfer-Encoding", "X: y\n\rTransfer-Encoding", "X:\r\n Transfer-Encoding",
		"X: y\r\n\tTransfer-Encoding",
	} {
		plain("name "+name, fmt.Sprintf("Content-Length: %d\r\n%s: chunked", length, name))
		pieces("name before "+name, fmt.Sprintf("%s: chunked\r\nContent-Length: 4", name))
	}
	for _, size := range []string{
		fmt.Sprintf("0x%x", length), fmt.Sprintf("%x;ext=1", length), fmt.Sprintf("%x ;ext", length), fmt.Sprintf(" %x", length), fmt.Sprintf("+%x", length), fmt.Sprintf("-%x", length),
		"ffffffffffffffff1", "g", "", fmt.Sprintf("0000%x", length), fmt.Sprintf("%x\n", length), fmt.Sprintf("%x\r", length), fmt.Sprintf("%x;a\nb", length),
	} {
		out["chunk size "+size] = "Transfer-Encoding: chunked\r\n\r\n" + size + "\r\n" + ping + "\r\n0\r\n\r\n"
		out["chunk size, bare LF "+size] = "Transfer-Encoding: chunked\r\n\r\n" + size + "\n" + ping + "\n0\n\n"
	}
	out["no end of chunk"] = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s0\r\n\r\n", length, ping)
	out["trailer"] = fmt.Sprintf("Transfer-Encoding: chunked\r\nTrailer: X-Emcy-Subject\r\n\r\n%x\r\n%s\r\n0\r\nX-Emcy-Subject: root\r\nContent-Length: 4\r\n\r\n", length, ping)
	out["bare LF everywhere"] = fmt.Sprintf("Content-Length: %d\n\n%s", length, ping)
	out["upgrade"] = fmt.Sprintf("Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: %d\r\n\r\n%s", length, ping)
	out["h2c"] = fmt.Sprintf("Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: %d\r\n\r\n%s", length, ping)
	out["expect"] = fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", length, ping)
	out["expect more"] = fmt.Sprintf("Expect: 200-ok\r\nContent-Length: %d\r\n\r\n%s", length, ping)
	return out
}

// TestNothingIsSmuggled is security.md's row D4: each way to frame a request is
// answered, or dropped, and at most one request reaches the runtime: the one that was
// judged, in a framing of the gateway's own.
func TestNothingIsSmuggled(t *testing.T) {
	t.Parallel()
	cases := framings()
	require.GreaterOrEqual(t, len(cases), 150)
	runtime := echoPong()
	b := setup(t, runtime, func(c *edge.Config) { c.Limits.BodyTime = 300 * time.Millisecond })
	host := b.server.Listener.Addr().String()
	authorization := "Authorization: " + b.tokenOf() + "\r\n"
	head := "POST /crm/mcp HTTP/1.1\r\nHost: " + host + "\r\n" + authorization + "Content-Type: application/json\r\nConnection: close\r\n"
	const behind = `{"jsonrpc":"2.0","id":9,"method":"smuggled"}`
	second := fmt.Sprintf("POST /crm/mcp HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", host, authorization, len(behind), behind)
	passed := 0
	for name, rest := range cases {
		before := len(runtime.requests())
		answer := b.sendAll(head + rest + second)
		require.LessOrEqual(t, strings.Count(answer, "HTTP/1.1 ")-strings.Count(answer, "HTTP/1.1 100 "), 1, "%q: %s", name, answer)
		seen := runtime.requests()[before:]
		require.LessOrEqual(t, len(seen), 1, "%q", name)
		if len(seen) == 0 {
			require.NotContains(t, answer, "HTTP/1.1 200", "%q", name)
			continue
		}
		passed++
		require.Equal(t, int64(len(ping)), seen[0].ContentLength, "%q", name)
		require.Empty(t, seen[0].TransferEncoding, "%q", name)
		require.Empty(t, seen[0].Trailer, "%q", name)
		require.Equal(t, ping, runtime.bodies[before], "%q", name)
		require.Equal(t, "acc_ada", seen[0].Header.Get("X-Emcy-Subject"), "%q", name)
		for _, header := range []string{"Transfer_encoding", "Upgrade", "Http2-Settings", "Connection", "Expect"} {
			require.Empty(t, seen[0].Header.Values(header), "%q", name)
		}
	}
	require.Positive(t, passed, "some are good requests")
	require.Less(t, passed, len(cases)/2)
	t.Logf("%d framings, %d of them one request", len(cases), passed)
}

// TestHostIsOneThing is security.md's row E1: whatever stands in for the Host, the
// origin in an answer is the one of the table, or there is no answer.
func TestHostIsOneThing(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	for _, start := range []string{
		"GET %s HTTP/1.1\r\nHost: evil.test\r\n",
		"GET http://evil.test%s HTTP/1.1\r\nHost: globex.test\r\n",
		"GET http://globex.test%s HTTP/1.1\r\nHost: evil.test\r\n",
		"GET https://globex.test%s HTTP/1.1\r\nHost: globex.test\r\n",
		"GET //evil.test%s HTTP/1.1\r\nHost: globex.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test, evil.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test\r\nHost: evil.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test\r\nHost: globex.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test evil.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test\x00evil.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test#evil.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test/evil\r\n",
		"GET %s HTTP/1.1\r\nHost: evil.test@globex.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test:80:80\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test:080\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test:\r\n",
		"GET %s HTTP/1.1\r\nHost : globex.test\r\n",
		"GET %s HTTP/1.1\r\n Host: globex.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex.test\r\n evil.test\r\n",
		"GET %s HTTP/1.1\r\nHost: g\u029fobex.test\r\n",
		"GET %s HTTP/1.1\r\nHost: globex%%2etest\r\n",
		"GET %s HTTP/1.1\r\nHost: \r\n",
		"GET %s HTTP/1.1\r\nX-Forwarded-Host: globex.test\r\n",
		"GET %s HTTP/1.0\r\nHost: evil.test\r\n",
		"GET %s HTTP/9.9\r\nHost: globex.test\r\n",
		"GET %s\r\nHost: globex.test\r\n",
		"CONNECT globex.test:80 HTTP/1.1\r\nHost: globex.test\r\nX-Path: %s\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: globex.test\r\nX-Path: %s\r\n",
		"PRI * HTTP/2.0\r\nX-Path: %s\r\n",
	} {
		for _, path := range []string{"/.well-known/oauth-protected-resource/crm/mcp", "/crm/mcp"} {
			answer := b.sendAll(fmt.Sprintf(start, path) + "Connection: close\r\n\r\n")
			require.NotContains(t, answer, "evil", "%q", start)
			require.NotContains(t, answer, "globex", "%q", start)
			if answer != "" {
				first := strings.SplitN(answer, "\r\n", 2)[0]
				require.Regexp(t, ` (400|404|405|421|505) `, first, "%q", start)
			}
		}
	}
	require.Empty(t, runtime.requests())
	require.Empty(t, b.auth)
	for _, header := range []string{"X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https", "Forwarded: host=evil.test;proto=https", "X-Original-Url: /evil", "X-Host: evil.test", "X-Forwarded-Port: 1"} {
		answer := b.sendAll("GET /crm/mcp HTTP/1.1\r\nHost: globex.test\r\n" + header + "\r\nConnection: close\r\n\r\n")
		require.Contains(t, answer, " 401 ")
		require.Contains(t, answer, `resource_metadata="http://globex.test/.well-known/oauth-protected-resource/crm/mcp"`)
		require.NotContains(t, answer, "evil", header)
	}
	require.Equal(t, http.MethodGet, b.events.list()[0].HTTPMethod)
}
