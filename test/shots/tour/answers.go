package tour

import (
	"context"
	"fmt"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// Answer is what an address answered once, with the headers that go with the body.
type Answer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// keep adds a page as it is now: an answer to a form, or what is full a moment later.
func (t *Tour) keep(name string, page *httpflow.Page, b *httpflow.Browser) {
	headers := map[string]string{}
	for _, header := range []string{"Content-Type", "Content-Security-Policy"} {
		headers[header] = page.Header.Get(header)
	}
	t.Stops = append(t.Stops, Stop{Name: name, URL: page.URL.String(), Cookies: b.Cookies(page.URL.String()), Answer: &Answer{page.Status, headers, string(page.Body)}})
}

// open adds the page that an address leads to in a browser.
func (t *Tour) open(ctx context.Context, name, address string, b *httpflow.Browser) (*httpflow.Page, error) {
	page, err := b.Open(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	t.Stops = append(t.Stops, Stop{Name: name, URL: page.URL.String(), Cookies: b.Cookies(page.URL.String())})
	return page, nil
}

// send fills in the form of a console page that has these fields, and gives the answer.
func (t *Tour) send(ctx context.Context, path string, values map[string]string) (*httpflow.Page, error) {
	page, err := t.ana.Page(ctx, path)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	form, err := page.Form(names...)
	if err != nil {
		return nil, err
	}
	for name, value := range values {
		form.Set(name, value)
	}
	return t.ana.Browser.Submit(ctx, form)
}

// empty keeps the lists that nothing stands in yet.
func (t *Tour) empty(ctx context.Context) error {
	for _, p := range [][2]string{{"clients-empty", "/clients"}, {"issuers-empty", "/authorization/issuers"}, {"sign-in-settings-empty", "/sign-in"}, {"connections-empty", "/connections"}, {"scopes-empty", "/scopes"}, {"end-users-empty", "/sign-in/users"}, {"profiles-empty", "/profiles"}, {"grants-empty", "/grants"}, {"alerts-empty", "/alerts"}, {"webhooks-empty", "/alerts/webhooks"}} {
		page, err := t.ana.Page(ctx, "/northwind"+p[1])
		if err != nil {
			return err
		}
		t.keep(p[0], page, t.ana.Browser)
	}
	return nil
}
