package web_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/trace"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

// attempt records steps of one attempt that nothing else is taken for, and gives its
// id. A step that failed is "step!code".
func (b *testBundle) attempt(t *testing.T, workspace string, steps ...string) string {
	t.Helper()
	b.Clock.Advance(11 * time.Minute)
	r, err := trace.New(trace.Config{DB: b.DB, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	who := trace.Origin{Network: "203.0.113.0/24", UserAgent: "claude-code/2.1"}
	for _, word := range steps {
		step, code, failed := strings.Cut(word, "!")
		e := trace.Event{
			Step: trace.Step(step), At: b.Clock.Now(), OK: !failed, Code: code, Asked: trace.Message{Line: "POST /" + step},
			Answered: trace.Message{Line: "200", Pairs: []trace.Pair{{Name: "hint", Value: "<b>bold</b>"}}},
		}
		switch e.Step { //nolint:exhaustive // the others tell nothing more
		case trace.Register, trace.Authorize, trace.ClientDocument:
			e.ClientID, e.ClientName = "cli_"+b.Clock.Now().Format("150405"), "Claude <i>Code</i>"
		case trace.Token:
			if !failed {
				e.FamilyID = "fam_" + b.Clock.Now().Format("150405")
			} else {
				e.ClientID = "cli_" + b.Clock.Now().Format("150405")
			}
		}
		b.Clock.Advance(time.Millisecond)
		r.Record("https://"+workspace+".mcp.test", who, e)
	}
	r.Flush(t.Context())
	require.Zero(t, r.Dropped())
	h, err := b.DB.ForOrigin(t.Context(), "https://"+workspace+".mcp.test")
	require.NoError(t, err)
	list, err := trace.NewLog(b.DB).List(t.Context(), h, trace.Query{Limit: 1})
	require.NoError(t, err)
	require.Len(t, list, 1)
	return list[0].ID
}

func TestConnections(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, _ := b.owner(t, "Ana", "acme")
		other, _ := b.owner(t, "Ben", "other")
		get := func(path string) *answer { return b.send(t, p, http.MethodGet, path, nil, nil) }

		require.Contains(t, get("/acme/connections").body, "No client has tried to connect yet")
		b.addRuntime(t, p, "acme", "todos")
		require.Contains(t, get("/acme/connections").body, "/acme/runtimes/todos/connect", "the way to a first one")
		require.Contains(t, get("/acme/runtimes/todos/connect").body, `href="/acme/connections?runtime=todos"`)

		failed := b.attempt(t, "acme", "challenge", "resource_metadata", "server_metadata", "register!invalid_redirect_uri")
		list := get("/acme/connections")
		require.Equal(t, http.StatusOK, list.status)
		require.Contains(t, list.body, failed)
		require.Contains(t, list.body, "redirect not accepted")
		require.Contains(t, list.body, "1 of 6: Found the gateway; failed at: Registered")
		page := get("/acme/connections/" + failed)
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, page.body, "The client wanted to register a return address that is not accepted.")
		require.Contains(t, page.body, "POST /register")
		require.Contains(t, page.body, "&lt;b&gt;bold&lt;/b&gt;")
		require.NotContains(t, page.body, "<b>bold")
		require.Less(t, strings.Index(page.body, "POST /challenge"), strings.Index(page.body, "POST /register"))

		// Found by what people paste; a foreign one is as if it were not there.
		sentence := "error: invalid_redirect_uri: No. (Trace " + failed + ")"
		found := get("/acme/connections?q=" + url.QueryEscape(sentence))
		require.Equal(t, http.StatusSeeOther, found.status)
		require.Equal(t, "/acme/connections/"+failed, found.header.Get("Location"))
		for _, nothing := range []string{"tra_0", "tra_", "hello <b>", "tra_" + strings.Repeat("z", 500), "\x00\xff"} {
			missing := get("/acme/connections?q=" + url.QueryEscape(nothing))
			require.Equal(t, http.StatusNotFound, missing.status, nothing)
			require.Contains(t, missing.body, "There is no connection with this id")
			require.NotContains(t, missing.body, "<b>")
		}
		require.Equal(t, http.StatusNotFound, b.send(t, other, http.MethodGet, "/other/connections/"+failed, nil, nil).status)
		require.Equal(t, http.StatusNotFound, b.send(t, other, http.MethodGet, "/other/connections?q="+failed, nil, nil).status)
		require.NotContains(t, b.send(t, other, http.MethodGet, "/other/connections", nil, nil).body, failed)

		require.Contains(t, get("/acme/connections?open=1").body, failed)
		require.Contains(t, get("/acme/connections?runtime=todos").body, failed)
		require.Equal(t, http.StatusNotFound, get("/acme/connections?runtime=none").status)
		require.Equal(t, http.StatusBadRequest, get("/acme/connections?before=%00").status)
		require.Equal(t, http.StatusNotFound, get("/acme/connections/tra_none").status)

		for range 51 {
			b.attempt(t, "acme", "challenge")
		}
		first := get("/acme/connections")
		require.NotContains(t, first.body, failed)
		_, rest, ok := strings.Cut(first.body, `href="/acme/connections?before=`)
		require.True(t, ok)
		older, _, _ := strings.Cut(rest, `"`)
		require.Contains(t, get("/acme/connections?before="+older).body, failed)
	})
}

