package oidc

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Setup is what the independent provider is started with.
type Setup struct {
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	RedirectURIs []string `json:"redirect_uris"`
	// AuthMethod is how the client proves itself; empty is client_secret_basic.
	AuthMethod string `json:"auth_method,omitempty"`
	// Claims are of the one person; sub is needed.
	Claims map[string]any `json:"claims"`
}

// Start runs the independent provider until the test ends and gives its issuer.
func Start(t testing.TB, s Setup) (issuer string) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Dir(file)
	raw, err := json.Marshal(s)
	require.NoError(t, err)
	cmd := exec.Command(node(t, dir), "provider.mjs", string(raw)) //nolint:gosec // a test's own program; it ends with its standard input
	cmd.Dir, cmd.Stderr = dir, t.Output()
	stop, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start(), "is Node.js there, and has scripts/setup installed %s?", dir)
	t.Cleanup(func() {
		require.NoError(t, stop.Close())
		require.NoError(t, cmd.Wait())
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the provider says where it listens")
	return strings.TrimSpace(line)
}

// node is the one of the PATH, or what scripts/setup put beside the project.
func node(t testing.TB, dir string) string {
	t.Helper()
	if path, err := exec.LookPath("node"); err == nil {
		return path
	}
	path, err := filepath.Abs(filepath.Join(dir, "../../../.cache/node/bin/node"))
	require.NoError(t, err)
	return path
}

// Browse follows a provider's redirects as a browser does, until one leads to the given
// origin, and gives its query.
func Browse(t testing.TB, address, origin string) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	back := url.Values(nil)
	client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Scheme+"://"+r.URL.Host != origin {
			return nil
		}
		back = r.URL.Query()
		return http.ErrUseLastResponse
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	require.NoError(t, err)
	res, err := client.Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.NotNil(t, back, "the provider answered %s", res.Status)
	return back
}
