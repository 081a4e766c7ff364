//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/dbtest"
)

const (
	readyLine    = "Emcy Gateway is ready: open "
	startTimeout = 90 * time.Second
	stopTimeout  = 20 * time.Second
)

// root is the folder of the repository.
var root = sync.OnceValue(func() string {
	dir, err := filepath.Abs("../..")
	if err != nil {
		panic(err) // there is always a working directory
	}
	return dir
})

// binaryDir is where the gateway is built; TestMain makes and removes it.
var binaryDir string

// binary builds the gateway once for all tests of a run.
var binary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "emcy")
	build := exec.Command("go", "build", "-o", path, "./cmd/emcy")
	build.Dir = root()
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the gateway: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	var err error
	if binaryDir, err = os.MkdirTemp("", "emcy-e2e-bin-"); err != nil {
		panic(err) // without a temporary folder no test can run
	}
	watchAnswers()
	code := m.Run()
	endShared()
	endLasting()
	if !nothingLeaked() && code == 0 {
		code = 1
	}
	_ = os.RemoveAll(binaryDir)
	os.Exit(code)
}

// notRun ends a test that lacks something which scripts/setup gets from a
// registry. Where CI=true that is a failure.
func notRun(t *testing.T, reason string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("not run: %s", reason)
	}
	t.Skipf("not run: %s", reason)
}

// requireFile ends a test that lacks what make setup installs at a path.
func requireFile(t *testing.T, path, what string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		notRun(t, what+" is not installed: run scripts/setup")
	}
}

func requireProgram(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	notRun(t, names[0]+" is not installed: run scripts/setup")
	return ""
}

// ports hands out blocks of ports that nothing uses on either loopback address,
// below the range from which the system takes ports by itself.
var ports = struct {
	sync.Mutex
	taken map[int]bool
}{taken: map[int]bool{}}

func freePorts(t *testing.T, n int) []int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	for range 200 {
		first := 20000 + mathrand.IntN(10000)
		block := make([]int, 0, n)
		for port := first; port < first+n; port++ {
			if ports.taken[port] || !free(port) {
				break
			}
			block = append(block, port)
		}
		if len(block) < n {
			continue
		}
		for _, port := range block {
			ports.taken[port] = true
		}
		return block
	}
	t.Fatal("no free ports")
	return nil
}

func free(port int) bool {
	for _, host := range []string{"127.0.0.1", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
			continue // a machine without IPv6
		}
		if err != nil {
			return false
		}
		_ = listener.Close()
	}
	return true
}

// database is what the gateway stores in.
type database string

const (
	sqlite   database = "sqlite"
	postgres database = "postgres"
)

var databases = []database{sqlite, postgres}

// gateway is a process of the built binary that can be ended and started again
// on the same data and ports.
type gateway struct {
	// Console is the console's origin.
	Console string
	// Log is the file with everything that the process wrote.
	Log string
	// Database is the URL of its PostgreSQL database, "" where it uses SQLite.
	Database string

	binary string
	env    []string
	dir    string
	cmd    *exec.Cmd
	exited chan error
}

// newGateway starts a gateway on fresh data and ports. The settings are added
// to its environment, which has nothing else in it.
func newGateway(t *testing.T, db database, edgePorts []int, settings ...string) *gateway {
	t.Helper()
	g := prepareGateway(t, t.TempDir(), t.TempDir(), edgePorts, settings...)
	if db == postgres {
		nothing := func(context.Context, string) error { return nil }
		g.Database = dbtest.Postgres(t, "e2e-empty", nothing)
		g.env = append(g.env, "EMCY_DATABASE_URL="+g.Database)
	}
	g.serve(t)
	return g
}

