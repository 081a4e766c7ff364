package httpflow

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// ProfileForm is what a person types to make a profile of a provider without a preset of
// its own.
type ProfileForm struct {
	Name   string
	Issuer string
	Scopes []string
	// ClientID and ClientSecret are of a client that is registered at the provider; with
	// neither the gateway registers itself (RFC 7591).
	ClientID, ClientSecret string
	// SignIn makes the provider the sign-in of the runtimes that the profile is attached to.
	SignIn bool
	// More are further fields of the form.
	More url.Values
}

// Profile is a profile as its maker knows it.
type Profile struct {
	Workspace, ID string
	// Callback is the redirect URI to register at the provider.
	Callback string
}

var (
	genericProfile = regexp.MustCompile(`^/[^/]+/profiles/new/([^/?]+)\?`)
	callbackOn     = regexp.MustCompile(`https?://[A-Za-z0-9.:\[\]-]+/connect/callback/[A-Za-z0-9_-]+`)
)

// NewProfile opens the form of a profile that is to be made, whose redirect URI it shows.
// register may enter that at the provider before the form is sent; it may be nil.
func (p *Person) NewProfile(ctx context.Context, workspace string, form ProfileForm, register func(callback string)) (*Profile, error) {
	presets, err := p.Page(ctx, "/"+workspace+"/profiles/new")
	if err != nil {
		return nil, fmt.Errorf("new profile: %w", err)
	}
	address, err := presets.Link(func(target *url.URL) bool {
		return genericProfile.MatchString(target.RequestURI()) && target.Query().Get("preset") == "generic"
	})
	if err != nil {
		return nil, fmt.Errorf("new profile: %w", err)
	}
	page, err := p.Page(ctx, address.RequestURI())
	if err != nil {
		return nil, fmt.Errorf("new profile: %w", err)
	}
	made := &Profile{Workspace: workspace, ID: genericProfile.FindStringSubmatch(address.RequestURI())[1], Callback: callbackOn.FindString(page.Text())}
	if made.Callback == "" {
		return nil, fmt.Errorf("new profile: the page shows no redirect URI: %s", page.summary())
	}
	if register != nil {
		register(made.Callback)
	}
	filled, err := page.Form("name", "issuer", "client_kind", "scopes")
	if err != nil {
		return nil, fmt.Errorf("new profile: %w", err)
	}
	filled.Set("name", form.Name).Set("issuer", form.Issuer).Set("scopes", strings.Join(form.Scopes, "\n"))
	if form.ClientID == "" {
		filled.Set("client_kind", "dcr")
	} else {
		filled.Set("client_kind", "preregistered").Set("client_id", form.ClientID).Set("client_secret", form.ClientSecret)
	}
	if form.SignIn {
		filled.Set("sign_in", "on")
	}
	for name, values := range form.More {
		filled.Set(name, values...)
	}
	if _, err := p.submit(ctx, filled); err != nil {
		return nil, fmt.Errorf("new profile: %w", err)
	}
	return made, nil
}

// Attach lets a runtime have each person's token of a profile. neededFor is "nothing",
// "calls" or "everything".
func (p *Person) Attach(ctx context.Context, runtime *Runtime, profile *Profile, neededFor string, scopes ...string) error {
	page, err := p.Page(ctx, runtime.path("/access?profile="+url.QueryEscape(profile.ID)))
	if err != nil {
		return fmt.Errorf("attach profile: %w", err)
	}
	form, err := page.Form("profile", "needed_for")
	if err != nil {
		return fmt.Errorf("attach profile: %w", err)
	}
	form.Set("needed_for", neededFor).Set("scope", scopes...)
	if _, err := p.submit(ctx, form); err != nil {
		return fmt.Errorf("attach profile: %w", err)
	}
	return nil
}

// Contract changes how the gateway speaks to a runtime: fields of the contract page, such as
// "assertion_only", "bearer" and "header.X-Emcy-Subject".
func (p *Person) Contract(ctx context.Context, runtime *Runtime, change url.Values) error {
	form, err := p.form(ctx, runtime.path("/contract"), change)
	if err != nil {
		return fmt.Errorf("contract: %w", err)
	}
	if _, err := p.submit(ctx, form); err != nil {
		return fmt.Errorf("contract: %w", err)
	}
	return nil
}

// Account is how somebody signs in at a provider: at examples/todo-api.
type Account struct{ Login, Password string }

// errDone ends a walk.
var errDone = errors.New("done")

// ConnectAllow is Allow for a runtime with a profile: on the way it connects the account.
func (p *Person) ConnectAllow(ctx context.Context, authorizeURL, redirectURI string, account Account) (*url.URL, error) {
	page, err := p.walk(ctx, authorizeURL, account, func(target *url.URL) bool { return strings.HasPrefix(target.String(), redirectURI) })
	if err != nil {
		return nil, fmt.Errorf("authorize and connect: %w", err)
	}
	if callback := page.Location(); callback != nil {
		return callback, nil
	}
	return nil, fmt.Errorf("authorize and connect: no end, now at %s: %s", page.URL, page.summary())
}

// ConnectLink opens a link that asks for an account, and connects it. It gives the page
// at the end.
func (p *Person) ConnectLink(ctx context.Context, link string, account Account) (*Page, error) {
	page, err := p.walk(ctx, link, account, nil)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return page, nil
}

// walk answers every page that it knows with yes, until a redirect that stop is true for
// or a page that asks for nothing more.
func (p *Person) walk(ctx context.Context, address string, account Account, stop func(*url.URL) bool) (*Page, error) {
	page, err := p.Browser.Get(ctx, address)
	for range 12 {
		if err == nil {
			page, err = p.Browser.Follow(ctx, page, stop)
		}
		if err != nil {
			return nil, err
		}
		if page.Location() != nil {
			return page, nil
		}
		form, formErr := p.answer(page, account)
		if errors.Is(formErr, errDone) {
			return page, page.Expect(http.StatusOK)
		}
		if err := errors.Join(formErr, page.Expect(http.StatusOK)); err != nil {
			return nil, err
		}
		page, err = p.Browser.Submit(ctx, form)
	}
	return nil, fmt.Errorf("no end, now at %s", page.URL)
}

// answer fills in the form of a page: sign-in, consent or connect of the gateway, or one of
// the two pages of the Todo API.
func (p *Person) answer(page *Page, account Account) (*Form, error) {
	if form, err := page.Form("attempt", "email", "password"); err == nil {
		return form.Set("email", p.Email).Set("password", p.Password), nil
	}
	if form, err := page.Form("login", "password"); err == nil {
		return form.Set("login", account.Login).Set("password", account.Password), nil
	}
	if form, err := page.FormTo("/connect"); err == nil {
		return form.Press("decision", "connect"), nil
	}
	if form, err := page.Form("decision"); err == nil {
		return form.Press("decision", "allow"), nil
	}
	return nil, errDone
}
