package conformance_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/conformance"
)

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address, ok := listener.Addr().(*net.TCPAddr)
	require.True(t, ok)
	require.NoError(t, listener.Close())
	return address.Port
}

func TestBearer(t *testing.T) {
	t.Parallel()

	type arrived struct {
		host, origin, authorization, path, body string
		length                                  int64
	}
	seen := make(chan arrived, 1)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		seen <- arrived{r.Host, r.Header.Get("Origin"), r.Header.Get("Authorization"), r.URL.Path, string(body), r.ContentLength}
	}))
	t.Cleanup(upstream.Close)
	target, err := url.Parse(upstream.URL)
	require.NoError(t, err)

	for name, c := range map[string]struct{ token, host, origin, wantHost, wantOrigin, wantAuthorization string }{
		"its own address stands for the target's": {
			token: "t", origin: "own", wantHost: target.Host, wantOrigin: upstream.URL, wantAuthorization: "Bearer t",
		},
		"any other name arrives as it was sent": {
			token: "t", host: "evil.example.com", origin: "http://evil.example.com",
			wantHost: "evil.example.com", wantOrigin: "http://evil.example.com", wantAuthorization: "Bearer t",
		},
		"no token":  {wantHost: target.Host},
		"no origin": {token: "t", wantHost: target.Host, wantAuthorization: "Bearer t"},
	} {
		port := freePort(t)
		bearer, err := conformance.NewBearer(port, upstream.URL+"/todos/mcp", c.token)
		require.NoError(t, err, name)
		t.Cleanup(bearer.Close)
		require.Equal(t, "http://localhost:"+strconv.Itoa(port)+"/todos/mcp", bearer.URL)

		// A reader of no known kind makes the client send chunks, without a length.
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, bearer.URL, io.MultiReader(strings.NewReader("{}")))
		require.NoError(t, err)
		req.Host = c.host
		switch c.origin {
		case "":
		case "own":
			req.Header.Set("Origin", "http://localhost:"+strconv.Itoa(port))
		default:
			req.Header.Set("Origin", c.origin)
		}
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err, name)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusOK, res.StatusCode, name)
		require.Equal(t, arrived{c.wantHost, c.wantOrigin, c.wantAuthorization, "/todos/mcp", "{}", 2}, <-seen, name)
	}
}

func TestBearerStreams(t *testing.T) {
	t.Parallel()

	proceed := make(chan struct{})
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.WriteString(w, "data: one\n"); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-proceed:
		case <-r.Context().Done():
			return
		}
		_, _ = io.WriteString(w, "data: two\n") // the reader says what is missing
	}))
	t.Cleanup(upstream.Close)
	bearer, err := conformance.NewBearer(freePort(t), upstream.URL, "t")
	require.NoError(t, err)
	t.Cleanup(bearer.Close)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, bearer.URL, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = res.Body.Close() })
	lines := bufio.NewReader(res.Body)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "data: one\n", line, "before the upstream goes on")
	close(proceed)
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "data: two\n", line)
}
