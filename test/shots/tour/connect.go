package tour

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/emcy/gateway/test/e2e/httpflow"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

// todo is a runtime whose people connect accounts at a provider that answers.
type todo struct {
	runtime *httpflow.Runtime
	profile *httpflow.Profile
	client  *httpflow.Client
}

// todoProfile is the form of a profile at a provider that answers.
func (t *Tour) todoProfile(name string, at *fakes.Provider) httpflow.ProfileForm {
	return httpflow.ProfileForm{
		Name: name, Issuer: at.Issuer, ClientID: at.ClientID, ClientSecret: at.ClientSecret,
		Scopes: []string{"openid  Know who you are", "todos.read  Read your to-do lists", "todos.write  Add, change and delete your to-dos"},
	}
}

// todos adds a runtime with a profile, and a client at it.
func (t *Tour) todos(ctx context.Context, slug string, form httpflow.ProfileForm) (*todo, error) {
	runtime, err := t.ana.PostRuntime(ctx, "northwind", httpflow.RuntimeForm{Name: form.Name + " runtime", Slug: slug, URL: t.second.URL()})
	if err != nil {
		return nil, err
	}
	if err := t.ana.ReadSecret(ctx, runtime); err != nil {
		return nil, err
	}
	t.secrets = append(t.secrets, runtime.Secret)
	t.second.SetSecrets(t.secrets...)
	if err := t.ana.ReadMCPURL(ctx, runtime); err != nil {
		return nil, err
	}
	profile, err := t.ana.NewProfile(ctx, "northwind", form, nil)
	if err != nil {
		return nil, err
	}
	if err := t.ana.Attach(ctx, runtime, profile, "calls", "openid", "todos.read", "todos.write"); err != nil {
		return nil, err
	}
	client := httpflow.NewClient(runtime.MCPURL, program("Claude Code at "+slug))
	client.Name = "Claude Code"
	if err := until(ctx, func() error { return client.Discover(ctx) }); err != nil {
		return nil, err
	}
	return &todo{runtime, profile, client}, client.Register(ctx)
}

// connect adds the pages on which people connect accounts. It leaves Ana connected.
func (t *Tour) connect(ctx context.Context) (*todo, error) {
	form := t.todoProfile("Todo API", t.provider)
	form.More = url.Values{"match": {"email"}}
	at, err := t.todos(ctx, "todos", form)
	if err != nil {
		return nil, err
	}
	t.see("profile-live", "/northwind/profiles/"+at.profile.ID)
	b := httpflow.NewBrowser(nil)
	page, err := t.consented(ctx, b, at.client)
	if err != nil {
		return nil, err
	}
	t.keep("tenant-connect", page, b) // the attempt goes on below
	card := page.URL.String()

	t.provider.SignIn(fakes.User{ID: "77", Name: "Bob Marsh", Email: "bob@todo.example"})
	if page, err = t.chosen(ctx, b, page, "connect", ""); err != nil {
		return nil, err
	}
	t.keep("tenant-connect-mismatch", page, b)
	t.provider.Deny("access_denied")
	if page, err = b.Open(ctx, card); err != nil {
		return nil, err
	}
	if page, err = t.chosen(ctx, b, page, "connect", ""); err != nil {
		return nil, err
	}
	t.keep("tenant-connect-problem", page, b)

	if page, err = b.Open(ctx, card); err != nil {
		return nil, err
	}
	if err := t.byLink(ctx, b, page, at.client); err != nil {
		return nil, err
	}
	t.provider.SignIn(fakes.User{ID: "4811", Name: t.ana.Name, Email: t.ana.Email})
	callback, err := t.ana.ConnectAllow(ctx, at.client.AuthorizeURL(), at.client.RedirectURI, httpflow.Account{})
	if err != nil {
		return nil, err
	}
	if err := at.client.Redeem(ctx, callback); err != nil {
		return nil, err
	}
	return at, errors.Join(t.trial(ctx, at), t.apiKey(ctx, at.client.Server.Issuer, t.keys))
}

