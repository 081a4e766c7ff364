//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

const patience = 20 * time.Second

// TestKill kills the gateway right after every step that it answered with
// success, and starts it again: what was answered has to be there.
func TestKill(t *testing.T) {
	t.Parallel()

	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()

			ctx := t.Context()
			g := newGateway(t, db, freePorts(t, 4))
			up := upstream.Start(upstream.Config{Stateless: true, Secrets: []string{"not known to anybody"}})
			t.Cleanup(up.Close)
			ada := httpflow.NewPerson(g.Console, "Ada Lovelace", nil)

			require.NoError(t, ada.SignUp(ctx))
			g.restart(t)
			_, err := ada.Page(ctx, "/workspaces/new")
			require.NoError(t, err, "the session of the account that was made")
			elsewhere := httpflow.NewPerson(g.Console, ada.Name, nil)
			elsewhere.Email, elsewhere.Password = ada.Email, ada.Password
			require.NoError(t, elsewhere.SignIn(ctx), "the account that was made")
			g.restart(t)
			_, err = elsewhere.Page(ctx, "/workspaces")
			require.NoError(t, err, "the session of a sign-in")

			require.NoError(t, ada.CreateWorkspace(ctx, "Acme Works", "acme"))
			g.restart(t)
			_, err = ada.Page(ctx, "/acme/runtimes")
			require.NoError(t, err, "the workspace")

			runtime, err := ada.PostRuntime(ctx, "acme", httpflow.RuntimeForm{Name: "Todos", Slug: "todos", URL: up.URL()})
			require.NoError(t, err)
			g.restart(t)
			require.NoError(t, ada.ReadSecret(ctx, runtime), "the secret, which nobody has seen yet")
			g.restart(t)
			require.NoError(t, ada.StoredSecret(ctx, runtime))
			g.restart(t)
			setup, err := ada.Page(ctx, "/acme/runtimes/todos/setup")
			require.NoError(t, err)
			require.NotContains(t, string(setup.Body), runtime.Secret, "the secret is shown once")

			up.SetSecrets(runtime.Secret)
			_, err = ada.Probe(ctx, runtime)
			require.NoError(t, err)
			g.restart(t)
			untilPage(t, ada, "/acme/runtimes/todos", "Ready", "echo", "whoami")
			require.NoError(t, ada.ReadMCPURL(ctx, runtime))

			client := httpflow.NewClient(runtime.MCPURL, nil)
			require.NoError(t, client.Discover(ctx))
			server := client.Server
			require.NoError(t, client.Register(ctx))
			g.restart(t)
			require.NoError(t, client.Discover(ctx))
			require.Equal(t, server, client.Server, "the same server at the same origin")

			callback, err := ada.Allow(ctx, client.AuthorizeURL(), client.RedirectURI)
			require.NoError(t, err, "the client that was registered")
			g.restart(t)
			require.NoError(t, client.Redeem(ctx, callback), "the code that was issued")
			g.restart(t)
			tools, err := client.Tools(ctx)
			require.NoError(t, err, "the token that was issued")
			require.Contains(t, tools, "echo")

			said, err := client.CallTool(ctx, "echo", map[string]any{"text": "before the cut"})
			require.NoError(t, err)
			require.Contains(t, said, "before the cut")
			g.restart(t)
			untilPage(t, ada, "/acme/logs", "tools/call", "echo")
			require.Equal(t, []string{"before the cut"}, up.Calls(), "a call is made once")

			before := client.Tokens
			require.NoError(t, client.Refresh(ctx), "the refresh token that was issued")
			require.NotEqual(t, before.RefreshToken, client.Tokens.RefreshToken)
			g.restart(t)
			_, err = client.CallTool(ctx, "echo", map[string]any{"text": "after the refresh"})
			require.NoError(t, err, "the token of the refresh")
			require.NoError(t, client.Refresh(ctx), "the refresh token of the refresh")

			for _, request := range up.Requests() {
				require.Empty(t, request.Header.Values("Authorization"))
				require.Empty(t, request.Header.Values("Cookie"))
			}
			record := up.JSON()
			for _, token := range []string{
				before.AccessToken, before.RefreshToken,
				client.Tokens.AccessToken, client.Tokens.RefreshToken, callback.Query().Get("code"),
			} {
				require.NotContains(t, record, token)
			}
		})
	}
}

// untilPage waits until a page of the console says all of these.
func untilPage(t *testing.T, person *httpflow.Person, path string, wants ...string) {
	t.Helper()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(patience)
	for {
		page, err := person.Page(t.Context(), path)
		require.NoError(t, err)
		text := page.Text()
		missing := slices.DeleteFunc(slices.Clone(wants), func(want string) bool { return strings.Contains(text, want) })
		if len(missing) == 0 {
			return
		}
		require.Truef(t, time.Now().Before(deadline), "%s does not say %q: %s", path, missing, text)
		<-ticker.C
	}
}
