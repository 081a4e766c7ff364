package tour

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// clients adds the authorization settings, and clients of every kind that a workspace decides about.
func (t *Tour) clients(ctx context.Context, mcpURL string) error {
	const list, settings = "/northwind/clients", "/northwind/authorization"
	refused, err := t.send(ctx, settings, map[string]string{"dcr": "listed", "dcr_hosts": "https://app.example.com/x"})
	if err != nil {
		return err
	}
	t.keep("authorization-refused", refused, t.ana.Browser)
	if err := t.ana.Authorization(ctx, "northwind", url.Values{"device": {"on"}, "client_credentials": {"on"}, "review": {"on"}}); err != nil {
		return err
	}
	held, err := t.arrive(ctx, mcpURL, "Meeting notes", "https://notes.example/callback")
	if err != nil {
		return err
	}
	if err := t.ana.Authorization(ctx, "northwind", url.Values{"review": nil}); err != nil {
		return err
	}
	blocked, err := t.arrive(ctx, mcpURL, "Old script", "http://127.0.0.1:4000/callback")
	if err != nil {
		return err
	}
	fraud, err := t.arrive(ctx, mcpURL, "Claude", "https://claude-login.example/callback")
	if err != nil {
		return err
	}
	keys, err := t.keysOf(ctx, list)
	if err != nil {
		return err
	}
	answer, err := t.send(ctx, keys["Old script"], map[string]string{"status": "blocked"})
	if err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	t.Stops = append(t.Stops, Stop{Name: "tenant-held", URL: held.AuthorizeURL()}, Stop{Name: "tenant-blocked", URL: blocked.AuthorizeURL()})
	if err := t.asked(ctx, "tenant-lookalike", fraud.AuthorizeURL()); err != nil {
		return err
	}
	if answer, err = t.send(ctx, list+"/new", map[string]string{"name": "Nightly export", "kind": "service", "auth_method": "client_secret_basic"}); err != nil {
		return err
	}
	t.keep("client-secret", answer, t.ana.Browser)
	if answer, err = t.send(ctx, list+"/new", map[string]string{"name": "", "kind": "app", "auth_method": "private_key_jwt", "redirect_uris": "http://example.com/callback"}); err != nil {
		return err
	}
	t.keep("client-refused", answer, t.ana.Browser)
	if err := t.added(ctx, list, mcpURL); err != nil {
		return err
	}
	if keys, err = t.keysOf(ctx, list); err != nil {
		return err
	}
	for _, p := range [][2]string{
		{"authorization", settings},
		{"clients", list},
		{"clients-none", list + "?q=nothing"},
		{"client", keys["Claude Code"]},
		{"client-held", keys["Meeting notes"]},
		{"client-blocked", keys["Old script"]},
		{"client-service", keys["Nightly export"]},
		{"client-added", keys["Reports"]},
		{"client-new", list + "/new"},
		{"client-edit", keys["Reports"] + "/edit"},
		{"client-delete", keys["Claude Code"] + "/delete"},
		{"keys", settings + "/keys"},
		{"keys-replace", settings + "/keys/replace"},
	} {
		t.see(p[0], p[1])
	}
	return nil
}

// arrive registers a client by itself.
func (t *Tour) arrive(ctx context.Context, mcpURL, name, redirectURI string) (*httpflow.Client, error) {
	client := httpflow.NewClient(mcpURL, program(name))
	client.Name, client.RedirectURI = name, redirectURI
	if err := client.Discover(ctx); err != nil {
		return nil, err
	}
	return client, client.Register(ctx)
}

// program sends a User-Agent of its own: clients of one address and one program are one try in the connections.
type program string

func (p program) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", string(p)+"/1.0")
	return http.DefaultTransport.RoundTrip(r)
}

// keysOf are the clients' pages by the clients' names.
func (t *Tour) keysOf(ctx context.Context, list string) (map[string]string, error) {
	page, err := t.ana.Page(ctx, list)
	if err != nil {
		return nil, err
	}
	pages := map[string]string{}
	for _, row := range strings.Split(string(page.Body), `<tr class="tr-link">`)[1:] {
		_, rest, _ := strings.Cut(row, `href="`)
		path, rest, _ := strings.Cut(rest, `"`)
		_, rest, _ = strings.Cut(rest, `>`)
		name, _, _ := strings.Cut(rest, `<`)
		pages[name] = path
	}
	return pages, nil
}

