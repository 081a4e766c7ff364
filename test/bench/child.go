package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTime = 60 * time.Second
	stopTime  = 20 * time.Second
)

// child is a process of a server.
type child struct {
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser // a role ends with it
	ready string         // what it said when it served
	log   bytes.Buffer
	done  chan error
}

// start runs a program and waits for a line that begins with the mark.
func start(ctx context.Context, name, mark string, cmd *exec.Cmd) (*child, error) {
	c := &child{name: name, cmd: cmd, done: make(chan error, 1)}
	cmd.Stderr = &c.log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.stdin = stdin
	ready := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), mark); ok {
				ready <- rest
			}
		}
		c.done <- cmd.Wait()
	}()
	timer := time.NewTimer(startTime)
	defer timer.Stop()
	select {
	case c.ready = <-ready:
		return c, nil
	case err := <-c.done:
		return nil, fmt.Errorf("%s ended at its start: %w\n%s", name, err, c.log.Bytes())
	case <-timer.C:
		return nil, errors.Join(fmt.Errorf("%s is not ready in time", name), c.stop())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), c.stop())
	}
}

// stop asks the process to end, and sees to it.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	_ = c.stdin.Close()
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case err := <-c.done:
		if err != nil {
			return fmt.Errorf("%s ended with %w\n%s", c.name, err, c.log.Bytes())
		}
		return nil
	case <-timer.C:
		_ = c.cmd.Process.Kill()
		return errors.Join(fmt.Errorf("%s does not end", c.name), <-c.done)
	}
}

// role is this program in another role.
type role struct {
	*child
	addr, control string
}

func startRole(ctx context.Context, name string, args ...string) (*role, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{name}, args...)...) //nolint:gosec // this program itself
	cmd.Cancel = func() error { return nil }                                  // stop ends it
	c, err := start(ctx, name, readyMark, cmd)
	if err != nil {
		return nil, err
	}
	addr, control, _ := strings.Cut(c.ready, " ")
	return &role{child: c, addr: addr, control: control}, nil
}

// memory asks a role for its memory, after a collection.
func (r *role) memory(ctx context.Context) (memory, error) {
	var m memory
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.control+"/memory", http.NoBody)
	if err != nil {
		return m, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return m, err
	}
	defer func() { _ = resp.Body.Close() }()
	return m, json.NewDecoder(resp.Body).Decode(&m)
}

// tick is what /proc counts processor time in.
const tick = 10 * time.Millisecond

// cpu is the processor time that a process has used.
func (c *child) cpu() (time.Duration, error) {
	stat, err := os.ReadFile(c.proc("stat"))
	if err != nil {
		return 0, err
	}
	// The name of the program may hold blanks; what follows its parenthesis does not.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("%s has another form", c.proc("stat"))
	}
	user, errUser := strconv.Atoi(fields[11])
	system, errSystem := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick, errors.Join(errUser, errSystem)
}

// resident is the memory that a process holds, in bytes.
func (c *child) resident() (float64, error) {
	status, err := os.ReadFile(c.proc("status"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return float64(kib) * 1024, err
		}
	}
	return 0, fmt.Errorf("%s has another form", c.proc("status"))
}

func (c *child) proc(name string) string {
	return filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid), name)
}
