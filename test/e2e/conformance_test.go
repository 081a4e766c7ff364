//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/conformance"
	"github.com/emcy/gateway/test/e2e/httpflow"
)

const conformanceTimeout = 5 * time.Minute

// era is a revision and how the server of the SDK has to serve it.
type era struct {
	revision  string
	stateless bool
	// required is how many scenarios the revision requires of a server.
	required int
	// vacuous are those of them that any refusal passes.
	vacuous []string
}

var eras = []era{
	{revision: "2025-11-25", stateless: false, required: 30},
	{revision: "2026-07-28", stateless: true, required: 37, vacuous: []string{"input-required-result-validate-input"}},
}

// TestConformance runs the official suite through the gateway, with a real token,
// and directly against the server behind it: both have to end alike.
//
// It runs beside no other test, because the suite waits for some answers by its
// own clock, for a second or two, and what comes later counts as missing.
//
//nolint:paralleltest // so it has to
func TestConformance(t *testing.T) {
	for _, era := range eras {
		t.Run(era.revision, func(t *testing.T) {
			t.Parallel()

			ctx, cancel := context.WithTimeout(t.Context(), conformanceTimeout)
			t.Cleanup(cancel)
			suite := installedSuite(t)
			required, err := suite.Required(ctx, era.revision)
			require.NoError(t, err)
			require.Len(t, required, era.required, "what the suite requires of a server")
			direct, err := suite.Server(ctx, "http://localhost:"+strconv.Itoa(startEverything(t, era))+"/mcp", era.revision)
			require.NoError(t, err)
			require.Empty(t, direct.Unmet(required), "the server itself")

			for _, db := range databases {
				t.Run(string(db), func(t *testing.T) {
					t.Parallel()

					_, _, client := beforeRuntime(t, db, startEverything(t, era))
					through := runThrough(t, suite, era, client.MCPURL, client.Tokens.AccessToken)
					require.Empty(t, through.Unmet(required), through.Output)
					require.Empty(t, conformance.Differences(direct, through), "directly, and through the gateway")
					require.Zero(t, through.Exit, through.Output)
					t.Logf("report: conformance %s: %d/%d required via gateway on %s, equal to direct (%d checks succeed, %d fail)", era.revision,
						len(required), era.required, db, through.Count(conformance.Success), through.Count(conformance.Failure))
				})
			}

			t.Run("without a token", func(t *testing.T) {
				t.Parallel()

				_, _, client := beforeRuntime(t, sqlite, startEverything(t, era))
				refused := runThrough(t, suite, era, client.MCPURL, "")
				require.NotZero(t, refused.Exit)
				var passed []string
				for _, name := range required {
					if len(refused.Unmet([]string{name})) == 0 {
						passed = append(passed, name)
					}
				}
				require.Equal(t, era.vacuous, passed, "what passes without a token")
			})
		})
	}
}

// TestConformanceAuthorization runs the suite for authorization servers with a
// client that registered by itself and a person who allows it.
func TestConformanceAuthorization(t *testing.T) {
	t.Parallel()

	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()

			ctx, cancel := context.WithTimeout(t.Context(), conformanceTimeout)
			t.Cleanup(cancel)
			suite := installedSuite(t)
			_, ada, connected := beforeRuntime(t, db, startEverything(t, eras[1]))

			port := freePorts(t, 1)[0]
			client := httpflow.NewClient(connected.MCPURL, nil)
			client.RedirectURI = conformance.RedirectURI(port)
			require.NoError(t, client.Discover(ctx))
			require.NoError(t, client.Register(ctx))

			grant := conformance.Grant{Issuer: client.Server.Issuer, Port: port, Resource: client.MCPURL}
			skipped, err := suite.Authorization(ctx, grant)
			require.NoError(t, err)
			require.Equal(t, conformance.Skipped, skipped.Statuses()["authorization-code-grant"])

			followed := 0
			grant.ClientID = client.ClientID
			grant.Follow = func(ctx context.Context, authorizeURL string) error {
				followed++
				callback, err := ada.Allow(ctx, authorizeURL, client.RedirectURI)
				if err != nil {
					return err
				}
				return deliver(ctx, callback.String())
			}
			report, err := suite.Authorization(ctx, grant)
			require.NoError(t, err)
			require.Equal(t, map[string]string{
				"authorization-server-metadata":      conformance.Success,
				"authorization-server-metadata-cimd": conformance.Success,
				"authorization-code-grant":           conformance.Success,
			}, report.Statuses(), report.Output)
			require.Zero(t, report.Exit, report.Output)
			require.Equal(t, 1, followed, "the code grant was executed")
			t.Logf("report: conformance of the authorization server on %s: 3/3 checks executed, none fails, none warns, the code grant followed to its token", db)
		})
	}
}