// asked signs Ana in at a workspace's address in a new browser and adds the page that comes then.
func (t *Tour) asked(ctx context.Context, name, address string) error {
	b := httpflow.NewBrowser(nil)
	page, err := b.Open(ctx, address)
	if err != nil {
		return err
	}
	form, err := page.FormTo("/sign-in")
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	answer, err := b.Submit(ctx, form.Set("email", t.ana.Email).Set("password", t.ana.Password))
	if err != nil {
		return err
	}
	if answer.Location() == nil {
		return answer.Expect(http.StatusSeeOther)
	}
	_, err = t.open(ctx, name, answer.Location().String(), b)
	return err
}

// added enters an app, which asks at a browser and, without one, by a code.
func (t *Tour) added(ctx context.Context, list, mcpURL string) error {
	answer, err := t.send(ctx, list+"/new", map[string]string{"name": "Reports", "kind": "app", "auth_method": "none", "redirect_uris": "https://reports.northwind.example/oauth/callback", "device": "on"})
	if err != nil {
		return err
	}
	if answer.Location() == nil {
		return answer.Expect(http.StatusSeeOther)
	}
	page, err := t.ana.Browser.Open(ctx, answer.Location().String())
	if err != nil {
		return err
	}
	_, id, _ := strings.Cut(string(page.Body), ">cli_")
	id, _, found := strings.Cut(id, "<")
	if !found {
		return errors.New("the page of the client shows no id")
	}
	client := httpflow.NewClient(mcpURL, nil)
	client.Name, client.RedirectURI, client.ClientID = "Reports", "https://reports.northwind.example/oauth/callback", "cli_"+id
	if err := client.Discover(ctx); err != nil {
		return err
	}
	if err := t.asked(ctx, "tenant-consent-added", client.AuthorizeURL()); err != nil {
		return err
	}
	return t.device(ctx, client)
}

// device adds the pages by which a person lets a device in.
func (t *Tour) device(ctx context.Context, client *httpflow.Client) error {
	form := url.Values{"client_id": {client.ClientID}, "scope": {"mcp offline_access"}, "resource": {client.Resource}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, client.Server.Issuer+"/device_authorization", strings.NewReader(form.Encode()))
	if err != nil {
		return fmt.Errorf("device: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("device: %w", err)
	}
	defer func() { _ = res.Body.Close() }() // read as far as needed
	var codes struct {
		URI      string `json:"verification_uri"`
		Complete string `json:"verification_uri_complete"`
	}
	if err := json.NewDecoder(res.Body).Decode(&codes); err != nil || codes.Complete == "" {
		return fmt.Errorf("device: %s: %w", res.Status, err)
	}
	b := httpflow.NewBrowser(nil)
	if _, err := t.open(ctx, "tenant-device", codes.URI, b); err != nil {
		return err
	}
	page, err := b.Open(ctx, codes.Complete)
	if err != nil {
		return err
	}
	t.keep("tenant-device-confirm", page, b)
	press := func(page *httpflow.Page, field, decision string) (*httpflow.Page, error) {
		form, err := page.Form(field, "decision")
		if err != nil {
			return nil, err
		}
		answer, err := b.Submit(ctx, form.Press("decision", decision))
		if err != nil {
			return nil, err
		}
		return b.Follow(ctx, answer, nil)
	}
	if page, err = press(page, "user_code", "continue"); err != nil {
		return err
	}
	signIn, err := page.FormTo("/sign-in")
	if err != nil {
		return err
	}
	answer, err := b.Submit(ctx, signIn.Set("email", t.ana.Email).Set("password", t.ana.Password))
	if err != nil {
		return err
	}
	if page, err = b.Follow(ctx, answer, nil); err != nil {
		return err
	}
	t.keep("tenant-consent-device", page, b)
	if page, err = press(page, "attempt", "allow"); err != nil {
		return err
	}
	t.keep("tenant-done", page, b)
	return nil
}
