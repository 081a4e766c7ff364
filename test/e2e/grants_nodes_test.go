//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/clock"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// nodeBinary is the program of the nodes, which can be told to kill itself.
var nodeBinary = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaryDir, "grantnode")
	build := exec.Command("go", "build", "-tags", "faults", "-o", path, "./test/e2e/grantnode")
	build.Dir = root()
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the node: %w\n%s", err, out)
	}
	return path, nil
})

// installation is a database with one grant, the provider that it is from, and the
// nodes that share it. Its time is moved by the test.
type installation struct {
	provider          *fake.Provider
	database, sqlite  string
	tenant, profile   string
	grant             grants.Grant
	nodes             []*grantNode
	mu                sync.Mutex
	lead              time.Duration
	expiries, revived int
}

const connectedSubject = "acc_ada"

func (i *installation) now() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return clock.System{}.Now().Add(i.lead)
}

// unsigned and untold are what the setting up does not need.
type setupNeeds struct{}

func (setupNeeds) Record(*tenancy.Tx, grants.Notice) error { return nil }

func (setupNeeds) Assertion(context.Context, tenancy.Handle, string, string) (secret.Text, error) {
	return secret.Text{}, errs.E(errs.Invalid, "no assertions here", nil)
}

// newInstallation makes a database with a tenant, a profile and a connected grant.
func newInstallation(t *testing.T, db database, options ...fake.Option) *installation {
	t.Helper()
	i := &installation{}
	i.provider = fake.New(t, append([]fake.Option{fake.Now(i.now)}, options...)...)
	env := tenancytest.Env{Clock: clock.NewManual(i.now())}
	if db == postgres {
		env = tenancytest.Postgres(t)
		env.Clock.Advance(time.Until(env.Clock.Now()))
		i.database = env.URL
	} else {
		i.sqlite = filepath.Join(t.TempDir(), "emcy.db")
		var err error
		env.DB, err = tenancy.Open(t.Context(), tenancy.Config{SQLitePath: i.sqlite, KEK: tenancytest.KEK(t), Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		require.NoError(t, env.DB.Migrate(t.Context()))
		defer func() { require.NoError(t, env.DB.Close()) }()
	}
	i.connect(t, env)
	return i
}

func (i *installation) connect(t *testing.T, env tenancytest.Env) {
	t.Helper()
	h := tenancytest.Tenant(t, env, "alpha")
	i.tenant = h.Tenant()
	out := outbound.New(outbound.Config{AllowPrivate: true})
	speaks := provider.New(out, jwks.New(out, clock.System{}), clock.System{})
	all := profiles.New(profiles.Options{DB: env.DB, Provider: speaks, Outbound: out, Origin: func(*tenancy.Tx) (string, error) { return "https://alpha.mcp.test", nil }})
	in := profiles.Input{
		Name: "Todo", Kind: profiles.KindOAuth, Preset: "generic", Issuer: i.provider.Issuer,
		Client: profiles.ClientInput{Kind: profiles.Preregistered, ID: i.provider.ClientID, AuthMethod: profiles.AuthBasic, Secret: secret.New(i.provider.ClientSecret)},
	}
	in.Discovery, in.Scopes, in.Style.Identity = profiles.Manual, []string{"read"}, provider.Identity{From: "none"}
	in.Endpoints = provider.Endpoints{Issuer: i.provider.Issuer, Authorization: i.provider.Authorization, Token: i.provider.Token, Revocation: i.provider.Revocation}
	p, err := all.Create(t.Context(), h, profiles.NewID(), in)
	require.NoErrorf(t, err, "%v", errs.FieldsOf(err))
	i.profile = p.ID
	queue, err := jobs.New(env.DB, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	service, err := grants.New(grants.Config{DB: env.DB, Provider: speaks, Signer: setupNeeds{}, Queue: queue, Notify: setupNeeds{}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	var config provider.Config
	require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		config, err = profiles.Config(tx, p.ID, 0, "https://alpha.mcp.test")
		return err
	}))
	verifier := oauth2.GenerateVerifier()
	address, err := speaks.AuthorizeURL(config, []string{"read"}, "state", "nonce", verifier)
	require.NoError(t, err)
	tokens, err := speaks.Exchange(t.Context(), config, i.provider.Approve(t, address).Get("code"), verifier)
	require.NoError(t, err)
	require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) (err error) {
		i.grant, err = service.Save(tx, grants.Connected{ProfileID: p.ID, Subject: connectedSubject, Tokens: tokens, ClientGeneration: p.Generation, Scopes: []string{"read"}})
		return err
	}))
}

