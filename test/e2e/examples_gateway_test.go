//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// exampleStop is how long an example may take to end before it is ended.
const exampleStop = 5 * time.Second

// start runs an example until the test ends, and waits until it listens.
func (e example) start(t *testing.T, settings map[string]string) (address string) {
	t.Helper()
	log, err := os.OpenFile(e.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	cmd := exec.Command(e.Command, e.Args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = os.Environ()
	all := map[string]string{"PORT": strconv.Itoa(e.Port), "EMCY_EXAMPLE_RECORD": e.Record}
	maps.Copy(all, e.Env)
	maps.Copy(all, settings)
	for name, value := range all {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	require.NoError(t, cmd.Start())
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		select {
		case <-gone:
		case <-time.After(exampleStop):
			_ = cmd.Process.Kill() // it waits for streams that the gateway has open
			<-gone
		}
		_ = log.Close()
		if t.Failed() {
			t.Logf("the example's log, its end:\n%s", tail(e.Log, 40))
		}
	})
	address = "http://127.0.0.1:" + strconv.Itoa(e.Port) + "/mcp"
	require.Eventually(t, func() bool {
		res, err := http.Get(address)
		if err != nil {
			return false
		}
		_, err = io.Copy(io.Discard, res.Body)
		return errors.Join(err, res.Body.Close()) == nil
	}, startTimeout, 50*time.Millisecond, "the example listens")
	return address
}

// behind is an example behind the shared gateway, with a profile for a Todo API.
type behind struct {
	*house
	example example
	todo    *todoAPI
	profile *httpflow.Profile
}

// newBehind adds the example to a workspace of its own, starts it with the secret, and
// attaches a profile to it.
func newBehind(t *testing.T, kind exampleKind, slug string) *behind {
	t.Helper()
	b := &behind{house: &house{t: t, gateway: sharedGateway(t)}, example: newExample(t, kind), todo: newTodoAPI(t)}
	b.slug = slug
	b.owner = httpflow.NewPerson(b.gateway.Console, "Ana Ferreira", nil)
	require.NoError(t, b.owner.SignUp(t.Context()))
	require.NoError(t, b.owner.CreateWorkspace(t.Context(), "Example "+string(kind), b.slug))
	b.addRuntime("http://127.0.0.1:" + strconv.Itoa(b.example.Port) + "/mcp")
	var err error
	b.profile, err = b.owner.NewProfile(t.Context(), b.slug, httpflow.ProfileForm{
		Name: "Todo", Issuer: b.todo.Issuer, ClientID: todoClientID, ClientSecret: todoClientSecret,
		Scopes: []string{"openid", "profile", "email", "todos:read", "todos:write"},
	}, func(callback string) { b.todo.setRedirect(callback) })
	require.NoError(t, err)
	require.NoError(t, b.owner.Attach(t.Context(), b.runtime, b.profile, "calls", "openid", "profile", "todos:read", "todos:write"))
	return b
}

// connected is a client that may act for somebody at the Todo API.
func (b *behind) connected(login string) *httpflow.Client {
	b.t.Helper()
	client := b.client("Example client")
	callback, err := b.owner.ConnectAllow(b.t.Context(), client.AuthorizeURL(), client.RedirectURI, httpflow.Account{Login: login, Password: todoPassword})
	require.NoError(b.t, err)
	require.NoError(b.t, client.Redeem(b.t.Context(), callback))
	require.NoError(b.t, client.Initialize(b.t.Context()))
	return client
}

// titles are the todos that the client's person sees.
func (b *behind) titles(client *httpflow.Client) []string {
	b.t.Helper()
	text, err := client.CallTool(b.t.Context(), "list_todos", map[string]any{})
	require.NoError(b.t, err)
	return todoTitles(b.t, text)
}

// todoTitles reads the text of list_todos, which is a list or holds one.
func todoTitles(t *testing.T, text string) []string {
	t.Helper()
	type titled struct {
		Title string `json:"title"`
	}
	var list []titled
	if json.Unmarshal([]byte(text), &list) != nil {
		var wrapped struct{ Todos, Result []titled }
		require.NoError(t, json.Unmarshal([]byte(text), &wrapped), text)
		list = append(wrapped.Todos, wrapped.Result...)
	}
	var titles []string
	for _, todo := range list {
		titles = append(titles, todo.Title)
	}
	return titles
}

// TestExamplesBehindTheGateway has every example act at the Todo API as the user who
// calls: it gets that user's token, learns who asks, and when the API refuses the token
// the gateway renews it without the client noticing.
func TestExamplesBehindTheGateway(t *testing.T) {
	t.Parallel()

	for _, kind := range exampleKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()

			b := newBehind(t, kind, "ex-"+string(kind))
			b.example.start(t, map[string]string{"EMCY_WORKER_SHARED_SECRET": b.runtime.Secret, "TODO_API_URL": b.todo.Issuer})
			client := b.connected("alice")

			require.Equal(t, []string{"Water the plants"}, b.titles(client))
			_, err := client.CallTool(t.Context(), "add_todo", map[string]any{"title": "Through " + string(kind)})
			require.NoError(t, err)
			require.Equal(t, []string{"Water the plants", "Through " + string(kind)}, b.titles(client))

			text, err := client.CallTool(t.Context(), "whoami", map[string]any{})
			require.NoError(t, err)
			var who map[string]string
			require.NoError(t, json.Unmarshal([]byte(text), &who), text)
			require.Equal(t, b.slug, who["tenant"])
			require.Equal(t, client.ClientID, who["client"])
			require.NotEmpty(t, who["subject"])

			before := b.todo.ledger()
			b.todo.endAccessTokens("alice")
			require.Contains(t, b.titles(client), "Through "+string(kind), "the call after the refused token works too")
			after := b.todo.ledger()
			require.Equal(t, before.Refreshes+1, after.Refreshes)
			require.Equal(t, before.CallsRefused+1, after.CallsRefused)
			require.Zero(t, after.Reuses)
			require.Equal(t, []string{"alice"}, keysOf(after.People))

			b.recordHoldsNoEdgeToken(client)
		})
	}
}

