package httpflow_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

const formPage = `<!doctype html><title>Form</title><style>p{}</style>
<form action="/other"><input name="q"></form>
<form method="post" action="/post?x=1"><p>Your&nbsp;name</p>
<input type="hidden" name="csrf" value="token&amp;1">
<input name="name" value="Ada"><input name="off" value="no" disabled>
<input type="checkbox" name="box" value="a"><input type="checkbox" name="box" value="b" checked>
<textarea name="note">some text</textarea>
<select name="pick"><option value="1">one</option><option value="2" selected>two</option></select>
<button name="decision" value="allow">Allow</button></form>`

func TestBrowser(t *testing.T) {
	t.Parallel()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /start", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "s1", Path: "/"})
		http.Redirect(w, r, "/form", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, formPage)
	})
	posted := make(chan *http.Request, 1)
	mux.HandleFunc("POST /post", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		posted <- r
		w.Header().Set("Location", "http://127.0.0.1:1/callback?code=c")
		w.WriteHeader(http.StatusSeeOther)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	browser := httpflow.NewBrowser(nil)
	page, err := browser.Open(t.Context(), server.URL+"/start")
	require.NoError(t, err)
	require.NoError(t, page.Expect(http.StatusOK))
	require.Equal(t, "/form", page.URL.Path)
	require.Contains(t, page.Text(), "Your name")
	require.NotContains(t, page.Text(), "p{}")

	_, err = page.Form("password")
	require.ErrorContains(t, err, "password")
	form, err := page.Form("csrf", "name", "decision")
	require.NoError(t, err)
	require.Equal(t, url.Values{"csrf": {"token&1"}, "name": {"Ada"}, "box": {"b"}, "note": {"some text"}, "pick": {"2"}}, form.Values)

	answer, err := browser.Submit(t.Context(), form.Set("name", "Bob").Press("decision", "allow"))
	require.NoError(t, err)
	r := <-posted
	require.Equal(t, []string{"Bob"}, r.PostForm["name"])
	require.Equal(t, []string{"allow"}, r.PostForm["decision"])
	require.Equal(t, server.URL, r.Header.Get("Origin"))
	require.Equal(t, "same-origin", r.Header.Get("Sec-Fetch-Site"))
	cookie, err := r.Cookie("session")
	require.NoError(t, err)
	require.Equal(t, "s1", cookie.Value)

	atClient := func(target *url.URL) bool { return strings.HasPrefix(target.String(), "http://127.0.0.1:1/callback") }
	answer, err = browser.Follow(t.Context(), answer, atClient)
	require.NoError(t, err)
	require.Equal(t, "c", answer.Location().Query().Get("code"))
	require.ErrorContains(t, answer.Expect(http.StatusOK), "303")
}

// TestClientCalls goes to a runtime directly: that a runtime does not know of
// bearer tokens does not matter to the messages.
func TestClientCalls(t *testing.T) {
	t.Parallel()

	for name, stateless := range map[string]bool{"sessions": false, "stateless": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			up := upstream.Start(upstream.Config{Stateless: stateless})
			t.Cleanup(up.Close)
			client := httpflow.NewClient(up.URL(), nil)

			require.NoError(t, client.Initialize(t.Context()))
			require.Equal(t, stateless, client.SessionID == "")
			tools, err := client.Tools(t.Context())
			require.NoError(t, err)
			require.ElementsMatch(t, []string{"echo", "whoami", "count", "fail"}, tools)
			text, err := client.CallTool(t.Context(), "echo", map[string]any{"text": "hello"})
			require.NoError(t, err)
			require.JSONEq(t, `{"text":"hello"}`, text)
			text, err = client.CallTool(t.Context(), "count", map[string]any{"to": 3})
			require.NoError(t, err)
			require.Equal(t, "counted to 3", text)
			_, err = client.CallTool(t.Context(), "fail", map[string]any{})
			require.ErrorContains(t, err, "always fails")
		})
	}
}

func TestClientAnswers(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprint(w, `{"error":"invalid_grant"}`)
	}))
	t.Cleanup(server.Close)

	client := httpflow.NewClient(server.URL+"/mcp", nil)
	client.Server.TokenEndpoint = server.URL + "/token"
	err := client.Refresh(t.Context())
	var answer *httpflow.Answer
	require.ErrorAs(t, err, &answer)
	require.Equal(t, http.StatusBadRequest, answer.Status)
	require.Equal(t, "invalid_grant", answer.OAuthError())
}