// deliver opens an address the way a browser does that was redirected to it.
func deliver(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("deliver the redirect: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("deliver the redirect: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return fmt.Errorf("deliver the redirect: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("deliver the redirect: the suite answers %s", res.Status)
	}
	return nil
}

func installedSuite(t *testing.T) conformance.Suite {
	t.Helper()
	suite, err := conformance.Installed(root())
	if err != nil {
		notRun(t, err.Error()+": run scripts/setup")
	}
	return suite
}

// everything builds the conformance server of the official Go SDK, at the version
// that the product itself is built with.
var everything = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "everything-server")
	build := exec.Command("go", "build", "-o", path, "github.com/modelcontextprotocol/go-sdk/conformance/everything-server")
	build.Dir = root()
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the conformance server: %w\n%s", err, out)
	}
	return path, nil
})

// startEverything starts the server on a port of its own. Every run gets a fresh
// one, because scenarios change its lists.
func startEverything(t *testing.T, era era) int {
	t.Helper()
	path, err := everything()
	require.NoError(t, err)
	port := freePorts(t, 1)[0]
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	log := filepath.Join(t.TempDir(), "everything.log")
	file, err := os.Create(log)
	require.NoError(t, err)

	cmd := exec.Command(path, "-http", address, "-stateless="+strconv.FormatBool(era.stateless))
	cmd.Stdout, cmd.Stderr = file, file
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has no other way to end
		_ = cmd.Wait()         // killed
		_ = file.Close()
		if t.Failed() {
			t.Logf("the conformance server's log, its end:\n%s", tail(log, 20))
		}
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		_ = conn.Close()
		return true
	}, patience, 10*time.Millisecond, "the conformance server does not listen")
	return port
}

// beforeRuntime is a gateway with a runtime at a port of loopback, its owner, and a
// client that the owner has allowed.
func beforeRuntime(t *testing.T, db database, port int) (*gateway, *httpflow.Person, *httpflow.Client) {
	t.Helper()
	ctx := t.Context()
	g := newGateway(t, db, freePorts(t, 1))
	ada := httpflow.NewPerson(g.Console, "Ada Lovelace", nil)
	require.NoError(t, ada.SignUp(ctx))
	require.NoError(t, ada.CreateWorkspace(ctx, "Acme Works", "acme"))
	runtime, err := ada.AddRuntime(ctx, "acme", httpflow.RuntimeForm{
		Name: "Everything", Slug: "everything", URL: "http://127.0.0.1:" + strconv.Itoa(port) + "/mcp",
	})
	require.NoError(t, err)
	return g, ada, connected(t, ada, runtime)
}

// runThrough runs the suite through the gateway.
func runThrough(t *testing.T, suite conformance.Suite, era era, mcpURL, token string) *conformance.Report {
	t.Helper()
	bearer, err := conformance.NewBearer(freePorts(t, 1)[0], mcpURL, token)
	require.NoError(t, err)
	defer bearer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), conformanceTimeout)
	defer cancel()
	report, err := suite.Server(ctx, bearer.URL, era.revision)
	require.NoError(t, err)
	return report
}
