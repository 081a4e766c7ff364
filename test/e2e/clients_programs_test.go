//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
)

// clientTimeout is for one run of one client; a quiet machine needs seconds.
const clientTimeout = 90 * time.Second

type clientEra string

const (
	legacy clientEra = "legacy"
	modern clientEra = "modern"
)

var revisions = map[clientEra]string{legacy: "2025-11-25", modern: "2026-07-28"}

// program is a client that somebody else wrote, as far as it can be run twice at
// one desk: the second time it goes on with what it kept.
type program struct {
	eras []clientEra
	// run goes through the stages. A *stageError says which one failed.
	run func(ctx context.Context, d *desk, url string, e clientEra) error
	// kept reads what it kept.
	kept func(t *testing.T, d *desk) credentials
	// age changes what it kept so that the access token is of no use any more.
	age func(t *testing.T, d *desk, e clientEra)
	// login is the stage that signs in.
	login string
	// callback is the redirect URI that it sends, but for the port.
	callback string
	// proves is how it sends a secret to a server that takes it either way.
	proves string
	faults []fault
}

// credentials are what a client keeps.
type credentials struct{ clientID, access, refresh string }

// stageError is a stage of a client that failed, with what the client said.
type stageError struct{ stage, said string }

func (e *stageError) Error() string { return e.stage + ": " + e.said }

func clientDir(name string) string { return filepath.Join(root(), "test/clients", name) }

func typeScript1(t *testing.T) program {
	t.Helper()
	requireFile(t, filepath.Join(clientDir("ts1"), "node_modules"), "the TypeScript SDK 1.x")
	nodeJS := node(t)
	return program{
		eras: []clientEra{legacy}, login: "connect", faults: faultsOfTypeScript1,
		callback: "http://127.0.0.1/callback", proves: "client_secret_basic",
		run: func(ctx context.Context, d *desk, url string, _ clientEra) error {
			return stages(ctx, d, nodeJS, filepath.Join(clientDir("ts1"), "client.mjs"), url, filepath.Join(d.dir, "state.json"))
		},
		kept: func(t *testing.T, d *desk) credentials {
			state := readJSON(t, filepath.Join(d.dir, "state.json"))
			return credentials{at(t, state, "client", "client_id"), at(t, state, "tokens", "access_token"), at(t, state, "tokens", "refresh_token")}
		},
		age: func(t *testing.T, d *desk, _ clientEra) {
			// It does not look at the expiry: a 401 makes it refresh.
			editJSON(t, filepath.Join(d.dir, "state.json"), func(state map[string]any) {
				put(t, state, "of no use", "tokens", "access_token")
			})
		},
	}
}

// goPrograms builds the clients of test/clients/go once for all tests of a run.
var goPrograms = sync.OnceValues(func() (string, error) {
	build := exec.Command("go", "build", "-o", binaryDir+string(filepath.Separator), "./...")
	build.Dir = clientDir("go")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the Go clients: %w\n%s", err, out)
	}
	return binaryDir, nil
})

func goSDK(t *testing.T) program {
	t.Helper()
	return goClient(t, program{
		faults: faultsOfGoSDK,
		kept: func(t *testing.T, d *desk) credentials {
			state := readJSON(t, filepath.Join(d.dir, "state.json"))
			return credentials{at(t, state, "client", "ClientID"), at(t, state, "token", "access_token"), at(t, state, "token", "refresh_token")}
		},
		age: func(t *testing.T, d *desk, _ clientEra) {
			// It signs in anew on a 401, and refreshes when the token's time is over.
			editJSON(t, filepath.Join(d.dir, "state.json"), func(state map[string]any) {
				put(t, state, time.Now().Add(-time.Hour).Format(time.RFC3339), "token", "expiry")
			})
		},
	}, "gosdk")
}

func mcpGo(t *testing.T) program {
	t.Helper()
	return goClient(t, program{
		faults: faultsOfMCPGo,
		kept: func(t *testing.T, d *desk) credentials {
			state := readJSON(t, filepath.Join(d.dir, "state.json"))
			return credentials{at(t, state, "client_id"), at(t, state, "token", "access_token"), at(t, state, "token", "refresh_token")}
		},
		age: func(t *testing.T, d *desk, _ clientEra) {
			// It signs in anew on a 401, and refreshes when the token's time is over.
			editJSON(t, filepath.Join(d.dir, "state.json"), func(state map[string]any) {
				put(t, state, time.Now().Add(-time.Hour).Format(time.RFC3339), "token", "expires_at")
			})
		},
	}, "mcpgo")
}

