//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const driverTimeout = 18 * time.Minute

func node(t *testing.T) string {
	t.Helper()
	return requireProgram(t, filepath.Join(root(), ".cache/node/bin/node"), "node")
}

// runDriver runs a script of this folder with a configuration, and fails with
// everything that the script said.
func runDriver(t *testing.T, script string, config any, env ...string) {
	t.Helper()
	requireFile(t, "node_modules/@modelcontextprotocol/client", "the MCP client")

	raw, err := json.MarshalIndent(config, "", "  ")
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(path, raw, 0o600))

	ctx, cancel := context.WithTimeout(t.Context(), driverTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, node(t), script, path)
	cmd.Env = append(os.Environ(), env...)
	// The driver starts a browser and runtimes: all of them are ended with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return endGroup(cmd) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	_ = endGroup(cmd) // nothing is left of it where all went well
	if err != nil {
		if ctx.Err() != nil {
			err = errors.Join(err, ctx.Err())
		}
		require.FailNowf(t, script+" fails", "%v\n%s", err, out)
	}
	t.Logf("%s:\n%s", script, out)
}

func endGroup(cmd *exec.Cmd) error {
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

type person struct {
	Name     string `json:"name"`
	Email    string `json:"email"`
	Password string `json:"password"`
}

type workspace struct {
	Name    string      `json:"name"`
	Slug    string      `json:"slug"`
	Runtime runtimeForm `json:"runtime"`
	Example example     `json:"example"`
}

type runtimeForm struct {
	Name string `json:"name"`
	Slug string `json:"slug"`
}

// journey is the configuration of journey.mjs.
type journey struct {
	Console      string      `json:"console"`
	GatewayLog   string      `json:"gatewayLog"`
	Artifacts    string      `json:"artifacts"`
	Chromium     string      `json:"chromium"`
	ChromiumArgs []string    `json:"chromiumArgs"`
	JavaScript   bool        `json:"javaScript"`
	HostSuffix   string      `json:"hostSuffix"`
	TenantOrigin string      `json:"tenantOrigin"`
	Person       person      `json:"person"`
	Workspaces   []workspace `json:"workspaces"`
}

func newJourney(t *testing.T, g *gateway, kinds ...exampleKind) journey {
	t.Helper()
	artifacts := filepath.Join(root(), ".cache/e2e", strings.NewReplacer("/", "-").Replace(t.Name()))
	require.NoError(t, os.RemoveAll(artifacts))
	require.NoError(t, os.MkdirAll(artifacts, 0o700))
	j := journey{
		Console:    g.Console,
		GatewayLog: g.Log,
		Artifacts:  artifacts,
		Chromium:   requireProgram(t, "chromium", "chromium-browser", "google-chrome"),
		JavaScript: true,
		Person:     person{Name: "Ada Lovelace", Email: "ada@example.com", Password: "correct horse " + rand.Text()},
	}
	for i, kind := range kinds {
		j.Workspaces = append(j.Workspaces, workspace{
			Name:    []string{"Acme Works", "Bolt Labs"}[i],
			Slug:    []string{"acme", "bolt"}[i],
			Runtime: runtimeForm{Name: "Tools of " + string(kind), Slug: []string{"todos", "search"}[i]},
			Example: newExample(t, kind),
		})
	}
	return j
}

// TestJourney is the product's main job, on both databases and through both
// examples, with nothing configured but addresses.
func TestJourney(t *testing.T) {
	t.Parallel()

	for _, db := range databases {
		for _, kind := range []exampleKind{fastMCP, typeScript} {
			t.Run(string(db)+"/"+string(kind), func(t *testing.T) {
				t.Parallel()

				runDriver(t, "journey.mjs", newJourney(t, newGateway(t, db, freePorts(t, 4)), kind))
			})
		}
	}
}

// TestJourneyWithoutScripts is the same in a browser that runs no scripts.
func TestJourneyWithoutScripts(t *testing.T) {
	t.Parallel()

	j := newJourney(t, newGateway(t, sqlite, freePorts(t, 4)), fastMCP)
	j.JavaScript = false
	runDriver(t, "journey.mjs", j)
}

// TestJourneyTwoTenantsByHost is the same over https with two tenants by name
// on one listener, whose tokens must not work at each other.
func TestJourneyTwoTenantsByHost(t *testing.T) {
	t.Parallel()

	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()

			ca := newAuthority(t)
			port := strconv.Itoa(freePorts(t, 1)[0])
			g := newGateway(t, db, nil,
				"EMCY_EDGE_ORIGIN=https://{tenant}.mcp.test:"+port,
				"EMCY_EDGE_LISTEN=127.0.0.1:"+port,
				"EMCY_EDGE_TLS_CERT="+ca.Cert,
				"EMCY_EDGE_TLS_KEY="+ca.Key,
			)
			j := newJourney(t, g, fastMCP, typeScript)
			j.HostSuffix = ".mcp.test"
			j.TenantOrigin = "https://{tenant}.mcp.test:" + port
			j.ChromiumArgs = []string{
				"--host-resolver-rules=MAP *.mcp.test 127.0.0.1",
				"--ignore-certificate-errors-spki-list=" + ca.SPKI,
			}
			runDriver(t, "journey.mjs", j, "NODE_EXTRA_CA_CERTS="+ca.CA)
		})
	}
}
