package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// freePort finds a port nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

type process struct {
	url  string
	stop func() (code int, stderr string)
}

// begin runs serve in this process until it says that it is ready.
func begin(t *testing.T, env ...string) process {
	t.Helper()
	port := freePort(t)
	env = append([]string{"EMCY_PUBLIC_URL=http://localhost:" + port, "EMCY_EDGE_PORTS=" + freePort(t) + "-65535"}, env...)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var errOut bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"serve"}, env, w, &errOut)
		_ = w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("serve ended with %d: %s", <-code, errOut.String())
	}
	require.Equal(t, "Emcy Gateway is ready: open http://localhost:"+port+"\n", line)
	go func() { _, _ = io.Copy(io.Discard, r) }()
	return process{url: "http://localhost:" + port, stop: func() (int, string) {
		cancel()
		return <-code, errOut.String()
	}}
}

func TestServeTwiceOnOneFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	p := begin(t, "EMCY_DATA_DIR="+dir)
	for _, path := range []string{"/healthz", "/readyz", "/sign-up"} {
		resp, err := http.Get(p.url + path)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
	}
	info, err := os.Stat(filepath.Join(dir, "key"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	var out, errOut bytes.Buffer
	require.Equal(t, exitConfig, run(t.Context(), []string{"serve"}, []string{"EMCY_DATA_DIR=" + dir, "EMCY_PUBLIC_URL=http://localhost:" + freePort(t)}, &out, &errOut))
	require.Contains(t, errOut.String(), "another process uses this data folder")

	require.Zero(t, run(t.Context(), []string{"healthcheck"}, []string{"EMCY_PUBLIC_URL=" + p.url}, &out, &errOut))
	code, logged := p.stop()
	require.Zero(t, code, logged)
	require.Equal(t, exitFailure, run(t.Context(), []string{"healthcheck"}, []string{"EMCY_PUBLIC_URL=" + p.url}, &out, &errOut))

	again := begin(t, "EMCY_DATA_DIR="+dir)
	code, logged = again.stop()
	require.Zero(t, code, logged)
}

// TestStartRefusals: a start that cannot succeed ends with one clear line.
func TestStartRefusals(t *testing.T) {
	t.Parallel()
	other := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789abcdef"), 2))
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) []string
		want    string
	}{
		"wrong key": {func(t *testing.T, dir string) []string {
			p := begin(t, "EMCY_DATA_DIR="+dir)
			makeTenant(t, p)
			require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), []byte(other), 0o600))
			return []string{"EMCY_KEY_FILE=" + filepath.Join(dir, "other")}
		}, "the key does not fit this database"},
		"lost key": {func(t *testing.T, dir string) []string {
			p := begin(t, "EMCY_DATA_DIR="+dir)
			_, _ = p.stop()
			require.NoError(t, os.Remove(filepath.Join(dir, "key")))
			return nil
		}, "read key file"},
		"key others may read": {func(t *testing.T, dir string) []string {
			require.NoError(t, os.MkdirAll(dir, 0o700))
			require.NoError(t, os.WriteFile(filepath.Join(dir, "key"), []byte(other), 0o644)) //nolint:gosec // the point of the test
			return nil
		}, "chmod 600"},
		"folder is a file": {func(t *testing.T, dir string) []string {
			require.NoError(t, os.WriteFile(dir, nil, 0o600))
			return nil
		}, "the data folder cannot be made"},
		"port in use": {func(t *testing.T, _ string) []string {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, l.Close()) })
			return []string{"EMCY_LISTEN=" + l.Addr().String()}
		}, "is in use by another program"},
		"no such database": {func(*testing.T, string) []string {
			return []string{"EMCY_DATABASE_URL=postgres://u:hidden-word@127.0.0.1:1/db"}
		}, "connect to postgres"},
		"no certificate": {func(_ *testing.T, dir string) []string {
			return []string{"EMCY_TLS_CERT=" + dir + "/none", "EMCY_TLS_KEY=" + dir + "/none"}
		}, "read certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			env := append([]string{"EMCY_DATA_DIR=" + dir, "EMCY_PUBLIC_URL=http://localhost:" + freePort(t)}, c.prepare(t, dir)...)
			var out, errOut bytes.Buffer
			code := run(t.Context(), []string{"serve"}, env, &out, &errOut)
			require.NotZero(t, code)
			lines := strings.Split(strings.TrimSpace(errOut.String()), "\n")
			last := lines[len(lines)-1]
			require.True(t, strings.HasPrefix(last, "emcy: "), errOut.String())
			require.Contains(t, last, c.want)
			require.NotContains(t, errOut.String(), "hidden-word", "a password of the database URL is never shown")
			require.Empty(t, out.String(), "it never said that it is ready")
		})
	}
}

// makeTenant puts a workspace, and with it sealed keys, into the folder.
func makeTenant(t *testing.T, p process) {
	t.Helper()
	person := httpflow.NewPerson(p.url, "Ana", nil)
	require.NoError(t, person.SignUp(t.Context()))
	require.NoError(t, person.CreateWorkspace(t.Context(), "Acme", "acme"))
	code, logged := p.stop()
	require.Zero(t, code, logged)
}