// goClient adds what the Go clients have in common.
func goClient(t *testing.T, p program, command string) program {
	t.Helper()
	built, err := goPrograms()
	require.NoError(t, err)
	p.eras, p.login = []clientEra{legacy, modern}, "connect"
	p.callback, p.proves = "http://127.0.0.1/callback", "client_secret_post"
	p.run = func(ctx context.Context, d *desk, url string, e clientEra) error {
		return stages(ctx, d, filepath.Join(built, command), url, string(e), filepath.Join(d.dir, "state.json"))
	}
	return p
}

// fastMCPClient is FastMCP's, which drives the official Python SDK.
func fastMCPClient(t *testing.T) program {
	t.Helper()
	python := filepath.Join(root(), ".cache/venv/bin/python")
	requireFile(t, python, "FastMCP")
	modes := map[clientEra]string{legacy: "legacy", modern: "auto"}
	return program{
		eras: []clientEra{legacy, modern}, login: "connect", faults: faultsOfFastMCP,
		callback: "http://localhost/callback", proves: "client_secret_post",
		run: func(ctx context.Context, d *desk, url string, e clientEra) error {
			return stages(ctx, d, python, filepath.Join(clientDir("python"), "client.py"), url, modes[e], d.dir)
		},
		kept: func(t *testing.T, d *desk) credentials {
			client := readJSON(t, oneFile(t, d, "S_mcp_oauth_client_info-*/*.json"))
			tokens := readJSON(t, oneFile(t, d, "S_mcp_oauth_token-*/*.json"))
			return credentials{at(t, client, "value", "client_id"), at(t, tokens, "value", "access_token"), at(t, tokens, "value", "refresh_token")}
		},
		age: func(t *testing.T, d *desk, _ clientEra) {
			// It signs in anew on a 401, and refreshes when the token's time is over.
			editJSON(t, oneFile(t, d, "S_mcp_oauth_token_expiry-*/*.json"), func(entry map[string]any) {
				put(t, entry, float64(time.Now().Add(-time.Hour).Unix()), "value", "expires_at")
			})
		},
	}
}

// mcpRemote is a program between a local client and a remote server; the official
// Go SDK is the local client.
func mcpRemote(t *testing.T) program {
	t.Helper()
	requireFile(t, filepath.Join(clientDir("mcp-remote"), "node_modules"), "mcp-remote")
	nodeJS := node(t)
	return program{
		eras: []clientEra{legacy, modern}, login: "connect", faults: faultsOfMCPRemote,
		callback: "http://localhost/oauth/callback", proves: "client_secret_basic",
		run: func(ctx context.Context, d *desk, url string, e clientEra) error {
			mode := map[clientEra]string{legacy: "legacy", modern: "auto"}[e]
			args := []string{
				filepath.Join(clientDir("mcp-remote"), "node_modules/mcp-remote/dist/proxy.js"), url,
				d.port, "--transport", "http-only", "--protocol", mode, "--auth-timeout", "60",
			}
			static, err := d.is.information()
			if err != nil {
				return err
			}
			return overStdio(ctx, d, exec.Command(nodeJS, append(args, flags(
				"--client-metadata-url", d.is.Document, "--static-oauth-client-info", static)...)...))
		},
		kept: func(t *testing.T, d *desk) credentials {
			id := d.is.client() // it keeps nothing of what it was told
			if id == "" {
				id = at(t, readJSON(t, oneFile(t, d, ".mcp-auth/*/*_client_info.json")), "client_id")
			}
			tokens := readJSON(t, oneFile(t, d, ".mcp-auth/*/*_tokens.json"))
			return credentials{id, at(t, tokens, "access_token"), at(t, tokens, "refresh_token")}
		},
		age: func(t *testing.T, d *desk, e clientEra) {
			// It refreshes on a 401, and before that when the token's time is nearly over.
			editJSON(t, oneFile(t, d, ".mcp-auth/*/*_tokens.json"), func(tokens map[string]any) {
				if e == legacy {
					tokens["access_token"] = "of no use"
				} else {
					tokens["expires_at"] = time.Now().Add(-time.Hour).UnixMilli()
				}
			})
		},
	}
}

