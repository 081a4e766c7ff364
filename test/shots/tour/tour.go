package tour

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/emcy/gateway/test/e2e/httpflow"
	fakes "github.com/emcy/gateway/test/fakes/provider"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// Stop is a page, opened with the cookies of whoever may see it.
type Stop struct {
	// Name is unique and fit for a file's name.
	Name string `json:"name"`
	// URL is the page.
	URL string `json:"url"`
	// Cookies are the browser's.
	Cookies []*http.Cookie `json:"cookies"`
	// Answer is what the address answers, where asking it again would not show the same.
	Answer *Answer `json:"answer,omitempty"`
}

// Tour is a filled gateway.
type Tour struct {
	// Stops are its pages.
	Stops []Stop

	console string
	ana     *httpflow.Person
	up      *upstream.Upstream
	// second is the runtime whose people connect accounts, secrets are its worker secrets.
	second  *upstream.Upstream
	secrets []string
	idp     *httptest.Server
	// provider is one at which everybody says yes; stop ends it.
	provider *fakes.Provider
	stop     func()
	// keys is the id of the profile of API keys.
	keys string
}

// Close ends what stands behind the gateway.
func (t *Tour) Close() {
	t.up.Close()
	t.second.Close()
	t.idp.Close()
	t.stop()
}

func (t *Tour) see(name, path string) {
	t.Stops = append(t.Stops, Stop{Name: name, URL: t.console + path, Cookies: t.ana.Browser.Cookies(t.console)})
}

