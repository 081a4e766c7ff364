package httpflow

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

const maxPage = 4 << 20

// Browser keeps cookies, and sends what a browser sends with a navigation. It
// follows no redirect by itself: Follow does, up to where it is told to stop.
type Browser struct {
	client *http.Client
}

// Watch sees the transport of every browser and client before it is used, and may
// put another around it. It is set before the first of them is made.
var Watch = func(t http.RoundTripper) http.RoundTripper { return t }

func watched(t http.RoundTripper) http.RoundTripper {
	if t == nil {
		t = http.DefaultTransport
	}
	return Watch(t)
}

// NewBrowser returns a browser without cookies. A nil transport is the default one.
func NewBrowser(transport http.RoundTripper) *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // cookiejar.New has no error to give without options
	}
	return &Browser{client: &http.Client{
		Transport:     watched(transport),
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Cookies are the cookies that would be sent to an address.
func (b *Browser) Cookies(address string) []*http.Cookie {
	target, err := url.Parse(address)
	if err != nil {
		return nil
	}
	return b.client.Jar.Cookies(target)
}

// Get fetches one page and follows no redirect.
func (b *Browser) Get(ctx context.Context, address string) (*Page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("request for %s: %w", address, err)
	}
	req.Header.Set("Sec-Fetch-Site", "none")
	return b.do(req)
}

// Open fetches a page and follows redirects to the page at their end.
func (b *Browser) Open(ctx context.Context, address string) (*Page, error) {
	page, err := b.Get(ctx, address)
	if err != nil {
		return nil, err
	}
	return b.Follow(ctx, page, nil)
}

// Submit posts a form, as the page that it stands on does, and follows no redirect.
func (b *Browser) Submit(ctx context.Context, form *Form) (*Page, error) {
	var req *http.Request
	var err error
	if form.Method == http.MethodGet {
		target := *form.Action
		target.RawQuery = form.Values.Encode()
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	} else {
		req, err = http.NewRequestWithContext(ctx, http.MethodPost, form.Action.String(), strings.NewReader(form.Values.Encode()))
	}
	if err != nil {
		return nil, fmt.Errorf("request for %s: %w", form.Action, err)
	}
	if form.Method != http.MethodGet {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Origin", form.page.Scheme+"://"+form.page.Host)
	}
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Referer", form.page.String())
	return b.do(req)
}

// Follow goes after redirects until a page that is none, or until stop says so
// of the address that it is sent to; the page returned then is the redirect.
func (b *Browser) Follow(ctx context.Context, page *Page, stop func(*url.URL) bool) (*Page, error) {
	for range 10 {
		next := page.Location()
		if next == nil || (stop != nil && stop(next)) {
			return page, nil
		}
		var err error
		if page, err = b.Get(ctx, next.String()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("too many redirects, the last to %s", page.Location())
}

func (b *Browser) do(req *http.Request) (*Page, error) {
	req.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
	req.Header.Set("Sec-Fetch-Mode", "navigate")
	req.Header.Set("Sec-Fetch-Dest", "document")
	req.Header.Set("Sec-Fetch-User", "?1")
	return b.Send(req)
}

// Send sends a request with the browser's cookies and nothing else of its own, and
// follows no redirect.
func (b *Browser) Send(req *http.Request) (*Page, error) {
	res, err := b.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", req.Method, req.URL, err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end or given up
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", req.URL, err)
	}
	return &Page{Method: req.Method, URL: req.URL, Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// Page is one answer.
type Page struct {
	Method string
	URL    *url.URL
	Status int
	Header http.Header
	Body   []byte
}

// Location is where a redirect goes, nil when the page is none.
func (p *Page) Location() *url.URL {
	location := p.Header.Get("Location")
	if p.Status < 300 || p.Status > 399 || location == "" {
		return nil
	}
	target, err := p.URL.Parse(location)
	if err != nil {
		return nil
	}
	return target
}

// Expect returns an error that shows the page unless it has this status.
func (p *Page) Expect(status int) error {
	if p.Status == status {
		return nil
	}
	return fmt.Errorf("%s %s answers %d and not %d: %s", p.Method, p.URL, p.Status, status, p.summary())
}

func (p *Page) summary() string {
	if location := p.Location(); location != nil {
		return "to " + location.String()
	}
	text := p.Text()
	if len(text) > 1500 {
		text = text[:1500] + "..."
	}
	return text
}

// Text is what a person reads on the page, with runs of white space as one space.
func (p *Page) Text() string {
	if !strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
		return string(p.Body)
	}
	var text strings.Builder
	for node := range p.document().Descendants() {
		if node.Type != html.TextNode {
			continue
		}
		if parent := node.Parent; parent != nil && (parent.DataAtom == atom.Script || parent.DataAtom == atom.Style) {
			continue
		}
		text.WriteString(node.Data)
		text.WriteByte(' ')
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

// Form returns the first form that has all of these fields; a button counts as one.
func (p *Page) Form(fields ...string) (*Form, error) {
	for _, form := range p.Forms() {
		has := func(field string) bool { return slices.Contains(form.names, field) }
		if !slices.ContainsFunc(fields, func(field string) bool { return !has(field) }) {
			return form, nil
		}
	}
	return nil, fmt.Errorf("%s has no form with %s: %s", p.URL, strings.Join(fields, ", "), p.summary())
}

// FormTo returns the first form that is sent to an address with this path.
func (p *Page) FormTo(path string) (*Form, error) {
	for _, form := range p.Forms() {
		if form.Action.Path == path {
			return form, nil
		}
	}
	return nil, fmt.Errorf("%s has no form to %s: %s", p.URL, path, p.summary())
}

// Forms are the forms of the page, in order.
func (p *Page) Forms() []*Form {
	var forms []*Form
	document := p.document()
	for node := range document.Descendants() {
		if node.DataAtom == atom.Form {
			forms = append(forms, p.form(document, node))
		}
	}
	return forms
}

// Find returns the text of the first element that has this attribute with this
// value, or with any value when it is "". An input's text is its value.
func (p *Page) Find(attribute, value string) (string, bool) {
	for node := range p.document().Descendants() {
		if got, ok := attr(node, attribute); ok && (value == "" || got == value) {
			if node.DataAtom == atom.Input {
				text, _ := attr(node, "value")
				return text, true
			}
			return strings.TrimSpace(textOf(node)), true
		}
	}
	return "", false
}

// Link is the target of the first link that wanted is true for.
func (p *Page) Link(wanted func(target *url.URL) bool) (*url.URL, error) {
	for node := range p.document().Descendants() {
		href, ok := attr(node, "href")
		if !ok || node.DataAtom != atom.A {
			continue
		}
		if target, err := p.URL.Parse(href); err == nil && wanted(target) {
			return target, nil
		}
	}
	return nil, fmt.Errorf("%s has no such link: %s", p.URL, p.summary())
}

func (p *Page) document() *html.Node {
	document, err := html.Parse(bytes.NewReader(p.Body))
	if err != nil {
		return &html.Node{Type: html.DocumentNode} // html.Parse fails only when reading does
	}
	return document
}

// Form is a form with the values that it would send as it stands. Buttons are
// not among them until Press.
type Form struct {
	Action *url.URL
	Method string
	Values url.Values

	page  *url.URL
	names []string
}

// Set fills in a field.
func (f *Form) Set(name string, values ...string) *Form {
	f.Values[name] = values
	return f
}

// Press adds what a button sends.
func (f *Form) Press(name, value string) *Form { return f.Set(name, value) }

// SetAction sends the form elsewhere, for tests of what must not work.
func (f *Form) SetAction(target *url.URL) *Form {
	f.Action = target
	return f
}

func (p *Page) form(document, node *html.Node) *Form {
	form := &Form{Method: http.MethodGet, Values: url.Values{}, page: p.URL, Action: p.URL}
	if method, _ := attr(node, "method"); strings.EqualFold(method, http.MethodPost) {
		form.Method = http.MethodPost
	}
	if action, ok := attr(node, "action"); ok && action != "" {
		if target, err := p.URL.Parse(action); err == nil {
			form.Action = target
		}
	}
	id, _ := attr(node, "id")
	for field := range document.Descendants() {
		name, ok := attr(field, "name")
		if !ok || name == "" || field.Type != html.ElementNode || !belongs(field, node, id) {
			continue
		}
		if _, disabled := attr(field, "disabled"); disabled {
			continue
		}
		value, _ := attr(field, "value")
		switch field.Data {
		case "input":
			form.names = append(form.names, name)
			kind, _ := attr(field, "type")
			_, checked := attr(field, "checked")
			switch strings.ToLower(kind) {
			case "submit", "image", "button", "reset", "file":
			case "checkbox", "radio":
				if checked {
					if value == "" {
						value = "on"
					}
					form.Values.Add(name, value)
				}
			default:
				form.Values.Add(name, value)
			}
		case "textarea":
			form.names = append(form.names, name)
			form.Values.Add(name, textOf(field))
		case "select":
			form.names = append(form.names, name)
			form.Values.Add(name, selected(field))
		case "button":
			form.names = append(form.names, name)
		}
	}
	return form
}

// belongs reports whether the field is sent with the form: it stands in it, or names
// it from elsewhere in the page.
func belongs(field, form *html.Node, id string) bool {
	if owner, ok := attr(field, "form"); ok {
		return owner != "" && owner == id
	}
	for parent := range field.Ancestors() {
		if parent == form {
			return true
		}
	}
	return false
}

func selected(node *html.Node) string {
	first, chosen := "", ""
	found := false
	for option := range node.Descendants() {
		if option.DataAtom != atom.Option {
			continue
		}
		value, ok := attr(option, "value")
		if !ok {
			value = textOf(option)
		}
		if !found {
			first, found = value, true
		}
		if _, ok := attr(option, "selected"); ok {
			chosen = value
		}
	}
	if chosen == "" {
		return first
	}
	return chosen
}

func attr(node *html.Node, name string) (string, bool) {
	for _, attribute := range node.Attr {
		if attribute.Key == name {
			return attribute.Val, true
		}
	}
	return "", false
}

func textOf(node *html.Node) string {
	var text strings.Builder
	for child := range node.Descendants() {
		if child.Type == html.TextNode {
			text.WriteString(child.Data)
		}
	}
	return text.String()
}
