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

// Authorization changes a workspace's authorization settings.
func (p *Person) Authorization(ctx context.Context, workspace string, change url.Values) error {
	form, err := p.form(ctx, "/"+workspace+"/authorization", change)
	if err != nil {
		return fmt.Errorf("authorization settings: %w", err)
	}
	if _, err := p.post(ctx, form); err != nil {
		return fmt.Errorf("save authorization settings: %w", err)
	}
	return nil
}

var (
	clientSecretOn = regexp.MustCompile(`id="client-secret">([A-Za-z0-9_-]{20,})<`)
	clientIDOn     = regexp.MustCompile(`>(cli_[a-z0-9]+)<`)
)

// EnterService enters a client that acts for itself, and gives its id and its secret.
func (p *Person) EnterService(ctx context.Context, workspace, name string) (id, secret string, err error) {
	return p.enterSecret(ctx, workspace, url.Values{"name": {name}, "kind": {"service"}, "auth_method": {"client_secret_basic"}})
}

// EnterApp enters an app that signs people in without a secret, and gives its id.
func (p *Person) EnterApp(ctx context.Context, workspace, name, redirectURI string) (id string, err error) {
	page, err := p.enter(ctx, workspace, url.Values{"name": {name}, "kind": {"app"}, "auth_method": {"none"}, "redirect_uris": {redirectURI}})
	if err != nil {
		return "", err
	}
	found := clientIDOn.FindSubmatch(page.Body)
	if found == nil {
		return "", fmt.Errorf("enter a client: the page shows no id: %s", page.summary())
	}
	return string(found[1]), nil
}

// EnterSecretApp enters an app that signs people in and has a secret, which it sends by
// a method of RFC 7591, section 2; it gives the id and the secret.
func (p *Person) EnterSecretApp(ctx context.Context, workspace, name, method, redirectURI string) (id, secret string, err error) {
	return p.enterSecret(ctx, workspace, url.Values{"name": {name}, "kind": {"app"}, "auth_method": {method}, "redirect_uris": {redirectURI}})
}

// enterSecret enters a client whose page shows its secret, once.
func (p *Person) enterSecret(ctx context.Context, workspace string, values url.Values) (id, secret string, err error) {
	page, err := p.enter(ctx, workspace, values)
	if err != nil {
		return "", "", err
	}
	foundID, found := clientIDOn.FindSubmatch(page.Body), clientSecretOn.FindSubmatch(page.Body)
	if foundID == nil || found == nil {
		return "", "", errors.New("enter a client: the page shows no id or no secret")
	}
	return string(foundID[1]), string(found[1]), nil
}

// enter fills in the form of a new client, and gives the client's page.
func (p *Person) enter(ctx context.Context, workspace string, values url.Values) (*Page, error) {
	form, err := p.form(ctx, "/"+workspace+"/clients/new", values)
	if err != nil {
		return nil, fmt.Errorf("enter a client: %w", err)
	}
	page, err := p.Browser.Submit(ctx, form)
	if err == nil {
		page, err = p.Browser.Follow(ctx, page, nil)
	}
	if err == nil {
		err = page.Expect(http.StatusOK)
	}
	if err != nil {
		return nil, fmt.Errorf("enter a client: %w", err)
	}
	return page, nil
}

// AllowDevice opens a device's address, says that the device is the person's own, and
// allows it.
func (p *Person) AllowDevice(ctx context.Context, verificationURI string) error {
	page, err := p.Browser.Open(ctx, verificationURI)
	for range 8 {
		if err != nil {
			return fmt.Errorf("allow device: %w", err)
		}
		if err := page.Expect(http.StatusOK); err != nil {
			return fmt.Errorf("allow device: %w", err)
		}
		var form *Form
		if form, err = page.Form("attempt", "email", "password"); err == nil {
			form.Set("email", p.Email).Set("password", p.Password)
		} else if form, err = page.Form("attempt", "decision"); err == nil {
			form.Press("decision", "allow")
		} else if form, err = page.Form("user_code", "decision"); err == nil {
			form.Press("decision", "continue")
		} else if strings.Contains(page.Text(), "may go on") {
			return nil
		} else {
			return fmt.Errorf("allow device: what is to be done here: %s", page.summary())
		}
		if page, err = p.Browser.Submit(ctx, form); err == nil {
			page, err = p.Browser.Follow(ctx, page, nil)
		}
	}
	return fmt.Errorf("allow device: no end, now at %s", page.URL)
}

// AddScope defines a scope of a workspace; people are asked for it at the first sign-in
// where initial says so.
func (p *Person) AddScope(ctx context.Context, workspace, name, title, description string, initial bool) error {
	values := url.Values{"name": {name}, "title": {title}, "description": {description}}
	if initial {
		values.Set("initial", "on")
	}
	form, err := p.form(ctx, "/"+workspace+"/scopes/new", values)
	if err != nil {
		return fmt.Errorf("add scope: %w", err)
	}
	if _, err := p.post(ctx, form); err != nil {
		return fmt.Errorf("add scope: %w", err)
	}
	return nil
}
