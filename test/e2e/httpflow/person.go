package httpflow

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Person uses the console and the end-user pages of the tenants in one browser.
type Person struct {
	// Browser is the person's; tests may use it for what has no method here.
	Browser *Browser
	// Console is the console's origin, such as http://localhost:8080.
	Console string

	Name     string
	Email    string
	Password string
}

// NewPerson returns somebody who has no account yet and whose address is not
// anybody else's. A nil transport is the default one.
func NewPerson(console, name string, transport http.RoundTripper) *Person {
	return &Person{
		Browser:  NewBrowser(transport),
		Console:  strings.TrimSuffix(console, "/"),
		Name:     name,
		Email:    strings.ToLower(strings.ReplaceAll(name, " ", ".")) + "." + strings.ToLower(rand.Text()[:8]) + "@example.com",
		Password: "correct horse " + rand.Text(),
	}
}

// SignUp makes the account and leaves the person signed in.
func (p *Person) SignUp(ctx context.Context) error {
	_, err := p.fill(ctx, "/sign-up", map[string][]string{
		"name": {p.Name}, "email": {p.Email}, "password": {p.Password},
	})
	if err != nil {
		return fmt.Errorf("sign up: %w", err)
	}
	return nil
}

// SignIn opens a session in the console.
func (p *Person) SignIn(ctx context.Context) error {
	_, err := p.fill(ctx, "/sign-in", map[string][]string{"email": {p.Email}, "password": {p.Password}})
	if err != nil {
		return fmt.Errorf("sign in: %w", err)
	}
	return nil
}

// CreateWorkspace makes a workspace of the person's own.
func (p *Person) CreateWorkspace(ctx context.Context, name, slug string) error {
	_, err := p.fill(ctx, "/workspaces/new", map[string][]string{"name": {name}, "slug": {slug}})
	if err != nil {
		return fmt.Errorf("create workspace: %w", err)
	}
	return nil
}

// RuntimeForm is what a person types to add a runtime.
type RuntimeForm struct {
	Name string
	Slug string
	URL  string
}

// Runtime is a runtime as its owner knows it after adding it.
type Runtime struct {
	Workspace string
	Slug      string
	// Secret is the worker secret, shown once.
	Secret string
	// MCPURL is the public address that a client is given.
	MCPURL string
}

// AddRuntime adds a runtime, reads its secret and its address, and says that
// the secret is stored: PostRuntime, ReadSecret, StoredSecret and ReadMCPURL in one.
func (p *Person) AddRuntime(ctx context.Context, workspace string, form RuntimeForm) (*Runtime, error) {
	runtime, err := p.PostRuntime(ctx, workspace, form)
	if err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context, *Runtime) error{p.ReadSecret, p.StoredSecret, p.ReadMCPURL} {
		if err := step(ctx, runtime); err != nil {
			return nil, err
		}
	}
	return runtime, nil
}

// PostRuntime sends the form of a new runtime and stops at the answer, before
// any page has shown the secret.
func (p *Person) PostRuntime(ctx context.Context, workspace string, form RuntimeForm) (*Runtime, error) {
	filled, err := p.form(ctx, "/"+workspace+"/runtimes/new", map[string][]string{
		"name": {form.Name}, "slug": {form.Slug}, "url": {form.URL},
	})
	if err != nil {
		return nil, fmt.Errorf("add runtime: %w", err)
	}
	if _, err := p.post(ctx, filled); err != nil {
		return nil, fmt.Errorf("add runtime: %w", err)
	}
	return &Runtime{Workspace: workspace, Slug: form.Slug}, nil
}

// ReadSecret opens the setup page and reads the worker secret.
func (p *Person) ReadSecret(ctx context.Context, runtime *Runtime) error {
	setup, err := p.Page(ctx, runtime.path("/setup"))
	if err != nil {
		return fmt.Errorf("open setup: %w", err)
	}
	secret, err := secretOn(setup)
	if err != nil {
		return err
	}
	runtime.Secret = secret
	return nil
}

// StoredSecret says that the secret is stored; from then on no page shows it.
func (p *Person) StoredSecret(ctx context.Context, runtime *Runtime) error {
	setup, err := p.Page(ctx, runtime.path("/setup"))
	if err != nil {
		return fmt.Errorf("open setup: %w", err)
	}
	form, err := setup.FormTo(runtime.path("/setup"))
	if err != nil {
		return err
	}
	if _, err := p.submit(ctx, form); err != nil {
		return fmt.Errorf("say that the secret is stored: %w", err)
	}
	_, err = p.Probed(ctx, runtime)
	return err
}

// ReadMCPURL reads the public address from the connect page.
func (p *Person) ReadMCPURL(ctx context.Context, runtime *Runtime) error {
	connect, err := p.Page(ctx, runtime.path("/connect"))
	if err != nil {
		return fmt.Errorf("open connect: %w", err)
	}
	address, err := mcpURLOn(connect, runtime.Slug)
	if err != nil {
		return err
	}
	runtime.MCPURL = address
	return nil
}

// Probe asks the gateway to look at the runtime again and returns the page with
// what it found.
func (p *Person) Probe(ctx context.Context, runtime *Runtime) (*Page, error) {
	detail, err := p.Page(ctx, runtime.path(""))
	if err != nil {
		return nil, fmt.Errorf("open runtime: %w", err)
	}
	form, err := detail.FormTo(runtime.path("/probe"))
	if err != nil {
		return nil, err
	}
	if _, err := p.submit(ctx, form); err != nil {
		return nil, fmt.Errorf("probe: %w", err)
	}
	return p.Probed(ctx, runtime)
}