// TestWhyItDidNotConnect: for each step at which a try can end there is a cause and a cure.
func TestWhyItDidNotConnect(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, _ := b.owner(t, "Ana", "acme")
		for _, c := range []struct {
			steps  string
			later  time.Duration
			expect []string
		}{
			{"challenge!wrong_audience", 0, []string{"issued for another runtime", "add this one&#39;s URL"}},
			{"challenge", 20 * time.Minute, []string{"did not go there", "wait for a person"}},
			{"challenge resource_metadata", 20 * time.Minute, []string{"stopped before the authorization server", "resource does not match"}},
			{"challenge resource_metadata server_metadata", 20 * time.Minute, []string{"neither registered nor opened", "register it by hand"}},
			{"register!invalid_client_metadata", 0, []string{"cannot be accepted", "register it by hand"}},
			{"challenge register", 20 * time.Minute, []string{"no browser opened the sign-in", "copy the link"}},
			{"client_document!invalid_client", 0, []string{"metadata document that could not be read", "must answer 200"}},
			{"authorize!invalid_client", 0, []string{"does not know, or that has expired", "Clear authentication"}},
			{"authorize!invalid_redirect_uri", 0, []string{"has not registered", "registers anew"}},
			{"authorize!invalid_target", 0, []string{"another address than a runtime", "exactly as the connect page shows"}},
			{"register authorize", 20 * time.Minute, []string{"nobody signed in", "within ten minutes"}},
			{"token!invalid_grant", 0, []string{"used before, is too old", "Connect again from the client"}},
			{"token!invalid_client", 0, []string{"could not prove who it is", "give it the current one"}},
			{"token!invalid_dpop_proof", 0, []string{"DPoP proof", "Check the clock"}},
			{"token!something_new", 0, []string{"(something_new)", "what was asked and answered"}},
			{"token", 2 * time.Minute, []string{"has not called the runtime since", "Restart the client"}},
			{"authorize!server_error", 0, []string{"wrong in the gateway", "whoever runs the gateway"}},
		} {
			id := b.attempt(t, "acme", strings.Fields(c.steps)...)
			b.Clock.Advance(c.later)
			page := b.send(t, p, http.MethodGet, "/acme/connections/"+id, nil, nil)
			require.Equal(t, http.StatusOK, page.status)
			for _, want := range c.expect {
				require.Contains(t, page.body, want, c.steps)
			}
		}
	})
}

// TestConnectionsLive: the list's stream tells that a try began or got further.
func TestConnectionsLive(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, _ := b.owner(t, "Ana", "acme")
		b.addRuntime(t, p, "acme", "todos")
		s := b.open(t, p, "/acme/-/stream?topics=connect:todos,traces")
		require.Contains(t, s.next(t), "connect-status", "from here on all topics watch")
		b.attempt(t, "acme", "challenge")
		require.Equal(t, "event: traces\ndata: 1\n", s.next(t))
		require.Contains(t, b.send(t, p, http.MethodGet, "/acme/connections", nil, nil).body, "topics=traces")
	})
}
