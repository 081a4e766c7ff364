package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "shots:", err)
		os.Exit(1)
	}
}

// shot is one picture: a page, opened with the cookies of whoever may see it.
type shot struct {
	Name    string         `json:"name"`
	URL     string         `json:"url"`
	Cookies []*http.Cookie `json:"cookies"`
}

func run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	console, stop, err := gateway(ctx)
	if err != nil {
		return err
	}
	defer stop()
	shots, err := fill(ctx, console)
	if err != nil {
		return err
	}
	list, err := json.Marshal(shots)
	if err != nil {
		return fmt.Errorf("list pictures: %w", err)
	}
	node := exec.CommandContext(ctx, "node", "test/e2e/shots.mjs")
	node.Stdin, node.Stdout, node.Stderr = strings.NewReader(string(list)), os.Stdout, os.Stderr
	return node.Run()
}

// gateway builds and starts the binary on a folder of its own.
func gateway(ctx context.Context) (console string, stop func(), err error) {
	dir, err := os.MkdirTemp("", "emcy-shots-")
	if err != nil {
		return "", nil, fmt.Errorf("make folder: %w", err)
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", dir+"/emcy", "./cmd/emcy").CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("build: %w: %s", err, out)
	}
	port, edge := freePort(), 20_000+rand.IntN(8_000) // below the ports that the kernel gives out by itself
	serve := exec.CommandContext(ctx, dir+"/emcy", "serve")
	serve.Dir, serve.Stderr = dir, os.Stderr
	serve.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "EMCY_PUBLIC_URL=http://localhost:" + strconv.Itoa(port), fmt.Sprintf("EMCY_EDGE_PORTS=%d-%d", edge, edge+20)}
	out, err := serve.StdoutPipe()
	if err != nil {
		return "", nil, fmt.Errorf("pipe: %w", err)
	}
	if err := serve.Start(); err != nil {
		return "", nil, fmt.Errorf("start: %w", err)
	}
	stop = func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		_ = serve.Wait()
		_ = os.RemoveAll(dir)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.Contains(line, "is ready") {
		stop()
		return "", nil, errors.New("the gateway does not start")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return "http://localhost:" + strconv.Itoa(port), stop, nil
}