// Walk fills the gateway at the console's address, so that no page is empty that people see filled.
func Walk(ctx context.Context, console string) (*Tour, error) {
	live, stop, err := startProvider()
	if err != nil {
		return nil, fmt.Errorf("start provider: %w", err)
	}
	t := &Tour{console: console, ana: httpflow.NewPerson(console, "Ana Ferreira", nil), up: upstream.Start(upstream.Config{}), second: upstream.Start(upstream.Config{}), idp: provider(), provider: live, stop: stop}
	if err := t.walk(ctx); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (t *Tour) walk(ctx context.Context) error {
	t.see("sign-up", "/sign-up")
	t.see("sign-in", "/sign-in")
	if err := t.ana.SignUp(ctx); err != nil {
		return err
	}
	t.see("workspace-new", "/workspaces/new")
	if err := t.ana.CreateWorkspace(ctx, "Northwind", "northwind"); err != nil {
		return err
	}
	t.see("workspaces", "/workspaces")
	if err := t.empty(ctx); err != nil {
		return err
	}
	client, err := t.runtimes(ctx)
	if err != nil {
		return err
	}
	if err := t.pending(ctx, client); err != nil {
		return err
	}
	if err := t.calls(ctx, client); err != nil {
		return err
	}
	if err := t.own(ctx, client); err != nil {
		return err
	}
	if err := t.refused(ctx, client.MCPURL); err != nil {
		return err
	}
	for _, page := range [][2]string{
		{"runtimes", "/northwind/runtimes"},
		{"runtime-new", "/northwind/runtimes/new"},
		{"runtime", "/northwind/runtimes/billing"},
		{"runtime-dead", "/northwind/runtimes/search"},
		{"setup", "/northwind/runtimes/search/setup"},
		{"probe", "/northwind/runtimes/billing/probe"},
		{"probe-dead", "/northwind/runtimes/search/probe"},
		{"tools", "/northwind/runtimes/billing/tools"},
		{"edit", "/northwind/runtimes/billing/edit"},
		{"remove", "/northwind/runtimes/billing/remove"},
		{"connect", "/northwind/runtimes/billing/connect"},
		{"connect-waiting", "/northwind/runtimes/search/connect"},
		{"logs", "/northwind/logs"},
		{"connections", "/northwind/connections"},
		{"not-found", "/northwind/runtimes/nothing"},
		{"kit", "/ui-kit"},
	} {
		t.see(page[0], page[1])
	}
	if err := t.tool(ctx); err != nil {
		return err
	}
	if err := t.connections(ctx); err != nil {
		return err
	}
	if err := t.scopes(ctx); err != nil {
		return err
	}
	if err := t.stepUp(ctx, client); err != nil {
		return err
	}
	if err := t.clients(ctx, client.MCPURL); err != nil {
		return err
	}
	if err := t.profiles(ctx); err != nil {
		return err
	}
	if err := t.connected(ctx); err != nil {
		return err
	}
	if err := t.signIn(ctx, client); err != nil {
		return err
	}
	return t.event(ctx)
}

// tool adds the page of the first tool in the list.
func (t *Tour) tool(ctx context.Context) error {
	const prefix = "/northwind/runtimes/billing/tools/"
	page, err := t.ana.Page(ctx, "/northwind/runtimes/billing/tools")
	if err != nil {
		return err
	}
	_, rest, found := strings.Cut(string(page.Body), `href="`+prefix)
	if !found {
		return errors.New("the list has no tool")
	}
	id, _, _ := strings.Cut(rest, `"`)
	t.see("tool", prefix+id)
	return nil
}

// between is the first text on a page that stands between two others.
func between(page *httpflow.Page, before, after string) (string, error) {
	_, rest, found := strings.Cut(string(page.Body), before)
	text, _, closed := strings.Cut(rest, after)
	if !found || !closed {
		return "", fmt.Errorf("%s has no %s", page.URL, before)
	}
	return html.UnescapeString(text), nil
}

// runtimes adds one that works and one that does not, and a client that is registered at the first.
func (t *Tour) runtimes(ctx context.Context) (*httpflow.Client, error) {
	runtime, err := t.ana.PostRuntime(ctx, "northwind", httpflow.RuntimeForm{Name: "Billing", Slug: "billing", URL: t.up.URL()})
	if err != nil {
		return nil, err
	}
	if err := t.ana.ReadSecret(ctx, runtime); err != nil {
		return nil, err
	}
	t.up.SetSecrets(runtime.Secret)
	if _, err := t.ana.Probe(ctx, runtime); err != nil {
		return nil, err
	}
	dead, err := closedPort()
	if err != nil {
		return nil, err
	}
	if _, err := t.ana.PostRuntime(ctx, "northwind", httpflow.RuntimeForm{Name: "Search", Slug: "search", URL: "http://127.0.0.1:" + strconv.Itoa(dead) + "/mcp"}); err != nil {
		return nil, err
	}
	if err := t.ana.ReadMCPURL(ctx, runtime); err != nil {
		return nil, err
	}
	client := httpflow.NewClient(runtime.MCPURL, nil)
	client.Name = "Claude Code"
	if err := until(ctx, func() error { return client.Discover(ctx) }); err != nil {
		return nil, err
	}
	return client, client.Register(ctx)
}

// pending opens an authorization that nobody has decided: its sign-in page in a new browser, and its consent page for
// a person who has signed in.
func (t *Tour) pending(ctx context.Context, client *httpflow.Client) error {
	stranger := httpflow.NewBrowser(nil)
	page, err := stranger.Open(ctx, client.AuthorizeURL())
	if err != nil {
		return err
	}
	other := httpflow.NewBrowser(nil)
	asked, err := other.Open(ctx, client.AuthorizeURL())
	if err != nil {
		return err
	}
	form, err := asked.FormTo("/sign-in")
	if err != nil {
		return err
	}
	answer, err := other.Submit(ctx, form.Set("email", t.ana.Email).Set("password", t.ana.Password))
	if err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	at := asked.URL.ResolveReference(answer.Location()).String()
	t.Stops = append(t.Stops,
		Stop{Name: "tenant-sign-in", URL: page.URL.String(), Cookies: stranger.Cookies(page.URL.String())},
		Stop{Name: "tenant-consent", URL: at, Cookies: other.Cookies(at)},
		Stop{Name: "tenant-error", URL: strings.Replace(client.AuthorizeURL(), "client_id=", "client_id=x", 1)},
	)
	return nil
}

// calls lets the client in and makes it busy.
func (t *Tour) calls(ctx context.Context, client *httpflow.Client) error {
	callback, err := t.ana.Allow(ctx, client.AuthorizeURL(), client.RedirectURI)
	if err != nil {
		return err
	}
	if err := client.Redeem(ctx, callback); err != nil {
		return err
	}
	if err := client.Initialize(ctx); err != nil {
		return err
	}
	if _, err := client.Tools(ctx); err != nil {
		return err
	}
	for i := range 12 {
		tool, arguments := "echo", map[string]any{"text": strconv.Itoa(i)}
		if i%4 == 3 {
			tool, arguments = "whoami", map[string]any{}
		}
		if _, err := client.CallTool(ctx, tool, arguments); err != nil {
			return err
		}
	}
	return nil
}

// own adds the pages of a person's own at the tenant: what can act for them, with the calls once they are stored.
func (t *Tour) own(ctx context.Context, client *httpflow.Client) error {
	issuer, err := url.Parse(client.AuthorizeURL())
	if err != nil {
		return fmt.Errorf("read authorization address: %w", err)
	}
	at := issuer.ResolveReference(&url.URL{Path: "/me/apps"}).String()
	err = until(ctx, func() error {
		page, err := t.ana.Browser.Open(ctx, at)
		if err != nil {
			return err
		}
		if !strings.Contains(string(page.Body), "Last 10 calls") {
			return errors.New("the page shows no calls")
		}
		return nil
	})
	if err != nil {
		return err
	}
	stranger := httpflow.NewBrowser(nil)
	signIn, err := stranger.Open(ctx, at)
	if err != nil {
		return err
	}
	missing := issuer.ResolveReference(&url.URL{Path: "/nothing"}).String()
	t.Stops = append(t.Stops,
		Stop{Name: "tenant-apps", URL: at, Cookies: t.ana.Browser.Cookies(at)},
		Stop{Name: "tenant-apps-sign-in", URL: signIn.URL.String(), Cookies: stranger.Cookies(signIn.URL.String())},
		Stop{Name: "tenant-not-found", URL: missing},
	)
	return nil
}

// refused is a client that may not register.
func (t *Tour) refused(ctx context.Context, mcpURL string) error {
	client := httpflow.NewClient(mcpURL, program("Kitchen timer"))
	client.Name, client.RedirectURI = "Kitchen timer", "ftp://timer.example/callback"
	if err := client.Discover(ctx); err != nil {
		return err
	}
	var answer *httpflow.Answer
	if err := client.Register(ctx); !errors.As(err, &answer) {
		return fmt.Errorf("a return address by ftp is registered: %w", err)
	}
	return nil
}

// connections adds the pages of both clients' tries, which take their moment to be stored.
func (t *Tour) connections(ctx context.Context) error {
	return until(ctx, func() error {
		page, err := t.ana.Page(ctx, "/northwind/connections")
		if err != nil {
			return err
		}
		found := map[string]string{}
		for _, row := range strings.Split(string(page.Body), `<tr class="tr-link">`)[1:] {
			_, rest, _ := strings.Cut(row, `href="`)
			path, _, _ := strings.Cut(rest, `"`)
			switch {
			case strings.Contains(row, "Kitchen timer"):
				found["connection-failed"] = path
			case strings.Contains(row, "6 of 6"):
				found["connection"] = path
			}
		}
		if len(found) < 2 {
			return errors.New("the list shows no connected and no refused client")
		}
		for _, name := range []string{"connection", "connection-failed"} {
			t.see(name, found[name])
		}
		return nil
	})
}

// event adds the page of the newest call, which takes its moment to reach the log.
func (t *Tour) event(ctx context.Context) error {
	return until(ctx, func() error {
		page, err := t.ana.Page(ctx, "/northwind/logs")
		if err != nil {
			return err
		}
		_, rest, found := strings.Cut(string(page.Body), `href="/northwind/logs/evt_`)
		if !found || !strings.Contains(rest, "tools/call") {
			return errors.New("the log shows no call")
		}
		id, _, _ := strings.Cut(rest, `"`)
		t.see("log", "/northwind/logs/evt_"+id)
		return nil
	})
}

// until waits for what a part of the gateway tells another some milliseconds later.
func until(ctx context.Context, done func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := done()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-tick.C:
		}
	}
}

// closedPort is a port that nothing serves on.
func closedPort() (int, error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a port: %w", err)
	}
	defer func() { _ = l.Close() }() // it has served nobody
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("a TCP listener has a TCP address")
	}
	return addr.Port, nil
}