func keysOf(people map[string]todoCounts) []string {
	var names []string
	for name := range people {
		names = append(names, name)
	}
	return names
}

// recordHoldsNoEdgeToken reads everything that reached the runtime: the client's own token
// is nowhere in it, and every call came with the secret and a token of the Todo API's.
func (b *behind) recordHoldsNoEdgeToken(client *httpflow.Client) {
	b.t.Helper()
	raw, err := os.ReadFile(b.example.Record)
	require.NoError(b.t, err)
	record := string(raw)
	require.NotContains(b.t, record, client.Tokens.AccessToken)
	require.Contains(b.t, record, b.runtime.Secret)
	require.Contains(b.t, record, `"x-emcy-upstream-access-token"`)
	require.Positive(b.t, strings.Count(record, "canary_"))
}

// TestExampleWithoutASecret has the gateway prove itself by its signature alone, with the
// token as a bearer token and a header under another name, and the helper believe it.
func TestExampleWithoutASecret(t *testing.T) {
	t.Parallel()

	b := newBehind(t, goExample, "ex-assertion")
	require.NoError(t, b.owner.Contract(t.Context(), b.runtime, url.Values{
		"assertion_only": {"assertion"}, "bearer": {"bearer"}, "header.X-Emcy-Assertion": {"X-Acme-Proof"},
	}))
	b.example.start(t, map[string]string{
		"EMCY_WORKER_ISSUER": b.origin, "EMCY_WORKER_AUDIENCE": "http://127.0.0.1:" + strconv.Itoa(b.example.Port) + "/mcp",
		"EMCY_WORKER_ASSERTION_HEADER": "X-Acme-Proof", "EMCY_UPSTREAM_ACCESS_TOKEN_HEADER": "Authorization", "TODO_API_URL": b.todo.Issuer,
	})
	client := b.connected("bob")
	require.Equal(t, []string{"Return the library books"}, b.titles(client))
	b.todo.endAccessTokens("bob")
	require.Equal(t, []string{"Return the library books"}, b.titles(client), "a refused bearer token is renewed too")

	raw, err := os.ReadFile(b.example.Record)
	require.NoError(t, err)
	require.NotContains(t, string(raw), b.runtime.Secret)
	require.NotContains(t, string(raw), client.Tokens.AccessToken)
	require.Contains(t, string(raw), `"x-acme-proof"`)
	require.Contains(t, string(raw), `"Bearer canary_`)
}

// TestExampleReconnects has the person's connection end at the Todo API: the next call says
// where to connect again, and goes on from there.
func TestExampleReconnects(t *testing.T) {
	t.Parallel()

	b := newBehind(t, goExample, "ex-reconnect")
	b.example.start(t, map[string]string{"EMCY_WORKER_SHARED_SECRET": b.runtime.Secret, "TODO_API_URL": b.todo.Issuer})
	client := b.connected("bob")
	require.Equal(t, []string{"Return the library books"}, b.titles(client))

	b.todo.endGrants("bob")
	_, err := client.CallTool(t.Context(), "list_todos", map[string]any{})
	require.Error(t, err)
	link := regexp.MustCompile(regexp.QuoteMeta(b.origin) + `/connect/[A-Za-z0-9_-]+`).FindString(err.Error())
	require.NotEmpty(t, link, err.Error())
	_, err = b.owner.ConnectLink(t.Context(), link, httpflow.Account{Login: "bob", Password: todoPassword})
	require.NoError(t, err)
	require.Equal(t, []string{"Return the library books"}, b.titles(client))
}