// prepareGateway settles everything of a gateway that is to be started.
func prepareGateway(t *testing.T, dir, temp string, edgePorts []int, settings ...string) *gateway {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	console := freePorts(t, 1)[0]
	g := &gateway{
		Console: "http://localhost:" + strconv.Itoa(console),
		Log:     filepath.Join(dir, "gateway.log"),
		binary:  path,
		dir:     dir,
	}
	g.env = append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + dir,
		"TMPDIR=" + temp,
		"EMCY_PUBLIC_URL=" + g.Console,
		"EMCY_DATA_DIR=" + filepath.Join(dir, "data"),
	}, settings...)
	if len(edgePorts) > 0 {
		g.env = append(g.env, fmt.Sprintf("EMCY_EDGE_PORTS=%d-%d", edgePorts[0], edgePorts[len(edgePorts)-1]))
	}
	return g
}

// serve starts the process until the end of the test.
func (g *gateway) serve(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		g.search(t) // with the files of a running database
		g.stop(t)
		g.search(t)
		if t.Failed() {
			t.Logf("the gateway's log, its end:\n%s", tail(g.Log, 60))
		}
	})
	g.start(t)
}

// start starts the process and waits until it says that it serves.
func (g *gateway) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(g.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	_, err = fmt.Fprintln(log, "--- start")
	require.NoError(t, err)

	cmd := exec.Command(g.binary, "serve")
	cmd.Dir = g.dir
	cmd.Env = g.env
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	ready := make(chan string, 1)
	exited := make(chan error, 1)
	go func() {
		defer func() { _ = log.Close() }() // written to the end, or the disk is full
		lines := bufio.NewScanner(stdout)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			_, _ = fmt.Fprintln(log, lines.Text()) // a lost line of a log fails no test
			if address, ok := strings.CutPrefix(lines.Text(), readyLine); ok {
				ready <- strings.TrimSpace(address)
			}
		}
		_, _ = io.Copy(io.Discard, stdout) // what follows a line that is too long
		exited <- cmd.Wait()
	}()
	g.cmd, g.exited = cmd, exited

	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	select {
	case address := <-ready:
		require.Equal(t, g.Console, address, "the address in the ready line")
	case err := <-exited:
		g.cmd = nil
		require.FailNowf(t, "the gateway does not start", "%v\n%s", err, tail(g.Log, 40))
	case <-timer.C:
		require.FailNowf(t, "the gateway is not ready in time", "%s", tail(g.Log, 40))
	}
}

// kill ends the process as a power cut does.
func (g *gateway) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, g.cmd.Process.Kill())
	<-g.exited
	g.cmd = nil
}

// restart kills the process and starts it on the same data and ports.
func (g *gateway) restart(t *testing.T) {
	t.Helper()
	g.kill(t)
	g.start(t)
}

// stop asks the process to end, which it has to do in time and without an error.
func (g *gateway) stop(t *testing.T) {
	t.Helper()
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case err := <-g.exited:
		if err != nil {
			t.Errorf("the gateway ended with %v", err)
		}
	case <-timer.C:
		t.Errorf("the gateway does not end within %s of SIGTERM", stopTimeout)
		_ = g.cmd.Process.Kill()
		<-g.exited
	}
	g.cmd = nil
}

func tail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// authority is a certificate authority of one test, with a certificate for
// every name under mcp.test and for localhost.
type authority struct {
	// CA is the authority's certificate, Cert and Key the server's, as PEM files.
	CA, Cert, Key string
	// SPKI is how Chromium is told to trust the server's key.
	SPKI string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	dir := t.TempDir()
	now := time.Now()

	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Emcy end-to-end test authority"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	require.NoError(t, err)

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: "*.mcp.test"},
		DNSNames:     []string{"*.mcp.test", "localhost"},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(leafDER)
	require.NoError(t, err)

	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	spki := sha256.Sum256(parsed.RawSubjectPublicKeyInfo)
	return authority{
		CA:   write("ca.pem", "CERTIFICATE", caDER),
		Cert: write("cert.pem", "CERTIFICATE", leafDER),
		Key:  write("key.pem", "PRIVATE KEY", keyDER),
		SPKI: base64.StdEncoding.EncodeToString(spki[:]),
	}
}