// grantNode is a running process.
type grantNode struct {
	cmd    *exec.Cmd
	at     string
	exited chan error
}

// start starts a node; kill is where it kills itself, or "".
func (i *installation) start(t *testing.T, kill string) *grantNode { return i.startAhead(t, kill, 0) }

// startAhead starts a node whose clock is wrong.
func (i *installation) startAhead(t *testing.T, kill string, wrong time.Duration) *grantNode {
	t.Helper()
	path, err := nodeBinary()
	require.NoError(t, err)
	i.mu.Lock()
	lead := i.lead + wrong
	i.mu.Unlock()
	n := &grantNode{exited: make(chan error, 1)}
	n.cmd = exec.Command(path, "-database", i.database, "-sqlite", i.sqlite, "-lead", lead.String())
	n.cmd.Env = []string{"HOME=" + os.Getenv("HOME"), "FAULT_KILL=" + kill}
	log, err := os.Create(filepath.Join(t.TempDir(), "node.log"))
	require.NoError(t, err)
	n.cmd.Stderr = log
	stdout, err := n.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, n.cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err, "the node did not start")
	n.at = strings.TrimSpace(strings.TrimPrefix(line, "ready "))
	go func() { n.exited <- n.cmd.Wait(); _ = log.Close() }()
	t.Cleanup(func() { _ = n.cmd.Process.Kill() })
	i.nodes = append(i.nodes, n)
	return n
}

// pass moves the time of the provider, the nodes, and of what PostgreSQL's own clock judges.
func (i *installation) pass(t *testing.T, d time.Duration) {
	t.Helper()
	i.mu.Lock()
	i.lead += d
	i.mu.Unlock()
	for _, n := range i.nodes {
		n.post(t, "/advance", url.Values{"d": {d.String()}}, nil)
	}
	if i.database == "" {
		return
	}
	db, err := pgx.Connect(t.Context(), i.database)
	require.NoError(t, err)
	defer func() { _ = db.Close(context.Background()) }()
	back := fmt.Sprintf("interval '%d milliseconds'", d.Milliseconds())
	for _, statement := range []string{
		"update grants set lease_until = lease_until - " + back + ", retry_at = retry_at - " + back,
		"update provider_pauses set paused_until = paused_until - " + back + ", trial_until = trial_until - " + back,
	} {
		_, err = db.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
}

func (n *grantNode) post(t *testing.T, path string, form url.Values, into any) {
	t.Helper()
	require.NoError(t, n.try(t.Context(), path, form, into))
}

func (n *grantNode) try(ctx context.Context, path string, form url.Values, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.at+path, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", resp.StatusCode, body)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(body, into)
	}
	return err
}

// calls is what many calls at once got.
type calls struct{ Tokens, Errors map[string]int }

func (i *installation) form(n int) url.Values {
	return url.Values{"tenant": {i.tenant}, "profile": {i.profile}, "subject": {connectedSubject}, "n": {strconv.Itoa(n)}}
}

// storm makes 250 calls at once, spread over the nodes.
func (i *installation) storm(t *testing.T) calls {
	t.Helper()
	answers := make([]calls, len(i.nodes))
	errors := make([]error, len(i.nodes))
	var all sync.WaitGroup
	for at, n := range i.nodes {
		share := 250 / len(i.nodes)
		if at < 250%len(i.nodes) {
			share++
		}
		all.Go(func() { errors[at] = n.try(t.Context(), "/call", i.form(share), &answers[at]) })
	}
	all.Wait()
	sum := calls{map[string]int{}, map[string]int{}}
	for at, a := range answers {
		require.NoError(t, errors[at])
		for token, n := range a.Tokens {
			sum.Tokens[token] += n
		}
		for text, n := range a.Errors {
			sum.Errors[text] += n
		}
	}
	return sum
}

