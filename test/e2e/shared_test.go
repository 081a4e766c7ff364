//go:build e2e

package e2e

import (
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/oidc"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// shared is one gateway on SQLite for every test that needs no more than a workspace
// of its own. It believes X-Forwarded-For of loopback, so that tests can come from
// many addresses, and lives until the run ends.
var shared struct {
	sync.Mutex
	gateway *gateway
}

func sharedGateway(t *testing.T) *gateway {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.gateway == nil {
		dir := filepath.Join(binaryDir, "shared")
		temp := filepath.Join(dir, "tmp")
		require.NoError(t, os.MkdirAll(temp, 0o700))
		g := prepareGateway(t, dir, temp, freePorts(t, 60), "EMCY_TRUSTED_PROXIES=127.0.0.0/8,::1/128")
		g.start(t)
		shared.gateway = g
	}
	g := shared.gateway
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the shared gateway's log, its end:\n%s", tail(g.Log, 40))
		}
	})
	return g
}

// endShared ends the shared gateway, where there is one.
func endShared() {
	g := shared.gateway
	if g == nil || g.cmd == nil {
		return
	}
	defer g.searchAtTheEnd()
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-g.exited:
	case <-timer.C:
		_ = g.cmd.Process.Kill()
		<-g.exited
	}
}

// house is a workspace with one runtime at the shared gateway.
type house struct {
	t       *testing.T
	gateway *gateway
	owner   *httpflow.Person
	runtime *httpflow.Runtime
	up      *upstream.Upstream
	slug    string
	origin  string
}

func newHouse(t *testing.T, slug string) *house {
	t.Helper()
	h := &house{t: t, gateway: sharedGateway(t), up: upstream.Start(upstream.Config{}), slug: slug}
	t.Cleanup(h.up.Close)
	h.owner = httpflow.NewPerson(h.gateway.Console, "Ana Ferreira", nil)
	require.NoError(t, h.owner.SignUp(t.Context()))
	require.NoError(t, h.owner.CreateWorkspace(t.Context(), "House "+slug, slug))
	h.addRuntime(h.up.URL())
	h.up.SetSecrets(h.runtime.Secret)
	return h
}

func (h *house) addRuntime(address string) {
	h.t.Helper()
	var err error
	h.runtime, err = h.owner.AddRuntime(h.t.Context(), h.slug, httpflow.RuntimeForm{Name: "Billing", Slug: "billing", URL: address})
	require.NoError(h.t, err)
	h.origin = h.runtime.MCPURL[:len(h.runtime.MCPURL)-len("/billing/mcp")]
	client := httpflow.NewClient(h.runtime.MCPURL, nil)
	require.Eventually(h.t, func() bool { return client.Discover(h.t.Context()) == nil }, startTimeout, 20*time.Millisecond, "the edge serves the runtime")
}

// client is registered and has asked for nothing yet.
func (h *house) client(name string) *httpflow.Client {
	h.t.Helper()
	client := httpflow.NewClient(h.runtime.MCPURL, nil)
	client.Name = name
	require.NoError(h.t, client.Discover(h.t.Context()))
	require.NoError(h.t, client.Register(h.t.Context()))
	return client
}

// stranger is the owner in a browser that was never here.
func (h *house) stranger() *httpflow.Person { return elsewhere(h.owner) }

// connect takes a client through the person's yes.
func (h *house) connect(p *httpflow.Person, client *httpflow.Client) {
	h.t.Helper()
	callback, err := p.Allow(h.t.Context(), client.AuthorizeURL(), client.RedirectURI)
	require.NoError(h.t, err)
	require.NoError(h.t, client.Redeem(h.t.Context(), callback))
}

// open fetches a page and follows redirects within the gateway.
func (h *house) open(p *httpflow.Person, address string) *httpflow.Page {
	h.t.Helper()
	page, err := p.Browser.Open(h.t.Context(), address)
	require.NoError(h.t, err)
	return page
}

// send is a request with the browser's cookies and the given headers alone.
func (h *house) send(p *httpflow.Person, method, address, body string, header ...string) *httpflow.Page {
	h.t.Helper()
	page, err := p.Browser.Send(request(h.t, method, address, body, header...))
	require.NoError(h.t, err)
	return page
}

// post sends a form as the page does that it stands on.
func (h *house) post(p *httpflow.Person, form *httpflow.Form) *httpflow.Page {
	h.t.Helper()
	page, err := p.Browser.Submit(h.t.Context(), form)
	require.NoError(h.t, err)
	return page
}

// from is a transport whose requests come from an address of the test's choice.
type from struct{ address func() string }

func (f from) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", f.address())
	return http.DefaultTransport.RoundTrip(r)
}

func request(t *testing.T, method, address, body string, header ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	return req
}

// provider lets people sign in at a provider, and gives the path of its page.
func (h *house) provider(fake *oidc.Provider) (path string) {
	h.t.Helper()
	page := h.open(h.owner, h.gateway.Console+"/"+h.slug+"/sign-in/new")
	form, err := page.Form("issuer", "client_id", "enabled")
	require.NoError(h.t, err)
	form.Set("name", "Acme SSO").Set("issuer", fake.Issuer).Set("client_id", "gateway").Set("client_secret", "secret").Set("enabled", "on")
	answer := h.post(h.owner, form)
	require.NoError(h.t, answer.Expect(http.StatusSeeOther))
	location := answer.Location().Path
	return "/sign-in" + location[strings.LastIndex(location, "/"):]
}

// leave takes a browser from an authorize URL to the provider's address, where it has
// not been yet.
func (h *house) leave(p *httpflow.Person, provider, authorize string) (address string) {
	h.t.Helper()
	page := h.open(p, authorize)
	form, err := page.Form("attempt", "email", "password")
	require.NoError(h.t, err)
	page = h.open(p, h.origin+provider+"?attempt="+form.Values.Get("attempt"))
	form, err = page.FormTo(provider)
	require.NoError(h.t, err)
	answer := h.post(p, form)
	require.NoError(h.t, answer.Expect(http.StatusSeeOther))
	return answer.Location().String()
}

// preregistered is a client that the owner entered.
func (h *house) preregistered(name, redirectURI string) *httpflow.Client {
	h.t.Helper()
	client := httpflow.NewClient(h.runtime.MCPURL, nil)
	require.NoError(h.t, client.Discover(h.t.Context()))
	client.RedirectURI = redirectURI
	var err error
	client.ClientID, err = h.owner.EnterApp(h.t.Context(), h.slug, name, redirectURI)
	require.NoError(h.t, err)
	return client
}

func (h *house) scope(name, title string) {
	h.t.Helper()
	require.NoError(h.t, h.owner.AddScope(h.t.Context(), h.slug, name, title, "", false))
}

// opens lets a scope open every tool of the runtime, which has been probed.
func (h *house) opens(scope string) {
	h.t.Helper()
	follow := func(page *httpflow.Page, link string) *httpflow.Page {
		found := regexp.MustCompile(link).FindSubmatch(page.Body)
		require.NotNil(h.t, found, "%s has no link like %s", page.URL, link)
		return h.open(h.owner, h.gateway.Console+html.UnescapeString(string(found[1])))
	}
	page := h.open(h.owner, h.gateway.Console+"/"+h.slug+"/scopes")
	page = follow(page, `href="([^"]+)">`+regexp.QuoteMeta(scope)+`</a>`)
	page = follow(page, `href="([^"]+/tools/[^"/]+)"`)
	form, err := page.Form("all", "edition")
	require.NoError(h.t, err)
	require.NoError(h.t, h.post(h.owner, form.Set("all", "on")).Expect(http.StatusSeeOther))
}