// consented signs Ana in at a client's address, lets the client in, and gives the page that comes then.
func (t *Tour) consented(ctx context.Context, b *httpflow.Browser, client *httpflow.Client) (*httpflow.Page, error) {
	page, err := b.Open(ctx, client.AuthorizeURL())
	if err != nil {
		return nil, err
	}
	form, err := page.FormTo("/sign-in")
	if err != nil {
		return nil, err
	}
	answer, err := b.Submit(ctx, form.Set("email", t.ana.Email).Set("password", t.ana.Password))
	if err != nil {
		return nil, err
	}
	if page, err = b.Follow(ctx, answer, nil); err != nil {
		return nil, err
	}
	if form, err = page.Form("attempt", "decision"); err != nil {
		return nil, err
	}
	if answer, err = b.Submit(ctx, form.Press("decision", "allow")); err != nil {
		return nil, err
	}
	return b.Follow(ctx, answer, nil)
}

// chosen presses a button of a connect page, and follows through the provider to a page of the gateway, or to the
// client's address.
func (t *Tour) chosen(ctx context.Context, b *httpflow.Browser, page *httpflow.Page, decision, redirectURI string) (*httpflow.Page, error) {
	form, err := page.FormTo("/connect")
	if err != nil {
		return nil, err
	}
	answer, err := b.Submit(ctx, form.Press("decision", decision))
	if err != nil {
		return nil, err
	}
	return b.Follow(ctx, answer, func(to *url.URL) bool { return redirectURI != "" && strings.HasPrefix(to.String(), redirectURI) })
}

// trial adds an administrator's test of a profile, what a person sees of their connections, and the way by a link.
func (t *Tour) trial(ctx context.Context, at *todo) error {
	page, err := t.ana.Page(ctx, "/northwind/profiles/"+at.profile.ID)
	if err != nil {
		return err
	}
	address, err := page.Link(func(to *url.URL) bool { return to.Query().Has("trial") })
	if err != nil {
		return err
	}
	b := httpflow.NewBrowser(nil)
	if page, err = t.open(ctx, "tenant-trial", address.String(), b); err != nil {
		return err
	}
	form, err := page.FormTo("/connect")
	if err != nil {
		return err
	}
	answer, err := b.Submit(ctx, form)
	if err != nil {
		return err
	}
	if page, err = b.Follow(ctx, answer, nil); err != nil {
		return err
	}
	t.keep("tenant-trial-result", page, b)
	for name, path := range map[string]string{"tenant-apps-connections": "/me/apps", "tenant-disconnect": "/me/apps/disconnect?profile=" + at.profile.ID} {
		if page, err = t.ana.Browser.Open(ctx, at.client.Server.Issuer+path); err != nil {
			return err
		}
		t.keep(name, page, t.ana.Browser) // the account is disconnected later
	}
	return nil
}

var linkIn = regexp.MustCompile(`https?://[^\s"]+/connect/[a-z0-9]+`)

// byLink lets the client in without the account, and adds the page that the answer to a call leads to.
func (t *Tour) byLink(ctx context.Context, b *httpflow.Browser, card *httpflow.Page, client *httpflow.Client) error {
	back, err := t.chosen(ctx, b, card, "skip", client.RedirectURI)
	if err != nil {
		return err
	}
	if back.Location() == nil {
		return back.Expect(http.StatusSeeOther)
	}
	if err := client.Redeem(ctx, back.Location()); err != nil {
		return err
	}
	if err := client.Initialize(ctx); err != nil {
		return err
	}
	_, err = client.CallTool(ctx, "echo", map[string]any{"text": "hello"})
	if err == nil {
		return errors.New("a call without the account works")
	}
	link := linkIn.FindString(err.Error())
	if link == "" {
		return fmt.Errorf("the answer has no link: %w", err)
	}
	_, err = t.open(ctx, "tenant-connect-link", link, b)
	return err
}

// apiKey adds the form of an API key.
func (t *Tour) apiKey(ctx context.Context, issuer, keys string) error {
	const access = "/northwind/runtimes/search/access"
	answer, err := t.send(ctx, access+"?profile="+keys, map[string]string{"needed_for": "calls"})
	if err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	_, err = t.open(ctx, "tenant-connect-key", issuer+"/connect?profile="+keys, t.ana.Browser)
	return err
}
