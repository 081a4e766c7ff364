//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/clients/wire"
	"github.com/emcy/gateway/test/e2e/httpflow"
)

// strictFlows are the flows of the strict client, with the stages that each goes through.
var strictFlows = map[string][]string{
	"code":   {"discovered", "registered", "returned", "redeemed", "called", "refreshed", "called", "revoked", "finished"},
	"basic":  {"discovered", "registered", "returned", "redeemed", "called", "refreshed", "called", "introspected", "revoked", "introspected", "finished"},
	"post":   {"discovered", "registered", "returned", "redeemed", "called", "refreshed", "called", "finished"},
	"key":    {"discovered", "registered", "returned", "redeemed", "called", "refreshed", "called", "finished"},
	"pushed": {"discovered", "registered", "pushed", "returned", "redeemed", "called", "refreshed", "called", "finished"},
	"dpop":   {"discovered", "registered", "pushed", "returned", "redeemed", "called", "refreshed", "called", "refused", "finished"},
	"device": {"discovered", "registered", "pending", "redeemed", "called", "finished"},
}

// serviceFlow is what a service client that somebody entered goes through.
var serviceFlow = []string{"discovered", "redeemed", "called", "introspected", "finished"}

// strictFaults are what the strict client must not forgive.
var strictFaults = []struct {
	flow   string
	breaks wire.Break
	says   string
}{
	{"code", wire.WrongResource, "resource"},
	{"code", wire.WrongIssuer, "issuer"},
	{"code", wire.WrongCallback, `unexpected "iss"`},
	{"code", wire.TokenPage, "content-type"},
	{"code", wire.WrongSum, "43"},
}

// TestStrictClient takes oauth4webapi, which forgives nothing, through every flow.
func TestStrictClient(t *testing.T) {
	t.Parallel()

	for _, group := range clientsOf {
		t.Run(string(group.db), func(t *testing.T) {
			t.Parallel()

			s := newService(t, group.db, group.runtime)
			require.NoError(t, s.owner.Authorization(t.Context(), "acme", url.Values{"device": {"on"}, "client_credentials": {"on"}}))
			t.Run("service", func(t *testing.T) {
				t.Parallel()
				id, secret, err := s.owner.EnterService(t.Context(), "acme", "Nightly job")
				require.NoError(t, err)
				file := filepath.Join(t.TempDir(), "credentials.json")
				raw, err := json.Marshal(map[string]string{"client_id": id, "client_secret": secret})
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(file, raw, 0o600))
				stages, err := strict(t, s.runtime.MCPURL, elsewhere(s.owner), "service", file)
				require.NoError(t, err)
				require.Equal(t, serviceFlow, stages)
			})
			for flow, want := range strictFlows {
				t.Run(flow, func(t *testing.T) {
					t.Parallel()
					stages, err := strict(t, s.runtime.MCPURL, elsewhere(s.owner), flow)
					require.NoError(t, err)
					require.Equal(t, want, stages)
				})
			}
			for _, f := range strictFaults {
				t.Run("fault: "+f.says, func(t *testing.T) {
					t.Parallel()
					broken, err := wire.Start(s.origin(), f.breaks)
					require.NoError(t, err)
					t.Cleanup(broken.Close)
					stages, err := strict(t, broken.Origin+"/todos/mcp", elsewhere(s.owner), f.flow)
					require.ErrorContains(t, err, f.says, "it passed %v", stages)
				})
			}
		})
	}
}

// strict runs one flow; the person allows what it opens.
func strict(t *testing.T, mcpURL string, person *httpflow.Person, flow string, more ...string) (stages []string, err error) {
	t.Helper()
	dir := clientDir("strict")
	requireFile(t, filepath.Join(dir, "node_modules"), "oauth4webapi")
	ctx, cancel := context.WithTimeout(t.Context(), clientTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, node(t), append([]string{filepath.Join(dir, "client.mjs"), flow, mcpURL}, more...)...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var said strings.Builder
	cmd.Stderr = &said
	require.NoError(t, cmd.Start())
	defer func() { _ = cmd.Wait() }() // how it ended is in its lines
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct{ Stage, Open, Failed, Said string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return stages, fmt.Errorf("%w: %s", err, lines.Text())
		}
		switch {
		case line.Failed != "":
			return stages, fmt.Errorf("%s: %s", line.Failed, line.Said)
		case line.Open != "":
			back, err := answered(ctx, person, line.Open)
			if err != nil {
				return stages, err
			}
			if _, err := io.WriteString(in, back+"\n"); err != nil {
				return stages, err
			}
		default:
			stages = append(stages, line.Stage)
		}
	}
	if lines.Err() != nil || len(stages) == 0 || stages[len(stages)-1] != "finished" {
		return stages, fmt.Errorf("it ended after %v: %s", stages, said.String())
	}
	return stages, nil
}

// answered is where the person's browser is sent back to; "" for a device, which asks by itself.
func answered(ctx context.Context, person *httpflow.Person, open string) (string, error) {
	u, err := url.Parse(open)
	if err != nil {
		return "", err
	}
	if u.Path == "/device" {
		return "", person.AllowDevice(ctx, open)
	}
	redirectURI := u.Query().Get("redirect_uri")
	if redirectURI == "" {
		redirectURI = "http://127.0.0.1:4711/callback" // it was pushed
	}
	back, err := person.Allow(ctx, open, redirectURI)
	if err != nil {
		return "", err
	}
	return back.String(), nil
}