// overStdio goes through the stages with a server on stdin and stdout.
func overStdio(ctx context.Context, d *desk, cmd *exec.Cmd) error {
	ctx, cancel := d.context(ctx)
	defer cancel()
	var said lockedBuffer
	cmd.Dir, cmd.Env, cmd.Stderr = d.dir, d.env, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second
	// Whatever becomes of it: nothing of it is left.
	defer func() {
		if cmd.Process != nil {
			_ = endGroup(cmd)
		}
	}()
	failed := func(stage string, err error) error {
		return &stageError{stage, fmt.Sprintf("%v\n%s", errors.Join(err, context.Cause(ctx)), said.String())}
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "emcy-e2e", Version: "1.0.0"}, nil)
	session, err := client.Connect(ctx, &mcp.CommandTransport{Command: cmd, TerminateDuration: 5 * time.Second},
		&mcp.ClientSessionOptions{ProtocolVersion: revisions[legacy]})
	if err != nil {
		return failed("connect", err)
	}
	list, err := session.ListTools(ctx, nil)
	if err != nil {
		return failed("list", err)
	}
	if len(list.Tools) != 4 {
		return failed("list", fmt.Errorf("there are %d tools", len(list.Tools)))
	}
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "add", Arguments: map[string]any{"a": 40, "b": 2}})
	if err != nil {
		return failed("call", err)
	}
	text, ok := result.Content[0].(*mcp.TextContent)
	if !ok || !isSum(text.Text) {
		return failed("call", fmt.Errorf("40 + 2 is %+v", result.Content[0]))
	}
	_ = session.Close() // how the program ends is its own affair
	return nil
}

// inspector is the MCP Inspector's command line: a process for each method.
func inspector(t *testing.T) program {
	t.Helper()
	nodeJS := filepath.Join(root(), ".cache/node22/bin/node")
	requireFile(t, nodeJS, "Node.js 22")
	launcher := filepath.Join(clientDir("inspector"), "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js")
	requireFile(t, launcher, "the MCP Inspector")
	return program{
		eras: []clientEra{legacy, modern}, login: "list", faults: faultsOfInspector,
		callback: "http://127.0.0.1/oauth/callback", proves: "client_secret_basic",
		run: func(ctx context.Context, d *desk, url string, e clientEra) error {
			callback := "http://127.0.0.1:" + d.port + "/oauth/callback"
			method := func(method string, more ...string) ([]byte, error) {
				args := append([]string{
					launcher, "--cli", url, "--transport", "http", "--protocol-era", string(e),
					"--callback-url", callback, "--format", "json", "--connect-timeout", "60000", "--method", method,
				}, slices.Concat(more, flags(
					"--client-metadata-url", d.is.Document, "--client-id", d.is.ID, "--client-secret", d.is.Secret))...)
				return output(ctx, d, []string{"MCP_AUTO_OPEN_ENABLED=true", "MCP_INSPECTOR_SECRET_STORE=file"}, nodeJS, args...)
			}
			out, err := method("tools/list")
			if err != nil {
				return &stageError{"list", err.Error()}
			}
			if !strings.Contains(string(out), `"slow_count"`) {
				return &stageError{"list", string(out)}
			}
			if out, err = method("tools/call", "--tool-name", "add", "--tool-arg", "a=40", "b=2"); err != nil {
				return &stageError{"call", err.Error()}
			}
			var answer struct {
				Result struct {
					Content []struct {
						Text string `json:"text"`
					} `json:"content"`
				} `json:"result"`
			}
			if err := json.Unmarshal(out, &answer); err != nil || len(answer.Result.Content) != 1 || !isSum(answer.Result.Content[0].Text) {
				return &stageError{"call", "40 + 2 is " + string(out)}
			}
			return nil
		},
		kept: func(t *testing.T, d *desk) credentials {
			raw, err := os.ReadFile(filepath.Join(d.dir, ".mcp-inspector/storage/oauth.json"))
			require.NoError(t, err)
			id := inspectorID.FindSubmatch(raw)
			require.NotNil(t, id)
			_, tokens := inspectorTokens(t, d)
			return credentials{string(id[1]), at(t, tokens, "access_token"), at(t, tokens, "refresh_token")}
		},
		age: func(t *testing.T, d *desk, _ clientEra) {
			// It does not look at the expiry: a 401 makes it refresh.
			name, tokens := inspectorTokens(t, d)
			tokens["access_token"] = "of no use"
			raw, err := json.Marshal(tokens)
			require.NoError(t, err)
			editJSON(t, filepath.Join(d.dir, ".mcp-inspector/secrets.json"), func(doc map[string]any) {
				put(t, doc, string(raw), "secrets", name)
			})
		},
	}
}

