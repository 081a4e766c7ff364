package outbound

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func headRequest(t *testing.T, method, target, body string, header http.Header) *http.Request {
	t.Helper()
	u, err := url.Parse(target)
	require.NoError(t, err)
	if header == nil {
		header = http.Header{}
	}
	if _, ok := header["User-Agent"]; !ok {
		header["User-Agent"] = []string{""}
	}
	req := &http.Request{Method: method, URL: u, Header: header}
	if body != "" {
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	}
	return req
}

// TestAppendRequestWritesWhatTheLibraryWrites reads both back and compares.
func TestAppendRequestWritesWhatTheLibraryWrites(t *testing.T) {
	t.Parallel()
	many := http.Header{
		"Accept": {"a", "b"}, "X-Mine": {"", " padded ", "\t", "é", "a:b"}, "User-Agent": {"agent"}, "Mcp-Param-X": {strings.Repeat("v", 5000)},
	}
	for _, test := range []struct {
		method, target, body string
		header               http.Header
	}{
		{http.MethodGet, "http://example.com/mcp", "", nil},
		{http.MethodHead, "http://example.com:8080/mcp?a=b&c=%20d", "", many},
		{http.MethodDelete, "http://127.0.0.1:1/", "", nil},
		{http.MethodGet, "http://example.com", "", nil},
		{http.MethodGet, "http://example.com/a%2Fb/é", "", nil},
		{http.MethodPost, "http://example.com/mcp", "{}", many},
		{http.MethodPost, "http://example.com/mcp", strings.Repeat("x", inlineBody), nil},
	} {
		ours, taken, err := appendRequest(nil, headRequest(t, test.method, test.target, test.body, test.header.Clone()))
		require.NoError(t, err)
		require.True(t, taken, test.target)
		var theirs bytes.Buffer
		require.NoError(t, headRequest(t, test.method, test.target, test.body, test.header.Clone()).Write(&theirs))
		parse := func(b []byte) (*http.Request, string) {
			reader := bufio.NewReader(bytes.NewReader(b))
			req, err := http.ReadRequest(reader)
			require.NoError(t, err)
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			rest, err := io.ReadAll(reader)
			require.NoError(t, err)
			require.Empty(t, rest)
			return req, string(body)
		}
		got, gotBody := parse(ours)
		want, wantBody := parse(theirs.Bytes())
		require.Equal(t, wantBody, gotBody)
		require.Equal(t, want.RequestURI, got.RequestURI)
		require.Equal(t, want.Host, got.Host)
		require.Equal(t, want.Method, got.Method)
		require.Equal(t, want.Header, got.Header)
		require.Equal(t, want.ContentLength, got.ContentLength)
	}
}

func TestAppendRequestLeavesTheUnusual(t *testing.T) {
	t.Parallel()
	good := func() *http.Request { return headRequest(t, http.MethodPost, "http://example.com/mcp", "{}", nil) }
	_, taken, err := appendRequest(nil, good())
	require.NoError(t, err)
	require.True(t, taken)
	for name, change := range map[string]func(*http.Request){
		"method":            func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX:" },
		"no body":           func(r *http.Request) { r.Body = nil },
		"unknown length":    func(r *http.Request) { r.ContentLength = -1 },
		"no length":         func(r *http.Request) { r.ContentLength = 0 },
		"long body":         func(r *http.Request) { r.ContentLength = inlineBody + 1 },
		"own host":          func(r *http.Request) { r.Host = "other.example" },
		"IPv6":              func(r *http.Request) { r.URL.Host = "[::1]:80" },
		"host with a break": func(r *http.Request) { r.URL.Host = "a\r\nX: y" },
		"host in capitals":  func(r *http.Request) { r.URL.Host = "Example.com" },
		"opaque":            func(r *http.Request) { r.URL.Opaque = "//evil/" },
		"query":             func(r *http.Request) { r.URL.RawQuery = "a b\r\n" },
		"userinfo":          func(r *http.Request) { r.URL.User = url.User("a") },
		"close":             func(r *http.Request) { r.Close = true },
		"chunks":            func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"trailer":           func(r *http.Request) { r.Trailer = http.Header{"X": nil} },
		"no agent":          func(r *http.Request) { delete(r.Header, "User-Agent") },
		"value, CR":         func(r *http.Request) { r.Header["X"] = []string{"a\rb"} },
		"value, LF":         func(r *http.Request) { r.Header["X"] = []string{"a", "a\nb"} },
		"value, NUL":        func(r *http.Request) { r.Header["X"] = []string{"a\x00"} },
		"name":              func(r *http.Request) { r.Header["X: y\r\nZ"] = []string{"a"} },
		"empty name":        func(r *http.Request) { r.Header[""] = []string{"a"} },
		"length of its own": func(r *http.Request) { r.Header["Content-Length"] = []string{"1"} },
		"Host header":       func(r *http.Request) { r.Header["Host"] = []string{"evil"} },
		"Connection":        func(r *http.Request) { r.Header["Connection"] = []string{"close"} },
		"Transfer-Encoding": func(r *http.Request) { r.Header["Transfer-Encoding"] = []string{"chunked"} },
	} {
		req := good()
		change(req)
		_, taken, err := appendRequest(nil, req)
		require.NoError(t, err, name)
		require.False(t, taken, name)
		if req.Body != nil {
			body, err := io.ReadAll(req.Body)
			require.NoError(t, err)
			require.Equal(t, "{}", string(body), "%s: the body is still to be read", name)
		}
	}
	short := good()
	short.ContentLength = 3
	_, taken, err = appendRequest(nil, short)
	require.True(t, taken)
	require.True(t, errors.Is(err, io.ErrUnexpectedEOF))
}