// Probed loads the page of the probe, as the Refresh link does, until the probe has ended.
func (p *Person) Probed(ctx context.Context, runtime *Runtime) (*Page, error) {
	const again = 20 * time.Millisecond
	for {
		page, err := p.Page(ctx, runtime.path("/probe"))
		if err != nil {
			return nil, fmt.Errorf("open probe: %w", err)
		}
		if !strings.Contains(string(page.Body), `data-probe="running"`) {
			return page, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(again):
		}
	}
}

// RemoveRuntime takes a runtime out of its workspace.
func (p *Person) RemoveRuntime(ctx context.Context, runtime *Runtime) error {
	if _, err := p.fill(ctx, runtime.path("/remove"), map[string][]string{"confirm": {runtime.Slug}}); err != nil {
		return fmt.Errorf("remove runtime: %w", err)
	}
	return nil
}

// Page opens a page of the console; anything but a page is an error, and so is
// being sent to sign in.
func (p *Person) Page(ctx context.Context, path string) (*Page, error) {
	page, err := p.Browser.Open(ctx, p.Console+path)
	if err != nil {
		return nil, err
	}
	if page.URL.Path == "/sign-in" && path != "/sign-in" {
		return nil, fmt.Errorf("%s asks to sign in", path)
	}
	return page, page.Expect(http.StatusOK)
}

// Allow opens an authorize URL, signs in where that is asked, allows the client,
// and returns the address that the browser is sent back to.
func (p *Person) Allow(ctx context.Context, authorizeURL, redirectURI string) (*url.URL, error) {
	return p.decide(ctx, authorizeURL, redirectURI, "allow")
}

// Deny is Allow with the other answer.
func (p *Person) Deny(ctx context.Context, authorizeURL, redirectURI string) (*url.URL, error) {
	return p.decide(ctx, authorizeURL, redirectURI, "deny")
}

func (p *Person) decide(ctx context.Context, authorizeURL, redirectURI, decision string) (*url.URL, error) {
	atClient := func(target *url.URL) bool { return strings.HasPrefix(target.String(), redirectURI) }

	page, err := p.Browser.Get(ctx, authorizeURL)
	for range 6 {
		if err != nil {
			return nil, fmt.Errorf("authorize: %w", err)
		}
		if page, err = p.Browser.Follow(ctx, page, atClient); err != nil {
			return nil, fmt.Errorf("authorize: %w", err)
		}
		if callback := page.Location(); callback != nil {
			return callback, nil
		}
		if err := page.Expect(http.StatusOK); err != nil {
			return nil, fmt.Errorf("authorize: %w", err)
		}
		if form, formErr := page.Form("attempt", "email", "password"); formErr == nil {
			page, err = p.Browser.Submit(ctx, form.Set("email", p.Email).Set("password", p.Password))
			continue
		}
		form, formErr := page.Form("attempt", "decision")
		if formErr != nil {
			return nil, fmt.Errorf("authorize: neither sign-in nor consent: %w", formErr)
		}
		page, err = p.Browser.Submit(ctx, form.Press("decision", decision))
	}
	return nil, fmt.Errorf("authorize: no end, now at %s", page.URL)
}

// fill opens a page of the console, fills in its form, posts it and follows the answer.
func (p *Person) fill(ctx context.Context, path string, values map[string][]string) (*Page, error) {
	form, err := p.form(ctx, path, values)
	if err != nil {
		return nil, err
	}
	return p.submit(ctx, form)
}

// form opens a page of the console and fills in the form that has these fields.
func (p *Person) form(ctx context.Context, path string, values map[string][]string) (*Form, error) {
	page, err := p.Page(ctx, path)
	if err != nil {
		return nil, err
	}
	form, err := page.Form(slices.Collect(maps.Keys(values))...)
	if err != nil {
		return nil, err
	}
	for name, value := range values {
		form.Set(name, value...)
	}
	return form, nil
}

// post sends a form of the console, which answers with a redirect when it succeeds.
func (p *Person) post(ctx context.Context, form *Form) (*Page, error) {
	answer, err := p.Browser.Submit(ctx, form)
	if err != nil {
		return nil, err
	}
	return answer, answer.Expect(http.StatusSeeOther)
}

// submit posts a form of the console and opens the page that it leads to.
func (p *Person) submit(ctx context.Context, form *Form) (*Page, error) {
	answer, err := p.post(ctx, form)
	if err != nil {
		return nil, err
	}
	page, err := p.Browser.Follow(ctx, answer, nil)
	if err != nil {
		return nil, err
	}
	return page, page.Expect(http.StatusOK)
}

func (r *Runtime) path(rest string) string {
	return "/" + r.Workspace + "/runtimes/" + r.Slug + rest
}

var assignedSecret = regexp.MustCompile(`EMCY_WORKER_SHARED_SECRET=["']?([A-Za-z0-9_.~-]{20,})`)

func secretOn(page *Page) (string, error) {
	if match := assignedSecret.FindStringSubmatch(page.Text()); match != nil {
		return match[1], nil
	}
	return "", fmt.Errorf("%s shows no worker secret: %s", page.URL, page.summary())
}

func mcpURLOn(page *Page, slug string) (string, error) {
	pattern := regexp.MustCompile(`https?://[A-Za-z0-9.:\[\]-]+/` + regexp.QuoteMeta(slug) + `/mcp\b`)
	if match := pattern.FindString(page.Text()); match != "" {
		return match, nil
	}
	return "", fmt.Errorf("%s shows no MCP URL: %s", page.URL, page.summary())
}
