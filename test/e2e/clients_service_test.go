//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// service is a gateway with one workspace and one runtime that is ready.
type service struct {
	gateway *gateway
	owner   *httpflow.Person
	runtime *httpflow.Runtime
	// record is where the runtime writes what it is asked.
	record string
	// publisher publishes documents that the gateway can read.
	publisher *publisher
}

func newService(t *testing.T, db database, kind exampleKind) *service {
	t.Helper()
	ctx := t.Context()
	e := newExample(t, kind)
	documents := newPublisher(t)
	s := &service{gateway: newGateway(t, db, freePorts(t, 4), "SSL_CERT_FILE="+documents.CA), record: e.Record, publisher: documents}
	s.owner = httpflow.NewPerson(s.gateway.Console, "Ada Lovelace", nil)
	require.NoError(t, s.owner.SignUp(ctx))
	require.NoError(t, s.owner.CreateWorkspace(ctx, "Acme Works", "acme"))
	var err error
	s.runtime, err = s.owner.AddRuntime(ctx, "acme", httpflow.RuntimeForm{
		Name: "Tools of " + string(kind), Slug: "todos", URL: "http://127.0.0.1:" + strconv.Itoa(e.Port) + "/mcp",
	})
	require.NoError(t, err)
	startExample(t, e, s.runtime.Secret)
	_, err = s.owner.Probe(ctx, s.runtime)
	require.NoError(t, err)
	untilPage(t, s.owner, "/acme/runtimes/todos", "Ready", "slow_count")
	return s
}

// origin is the workspace's.
func (s *service) origin() string { return strings.TrimSuffix(s.runtime.MCPURL, "/todos/mcp") }

// elsewhere is the same person in a browser without any session.
func elsewhere(p *httpflow.Person) *httpflow.Person {
	other := httpflow.NewPerson(p.Console, p.Name, nil)
	other.Email, other.Password = p.Email, p.Password
	return other
}

// startExample runs an example until the test ends, and returns when it listens.
func startExample(t *testing.T, e example, secret string) {
	t.Helper()
	log, err := os.Create(e.Log)
	require.NoError(t, err)
	cmd := exec.Command(e.Command, e.Args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(),
		"PORT="+strconv.Itoa(e.Port), "EMCY_EXAMPLE_RECORD="+e.Record, "EMCY_WORKER_SHARED_SECRET="+secret)
	for name, value := range e.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = endGroup(cmd)
		_ = cmd.Wait() // it was killed
		_ = log.Close()
		if t.Failed() {
			t.Logf("the runtime's log, its end:\n%s", tail(e.Log, 30))
		}
	})
	require.Eventually(t, func() bool { return !free(e.Port) }, startTimeout, patience/400, "the runtime listens")
}

// recorded is one request as the runtime wrote it down.
type recorded struct {
	Method  string      `json:"method"`
	Headers [][2]string `json:"headers"`
}

func (r recorded) header(name string) string {
	for _, header := range r.Headers {
		if header[0] == name {
			return header[1]
		}
	}
	return ""
}

// asked is what the runtime was asked on behalf of a client.
func (s *service) asked(t *testing.T, clientID string) []recorded {
	t.Helper()
	file, err := os.Open(s.record)
	require.NoError(t, err)
	defer func() { _ = file.Close() }() // it was only read
	var requests []recorded
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var request recorded
		require.NoError(t, json.Unmarshal(lines.Bytes(), &request))
		if request.header("x-emcy-client") == clientID {
			requests = append(requests, request)
		}
	}
	require.NoError(t, lines.Err())
	return requests
}

// refreshed tells whether a refresh token was used up for another one: the
// gateway then gives that successor again, or ends the family of a token that
// comes back late. One that was never used would give a third.
func (s *service) refreshed(t *testing.T, before, after credentials) bool {
	t.Helper()
	client := httpflow.NewClient(s.runtime.MCPURL, nil)
	require.NoError(t, client.Discover(t.Context()))
	client.ClientID, client.Tokens.RefreshToken = before.clientID, before.refresh
	var answer *httpflow.Answer
	if err := client.Refresh(t.Context()); err != nil {
		require.ErrorAs(t, err, &answer)
		return answer.OAuthError() == "invalid_grant"
	}
	return client.Tokens.RefreshToken == after.refresh
}