var inspectorID = regexp.MustCompile(`"client_id":\s*"([^"]+)"`)

// inspectorTokens are the tokens in the Inspector's own store, and their name there.
func inspectorTokens(t *testing.T, d *desk) (string, map[string]any) {
	t.Helper()
	secrets, ok := readJSON(t, filepath.Join(d.dir, ".mcp-inspector/secrets.json"))["secrets"].(map[string]any)
	require.True(t, ok)
	for name, secret := range secrets {
		if text, ok := secret.(string); ok && strings.Contains(name, ":tokens:") {
			var tokens map[string]any
			require.NoError(t, json.Unmarshal([]byte(text), &tokens))
			return name, tokens
		}
	}
	require.Fail(t, "the Inspector keeps no tokens")
	return "", nil
}

func isSum(text string) bool {
	sum, err := strconv.ParseFloat(text, 64)
	return err == nil && sum == 42
}

// stages runs one of our drivers, which tells its stages line by line.
func stages(ctx context.Context, d *desk, command string, args ...string) error {
	out, err := output(ctx, d, nil, command, args...)
	done := map[string]bool{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var told struct{ Stage, Error string }
		if json.Unmarshal(lines.Bytes(), &told) != nil {
			continue // the library's own words
		}
		if told.Error != "" {
			return &stageError{told.Stage, told.Error}
		}
		done[told.Stage] = true
	}
	if err != nil {
		return &stageError{"", fmt.Sprintf("after %v: %v", done, err)}
	}
	for _, stage := range []string{"connect", "list", "call"} {
		if !done[stage] {
			return &stageError{stage, "it was left out: " + string(out)}
		}
	}
	return nil
}

// output runs a client to its end, and ends it where the person cannot go on.
func output(ctx context.Context, d *desk, env []string, command string, args ...string) ([]byte, error) {
	ctx, cancel := d.context(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, args...)
	var stdout, stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = d.dir, append(env, d.env...), &stdout, &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return endGroup(cmd) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		_ = endGroup(cmd) // a program that it opened and forgot
	}
	if err != nil {
		err = fmt.Errorf("%w\n%s%s", errors.Join(err, context.Cause(ctx)), stdout.Bytes(), stderr.Bytes())
	}
	return stdout.Bytes(), err
}

// context ends with the time of one run, and when the person cannot go on.
func (d *desk) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, clientTimeout)
	ctx, cause := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-d.stuck:
			cause(d.trouble)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cause(nil); cancel() }
}

// lockedBuffer is written by a process and read by the test.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func oneFile(t *testing.T, d *desk, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(d.dir, pattern))
	require.NoError(t, err)
	require.Len(t, found, 1, pattern)
	return found[0]
}

func readJSON(t *testing.T, path string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(raw, &doc))
	return doc
}

func editJSON(t *testing.T, path string, edit func(map[string]any)) {
	t.Helper()
	doc := readJSON(t, path)
	edit(doc)
	raw, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, raw, 0o600))
}

// at is a string in a document.
func at(t *testing.T, doc map[string]any, path ...string) string {
	t.Helper()
	var value any = doc
	for _, key := range path {
		object, ok := value.(map[string]any)
		require.Truef(t, ok, "no object above %s in %v", key, doc)
		value = object[key]
	}
	text, ok := value.(string)
	require.Truef(t, ok && text != "", "no %v in %v", path, doc)
	return text
}

// put replaces what is in a document.
func put(t *testing.T, doc map[string]any, value any, path ...string) {
	t.Helper()
	object := doc
	for _, key := range path[:len(path)-1] {
		below, ok := object[key].(map[string]any)
		require.Truef(t, ok, "no object %s in %v", key, doc)
		object = below
	}
	require.Contains(t, object, path[len(path)-1])
	object[path[len(path)-1]] = value
}