// rotations counts the refresh tokens that the provider replaced.
func (i *installation) rotations() int {
	seen := map[int]bool{}
	for _, e := range i.provider.Ledger() {
		if e.Grant == "refresh_token" && e.Committed {
			seen[e.Rotation] = true
		}
	}
	return len(seen)
}

// TestFourNodesRefreshOncePerExpiry is F15: four processes on PostgreSQL, 250 calls at
// once at every one of 200 expiries. The provider is asked once each time, and never
// with a token that it has replaced.
func TestFourNodesRefreshOncePerExpiry(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, postgres)
	for range 4 {
		i.start(t, "")
	}
	const expiries = 200
	started := time.Now()
	for n := range expiries {
		i.pass(t, time.Hour)
		got := i.storm(t)
		require.Empty(t, got.Errors)
		require.Lenf(t, got.Tokens, 1, "expiry %d", n)
		for _, served := range got.Tokens {
			require.Equal(t, 250, served)
		}
		require.Equal(t, n+1, i.provider.RefreshRequests())
	}
	require.Equal(t, expiries, i.provider.Refreshes())
	require.Zero(t, i.provider.Reuses())
	t.Logf("%d expiries in %s", expiries, time.Since(started).Round(time.Millisecond))
}

// TestNodesWhoseClocksDiffer by ten minutes are not in each other's way: leases and
// pauses go by the database's clock.
func TestNodesWhoseClocksDiffer(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, postgres)
	for _, wrong := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
		i.startAhead(t, "", wrong)
	}
	for n := range 20 {
		i.pass(t, time.Hour)
		got := i.storm(t)
		require.Empty(t, got.Errors)
		require.Equal(t, n+1, i.provider.RefreshRequests())
	}
	require.Zero(t, i.provider.Reuses())
}

// TestOneNodeRefreshesOncePerExpiry is the same on SQLite, which serves one process.
func TestOneNodeRefreshesOncePerExpiry(t *testing.T) {
	t.Parallel()
	i := newInstallation(t, sqlite)
	i.start(t, "")
	for n := range 200 {
		i.pass(t, time.Hour)
		got := i.storm(t)
		require.Empty(t, got.Errors)
		require.Len(t, got.Tokens, 1)
		require.Equal(t, n+1, i.provider.RefreshRequests())
	}
	require.Zero(t, i.provider.Reuses())
}

// TestFourNodesAndAProviderInTrouble: at every expiry the provider answers 500 or 429,
// is slow, or is cut off after it has rotated. The grant lives through it all, every
// expiry costs one rotation, and no replaced token is sent.
func TestFourNodesAndAProviderInTrouble(t *testing.T) {
	t.Parallel()
	for _, db := range databases {
		t.Run(string(db), func(t *testing.T) {
			t.Parallel()
			i := newInstallation(t, db, fake.Grace(10*time.Minute))
			i.start(t, "")
			if db == postgres {
				for range 3 {
					i.start(t, "")
				}
			}
			faults := []struct {
				name string
				fake.Fault
				fails bool
			}{
				{"500", fake.Status(http.StatusInternalServerError), true},
				{"429", fake.Limited(5 * time.Second), true},
				{"slow", fake.Slow(300 * time.Millisecond), false},
				{"cut after it has rotated", fake.Cut(), true},
				{"half an answer", fake.Half(), true},
				{"a page", fake.HTML(http.StatusOK), true},
			}
			for n := range 8 * len(faults) {
				fault := faults[n%len(faults)]
				i.pass(t, time.Hour)
				asked := i.provider.RefreshRequests()
				i.provider.Fail("refresh", fault.Fault, 1)
				got := i.storm(t)
				if fault.fails {
					require.Emptyf(t, got.Tokens, "%s: %v", fault.name, got.Errors)
					require.Equalf(t, asked+1, i.provider.RefreshRequests(), "%s: nobody asks again at once", fault.name)
					i.pass(t, 10*time.Second)
					got = i.storm(t)
				}
				require.Empty(t, got.Errors, fault.name)
				require.Len(t, got.Tokens, 1, fault.name)
				require.Equal(t, n+1, i.rotations(), fault.name)
			}
			require.Zero(t, i.provider.Reuses())
		})
	}
}