// fill plays a small story, so that no page is empty that people see filled.
func fill(ctx context.Context, console string) ([]shot, error) {
	ana := httpflow.NewPerson(console, "Ana Ferreira", nil)
	shots := []shot{{"sign-up", console + "/sign-up", nil}, {"sign-in", console + "/sign-in", nil}}
	if err := ana.SignUp(ctx); err != nil {
		return nil, err
	}
	mine := func(name, path string) {
		shots = append(shots, shot{name, console + path, ana.Browser.Cookies(console)})
	}
	mine("workspace-new", "/workspaces/new")
	if err := ana.CreateWorkspace(ctx, "Northwind", "northwind"); err != nil {
		return nil, err
	}
	mine("workspaces", "/workspaces")
	up := upstream.Start(upstream.Config{})
	runtime, err := ana.PostRuntime(ctx, "northwind", httpflow.RuntimeForm{Name: "Billing", Slug: "billing", URL: up.URL()})
	if err != nil {
		return nil, err
	}
	if err := ana.ReadSecret(ctx, runtime); err != nil {
		return nil, err
	}
	up.SetSecrets(runtime.Secret)
	if _, err := ana.Probe(ctx, runtime); err != nil {
		return nil, err
	}
	if _, err := ana.PostRuntime(ctx, "northwind", httpflow.RuntimeForm{Name: "Search", Slug: "search", URL: "http://127.0.0.1:" + strconv.Itoa(freePort()) + "/mcp"}); err != nil {
		return nil, err
	}
	if err := ana.ReadMCPURL(ctx, runtime); err != nil {
		return nil, err
	}
	client := httpflow.NewClient(runtime.MCPURL, nil)
	client.Name = "Claude Code"
	if err := untilServed(ctx, client); err != nil {
		return nil, err
	}
	if err := client.Register(ctx); err != nil {
		return nil, err
	}
	consent, err := pending(ctx, ana, client)
	if err != nil {
		return nil, err
	}
	shots = append(shots, consent...)
	callback, err := ana.Allow(ctx, client.AuthorizeURL(), client.RedirectURI)
	if err != nil {
		return nil, err
	}
	if err := client.Redeem(ctx, callback); err != nil {
		return nil, err
	}
	if err := client.Initialize(ctx); err != nil {
		return nil, err
	}
	if _, err := client.Tools(ctx); err != nil {
		return nil, err
	}
	for i := range 12 {
		if _, err := client.CallTool(ctx, "echo", map[string]any{"text": strconv.Itoa(i)}); err != nil {
			return nil, err
		}
	}
	for _, page := range [][2]string{
		{"runtimes", "/northwind/runtimes"},
		{"runtime-new", "/northwind/runtimes/new"},
		{"runtime", "/northwind/runtimes/billing"},
		{"runtime-dead", "/northwind/runtimes/search"},
		{"setup", "/northwind/runtimes/search/setup"},
		{"edit", "/northwind/runtimes/billing/edit"},
		{"remove", "/northwind/runtimes/billing/remove"},
		{"connect", "/northwind/runtimes/billing/connect"},
		{"connect-waiting", "/northwind/runtimes/search/connect"},
		{"logs", "/northwind/logs"},
		{"not-found", "/northwind/runtimes/nothing"},
	} {
		mine(page[0], page[1])
	}
	shots = append(shots, shot{"log", firstEvent(ctx, ana, console), ana.Browser.Cookies(console)})
	return shots, nil
}

// untilServed waits for the edge to have heard of the runtime, which takes it some
// milliseconds longer than a script needs.
func untilServed(ctx context.Context, client *httpflow.Client) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 100 {
		if err := client.Discover(ctx); err == nil {
			return nil
		}
		<-tick.C
	}
	return client.Discover(ctx)
}

// pending opens an authorization that nobody has decided: its sign-in page in a new
// browser, and its consent page for a person who has signed in.
func pending(ctx context.Context, person *httpflow.Person, client *httpflow.Client) ([]shot, error) {
	stranger := httpflow.NewBrowser(nil)
	page, err := stranger.Open(ctx, client.AuthorizeURL())
	if err != nil {
		return nil, err
	}
	shots := []shot{{"tenant-sign-in", page.URL.String(), stranger.Cookies(page.URL.String())}}
	other := httpflow.NewBrowser(nil)
	if page, err = other.Open(ctx, client.AuthorizeURL()); err != nil {
		return nil, err
	}
	form, err := page.FormTo("/sign-in")
	if err != nil {
		return nil, err
	}
	answer, err := other.Submit(ctx, form.Set("email", person.Email).Set("password", person.Password))
	if err != nil {
		return nil, err
	}
	at := page.URL.ResolveReference(answer.Location()).String()
	return append(shots, shot{"tenant-consent", at, other.Cookies(at)}, shot{"tenant-error", strings.Replace(client.AuthorizeURL(), "client_id=", "client_id=x", 1), nil}), nil
}

func firstEvent(ctx context.Context, person *httpflow.Person, console string) string {
	page, err := person.Page(ctx, "/northwind/logs")
	if err != nil {
		return console + "/northwind/logs"
	}
	_, rest, _ := strings.Cut(string(page.Body), `href="/northwind/logs/evt_`)
	id, _, _ := strings.Cut(rest, `"`)
	return console + "/northwind/logs/evt_" + id
}

func freePort() int {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err) // without a loopback port there is nothing to show
	}
	defer func() { _ = l.Close() }()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		panic("a TCP listener has a TCP address")
	}
	return addr.Port
}
