package conformance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Suite is the installed suite.
type Suite struct {
	node, script string
}

// Installed returns the suite that scripts/setup installs in a clone.
func Installed(root string) (Suite, error) {
	s := Suite{
		node:   filepath.Join(root, ".cache/node22/bin/node"),
		script: filepath.Join(root, "test/conformance/node_modules/@modelcontextprotocol/conformance/dist/index.js"),
	}
	for _, path := range []string{s.node, s.script} {
		if _, err := os.Stat(path); err != nil {
			return Suite{}, fmt.Errorf("find the conformance suite: %w", err)
		}
	}
	return s, nil
}

// Required lists what a revision requires of servers.
func (s Suite) Required(ctx context.Context, revision string) ([]string, error) {
	out, err := exec.CommandContext(ctx, s.node, s.script, "list", "--requirements", revision).Output()
	if err != nil {
		return nil, fmt.Errorf("list the requirements of %s: %w", revision, err)
	}
	return serverScenarios(string(out)), nil
}

// serverScenarios reads the list of one heading:
//
//	Server scenarios (test against a server):
//	  - ping
func serverScenarios(list string) []string {
	_, rest, _ := strings.Cut(list, "\nServer scenarios")
	var names []string
	for line := range strings.Lines(rest) {
		name, item := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if item {
			names = append(names, name)
		} else if len(names) > 0 {
			break
		}
	}
	return names
}

// Server runs what a revision requires of a server, and what the suite has for it
// beyond that, against an MCP URL.
func (s Suite) Server(ctx context.Context, mcpURL, revision string) (*Report, error) {
	return s.run(ctx, nil, "server", "--url", mcpURL, "--requirements", revision)
}

// Grant is what the authorization suite is given.
type Grant struct {
	// Issuer is the authorization server.
	Issuer string
	// ClientID is a registered public client; without one the suite skips the grant.
	ClientID string
	// Port is where the suite waits for the redirect, at RedirectURI of that port.
	Port int
	// Resource is the MCP URL that the token is for.
	Resource string
	// Follow does what a person does at the authorize URL, up to the redirect.
	Follow func(ctx context.Context, authorizeURL string) error
}

// RedirectURI is where the authorization suite waits for the redirect.
func RedirectURI(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) + "/callback" }

// Authorization runs the suite for authorization servers.
func (s Suite) Authorization(ctx context.Context, grant Grant) (*Report, error) {
	args := []string{"authorization", "--url", grant.Issuer, "-p", strconv.Itoa(grant.Port), "--resource", grant.Resource}
	if grant.ClientID != "" {
		args = append(args, "--client-id", grant.ClientID)
	}
	return s.run(ctx, grant.Follow, args...)
}

// run starts the suite, hands the first URL that it prints on a line of its own
// to follow, and reads the results from its files.
func (s Suite) run(ctx context.Context, follow func(context.Context, string) error, args ...string) (*Report, error) {
	dir, err := os.MkdirTemp("", "emcy-conformance-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the results: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // a leftover of a test harms nobody

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := exec.CommandContext(ctx, s.node, append([]string{s.script}, append(slices.Clone(args), "-o", dir)...)...)
	cmd.WaitDelay = 10 * time.Second
	out, in := io.Pipe()
	cmd.Stdout, cmd.Stderr = in, in

	var said strings.Builder
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewReader(out)
		for {
			line, err := lines.ReadString('\n')
			said.WriteString(line)
			if follow != nil && (strings.HasPrefix(line, "http://") || strings.HasPrefix(line, "https://")) {
				if err := follow(ctx, strings.TrimSpace(line)); err != nil {
					cancel(fmt.Errorf("follow the authorize URL: %w", err))
				}
				follow = nil
			}
			if err != nil {
				return
			}
		}
	}()
	err = cmd.Run()
	_ = in.Close() // a pipe in memory always closes
	<-read
	var exit *exec.ExitError
	if cause := context.Cause(ctx); cause != nil {
		return nil, fmt.Errorf("conformance %s: %w\n%s", args[0], cause, said.String())
	}
	if err != nil && !errors.As(err, &exit) {
		return nil, fmt.Errorf("conformance %s: %w\n%s", args[0], err, said.String())
	}
	report, err := readReport(dir)
	if err != nil {
		return nil, fmt.Errorf("conformance %s: %w\n%s", args[0], err, said.String())
	}
	report.Exit, report.Output = cmd.ProcessState.ExitCode(), said.String()
	return report, nil
}
