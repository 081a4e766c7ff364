package wire_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/clients/wire"
)

// origin answers like a tenant's origin, as far as a wire is concerned.
func origin(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/oauth-protected-resource/todos/mcp", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"resource":"http://`+r.Host+`/todos/mcp"}`)
	})
	mux.HandleFunc("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"issuer":"http://`+r.Host+`","code_challenge_methods_supported":["S256"]}`)
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("resource") != "http://"+r.Host+"/todos/mcp" || r.Header.Get("Origin") != "http://"+r.Host {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("Location", "http://127.0.0.1:1/callback?code=c&iss="+url.QueryEscape("http://"+r.Host))
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("resource") != "http://"+r.Host+"/todos/mcp" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"access_token":"a"}`)
	})
	mux.HandleFunc("POST /todos/mcp", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"result\":{\"content\":[{\"type\":\"text\",\"text\": \"42.0\"}]}}\n\n")
	})
	mux.HandleFunc("GET /todos/mcp", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	server.URL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	t.Cleanup(server.Close)
	return server
}

func start(t *testing.T, breaks wire.Break) *wire.Wire {
	t.Helper()
	w, err := wire.Start(origin(t).URL, breaks)
	require.NoError(t, err)
	t.Cleanup(w.Close)
	return w
}

// ask returns the status, the place that it is sent to, and the body.
func ask(t *testing.T, w *wire.Wire, method, path, body string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.Origin+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", w.Origin)
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header.Get("Location"), string(raw)
}

const (
	prm  = "/.well-known/oauth-protected-resource/todos/mcp"
	asm  = "/.well-known/oauth-authorization-server"
	call = `{"method":"tools/call"}`
)

func TestOnlyTheOriginIsAnother(t *testing.T) {
	t.Parallel()

	w := start(t, nil)
	resource := url.QueryEscape(w.Origin + "/todos/mcp")
	_, _, body := ask(t, w, "GET", prm, "")
	require.JSONEq(t, `{"resource":"`+w.Origin+`/todos/mcp"}`, body)
	status, location, _ := ask(t, w, "GET", "/authorize?resource="+resource, "")
	require.Equal(t, http.StatusFound, status)
	require.Equal(t, "http://127.0.0.1:1/callback?code=c&iss="+url.QueryEscape(w.Origin), location)
	status, _, body = ask(t, w, "POST", "/token", "grant_type=refresh_token&resource="+resource)
	require.Equal(t, http.StatusOK, status)
	require.JSONEq(t, `{"access_token":"a"}`, body)
	_, _, body = ask(t, w, "POST", "/todos/mcp", call)
	require.Contains(t, body, `"text": "42.0"`)
	require.Equal(t, []wire.Seen{
		{Method: "GET", Path: prm, Status: 200},
		{Method: "GET", Path: "/authorize", Status: 302},
		{Method: "POST", Path: "/token", Grant: "refresh_token", Status: 200},
		{Method: "POST", Path: "/todos/mcp", Status: 200},
	}, w.Seen())
}

func TestStreamsFlow(t *testing.T) {
	t.Parallel()

	w := start(t, wire.WrongSum)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.Origin+"/todos/mcp", nil)
	require.NoError(t, err)
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, res.Body.Close()) }()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "data: first\n", line, "before the stream's end")
}

func TestOneThingBreaks(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		breaks                   wire.Break
		method, path, body, want string
	}{
		"resource":     {wire.WrongResource, "GET", prm, "", `"resource":"https://elsewhere.example/mcp"`},
		"issuer":       {wire.WrongIssuer, "GET", asm, "", `"issuer":"https://elsewhere.example"`},
		"plain PKCE":   {wire.PlainPKCE, "GET", asm, "", `["plain"]`},
		"token page":   {wire.TokenPage, "POST", "/token", "", `<!doctype html>`},
		"wrong sum":    {wire.WrongSum, "POST", "/todos/mcp", call, `"text":"43"`},
		"no other sum": {wire.WrongSum, "POST", "/todos/mcp", "{}", `"text": "42.0"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, _, body := ask(t, start(t, c.breaks), c.method, c.path, c.body)
			require.Contains(t, body, c.want)
		})
	}
	t.Run("no PKCE", func(t *testing.T) {
		t.Parallel()

		w := start(t, wire.NoPKCE)
		_, _, body := ask(t, w, "GET", asm, "")
		require.JSONEq(t, `{"issuer":"`+w.Origin+`"}`, body)
	})
	t.Run("callback", func(t *testing.T) {
		t.Parallel()

		w := start(t, wire.WrongCallback)
		_, location, _ := ask(t, w, "GET", "/authorize?resource="+url.QueryEscape(w.Origin+"/todos/mcp"), "")
		require.Equal(t, "http://127.0.0.1:1/callback?code=c&iss="+url.QueryEscape(wire.Elsewhere), location)
	})
	t.Run("refresh", func(t *testing.T) {
		t.Parallel()

		w := start(t, wire.RefusedRefresh)
		resource := "&resource=" + url.QueryEscape(w.Origin+"/todos/mcp")
		status, _, body := ask(t, w, "POST", "/token", "grant_type=refresh_token"+resource)
		require.Equal(t, http.StatusBadRequest, status)
		require.JSONEq(t, `{"error":"invalid_grant"}`, body)
		status, _, _ = ask(t, w, "POST", "/token", "grant_type=authorization_code"+resource)
		require.Equal(t, http.StatusOK, status)
	})
}
