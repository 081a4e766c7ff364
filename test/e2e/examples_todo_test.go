//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	todoClientID     = "emcy"
	todoClientSecret = "canary_secret-of-the-gateway-at-the-todo-api" // the scan for leaks looks for that prefix
	todoPassword     = "todo"
)

// todoAPI is examples/todo-api as a process: an API and its own OAuth server, which is
// npm's oidc-provider. The people are alice, bob and carol.
type todoAPI struct {
	t *testing.T
	// Issuer is its address, and its OAuth server's.
	Issuer string
}

// todoCounts are its ledger.
type todoCounts struct {
	Authorizations, Codes, Refreshes, Reuses, Refused, Revocations, Calls, CallsRefused int
}

type todoLedger struct {
	todoCounts
	People map[string]todoCounts
}

// newTodoAPI starts it on a port of the system's choice until the test ends. Settings are
// added to its environment, such as TODO_ACCESS_SECONDS=5. Nobody but the client of
// setRedirect or of a dynamic registration can ask for tokens.
func newTodoAPI(t *testing.T, settings ...string) *todoAPI {
	t.Helper()
	dir := filepath.Join(root(), "examples/todo-api")
	requireFile(t, filepath.Join(dir, "node_modules/oidc-provider"), "the Todo API's oidc-provider")
	cmd := exec.Command(node(t), "server.js")
	cmd.Dir = dir
	cmd.Env = append([]string{"PORT=0", "TODO_LEDGER=on", "TODO_TOKEN_PREFIX=canary_"}, settings...)
	var said lockedBuffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("the Todo API said:\n%s", said.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the Todo API says where it listens: %s", said.String())
	_, rest, found := strings.Cut(line, "Todo API: ")
	require.True(t, found, line)
	issuer, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	return &todoAPI{t: t, Issuer: issuer}
}

// setRedirect enters the gateway's client, or changes where it may send people back to.
func (a *todoAPI) setRedirect(redirectURIs ...string) {
	a.t.Helper()
	raw, err := json.Marshal(map[string]any{"client_name": "Emcy Gateway", "client_secret": todoClientSecret, "redirect_uris": redirectURIs})
	require.NoError(a.t, err)
	a.do(http.MethodPut, "/ledger/clients/"+todoClientID, raw, nil)
}

// ledger reads what happened so far.
func (a *todoAPI) ledger() todoLedger {
	a.t.Helper()
	var l todoLedger
	a.do(http.MethodGet, "/ledger", nil, &l)
	return l
}

// endAccessTokens ends the access tokens of a person now; refresh tokens go on.
func (a *todoAPI) endAccessTokens(person string) {
	a.t.Helper()
	a.do(http.MethodDelete, "/ledger/access-tokens?person="+person, nil, nil)
}

// endGrants ends everything that a person allowed.
func (a *todoAPI) endGrants(person string) {
	a.t.Helper()
	a.do(http.MethodDelete, "/ledger/grants?person="+person, nil, nil)
}

func (a *todoAPI) do(method, path string, body []byte, into any) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.Issuer+path, bytes.NewReader(body))
	require.NoError(a.t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(a.t, err)
	defer func() { require.NoError(a.t, res.Body.Close()) }()
	require.Less(a.t, res.StatusCode, http.StatusBadRequest, "%s %s", method, path)
	if into != nil {
		require.NoError(a.t, json.NewDecoder(res.Body).Decode(into))
	}
}
