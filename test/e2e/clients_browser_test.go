//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// desk is where a client runs: a folder to keep things in, and a person who goes
// where the client sends the browser.
type desk struct {
	dir string
	env []string
	// is who the programs here are told that they are.
	is identity
	// port is where a client that is told listens for the browser to come back.
	port string
	once sync.Once
	// stuck is closed when the person cannot go on, for the reason in trouble.
	stuck   chan struct{}
	trouble error

	mu     sync.Mutex
	opened []string
}

func newDesk(t *testing.T, person *httpflow.Person) *desk {
	t.Helper()
	dir := t.TempDir()
	pipe := filepath.Join(dir, "browser.pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	// Open for both, it has no end before it is closed.
	addresses, err := os.OpenFile(pipe, os.O_RDWR, 0)
	require.NoError(t, err)
	d := &desk{dir: dir, port: strconv.Itoa(freePorts(t, 1)[0]), stuck: make(chan struct{}), env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TMPDIR=" + dir,
		"BROWSER=" + filepath.Join(root(), "test/clients/browser"), "EMCY_TEST_BROWSER=" + pipe,
	}}
	var done sync.WaitGroup
	done.Go(func() {
		lines := bufio.NewScanner(addresses)
		lines.Buffer(nil, 1<<16)
		for lines.Scan() {
			d.mu.Lock()
			d.opened = append(d.opened, lines.Text())
			d.mu.Unlock()
			if err := visit(t.Context(), person, lines.Text()); err != nil {
				d.once.Do(func() { d.trouble = err; close(d.stuck) })
			}
		}
	})
	t.Cleanup(func() {
		_ = addresses.Close() // ends the loop
		done.Wait()
	})
	return d
}

// browsed is how many times a client opened the browser.
func (d *desk) browsed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.opened)
}

// visit signs in, allows the client, and brings its answer back to loopback.
func visit(ctx context.Context, person *httpflow.Person, address string) error {
	target, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("the client opened %q: %w", address, err)
	}
	callback, err := person.Allow(ctx, address, target.Query().Get("redirect_uri"))
	if err != nil {
		return err
	}
	// FastMCP listens only after it opened the browser.
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.Now().Add(patience)
	for {
		page, err := person.Browser.Get(ctx, callback.String())
		if err == nil {
			if page.Status >= http.StatusInternalServerError {
				return page.Expect(http.StatusOK)
			}
			return nil
		}
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Now().After(deadline) {
			return err
		}
		<-ticker.C
	}
}
