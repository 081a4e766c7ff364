//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// example is a runtime of examples/ as the driver starts it.
type example struct {
	Command string            `json:"command"`
	Args    []string          `json:"args"`
	Env     map[string]string `json:"env,omitempty"`
	Port    int               `json:"port"`
	Record  string            `json:"record"`
	Log     string            `json:"log"`
	// Stateful says that it keeps sessions for the older revisions.
	Stateful bool `json:"stateful"`
	// Modern says that it speaks 2026-07-28 too.
	Modern bool `json:"modern"`
	// Generated says that its tools come from the Todo API's document, whoami beside them.
	Generated bool `json:"generated"`
}

type exampleKind string

const (
	fastMCP        exampleKind = "fastmcp"
	typeScript     exampleKind = "typescript"
	typeScriptSDK1 exampleKind = "typescript-sdk1"
	goExample      exampleKind = "go"
	openAPI        exampleKind = "openapi"
)

var exampleKinds = []exampleKind{fastMCP, typeScript, typeScriptSDK1, goExample, openAPI}

// goExampleBinary builds examples/go once for all tests of a run.
var goExampleBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "example-go")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = filepath.Join(root(), "examples/go")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the Go example: %w\n%s", err, out)
	}
	return path, nil
})

func newExample(t *testing.T, kind exampleKind) example {
	t.Helper()
	dir := t.TempDir()
	e := example{
		Port:   freePorts(t, 1)[0],
		Record: filepath.Join(dir, "record.jsonl"),
		Log:    filepath.Join(dir, "runtime.log"),
		Modern: true,
	}
	folder := filepath.Join(root(), "examples", string(kind))
	switch kind {
	case fastMCP, openAPI:
		e.Command = filepath.Join(root(), ".cache/venv/bin/python")
		requireFile(t, e.Command, "FastMCP")
		e.Args = []string{filepath.Join(folder, "server.py")}
		e.Env = map[string]string{"PYTHONPATH": filepath.Join(root(), "sdk/python/src"), "PYTHONDONTWRITEBYTECODE": "1"}
		e.Stateful, e.Generated = true, kind == openAPI
	case typeScript, typeScriptSDK1:
		e.Command = node(t)
		requireFile(t, filepath.Join(folder, "node_modules/@modelcontextprotocol"), "the TypeScript SDK")
		e.Args = []string{filepath.Join(folder, "server.js")}
		e.Stateful, e.Modern = kind == typeScriptSDK1, kind == typeScript
	case goExample:
		path, err := goExampleBinary()
		require.NoError(t, err)
		e.Command = path
	}
	return e
}

// TestExamples checks every example by itself, without a gateway.
func TestExamples(t *testing.T) {
	t.Parallel()

	for _, kind := range exampleKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()

			runDriver(t, "examples.mjs", map[string]any{"example": newExample(t, kind)})
		})
	}
}

// TestExamplesTodos checks what every example does with the user's own token, and that it
// needs no secret where it checks assertions; still without a gateway.
func TestExamplesTodos(t *testing.T) {
	t.Parallel()

	for _, kind := range exampleKinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()

			runDriver(t, "examples_todos.mjs", map[string]any{"example": newExample(t, kind), "todo": newTodoAPI(t).Issuer})
		})
	}
}
