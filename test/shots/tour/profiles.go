package tour

import (
	"context"
	"net/http"
	"strings"
)

// profiles adds a profile of each kind and their pages, and attaches one to a runtime.
func (t *Tour) profiles(ctx context.Context) error {
	const list, access = "/northwind/profiles", "/northwind/runtimes/billing/access"
	t.see("access-empty", access)
	t.see("profile-presets", list+"/new")
	for _, preset := range []string{"generic", "entra", "github"} {
		at, err := t.presetForm(ctx, "?preset="+preset)
		if err != nil {
			return err
		}
		t.see("profile-new-"+preset, at)
	}
	values := map[string]string{
		"name": "Ledger API", "issuer": t.idp.URL, "client_id": "emcy-gateway", "client_secret": "not a secret",
		"scopes": "ledger.read  See your invoices and payments\nledger.write  Create and change invoices\nledger.close  Close a month",
	}
	at, err := t.presetForm(ctx, "?preset=generic")
	if err != nil {
		return err
	}
	wrong := map[string]string{"authorize_params": "state=1"}
	for name, value := range values {
		wrong[name] = value
	}
	wrong["issuer"] = "http://127.0.0.1:1/"
	answer, err := t.send(ctx, at, wrong)
	if err != nil {
		return err
	}
	t.keep("profile-refused", answer, t.ana.Browser)
	if answer, err = t.send(ctx, at, values); err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	profile := answer.Location().Path
	id := profile[strings.LastIndex(profile, "/")+1:]

	if at, err = t.presetForm(ctx, "?kind=api_key"); err != nil {
		return err
	}
	t.see("profile-new-key", at)
	if answer, err = t.send(ctx, at, map[string]string{"name": "Shipping keys", "key_label": "Shipping API key", "key_help": "In Shipping, open Settings, then Developers."}); err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	t.see("profile-key", answer.Location().Path)
	t.keys = answer.Location().Path[strings.LastIndex(answer.Location().Path, "/")+1:]

	page, err := t.ana.Page(ctx, access+"?profile="+id)
	if err != nil {
		return err
	}
	t.keep("access-new", page, t.ana.Browser)
	form, err := page.FormTo(access)
	if err != nil {
		return err
	}
	answer, err = t.ana.Browser.Submit(ctx, form.Set("scope", "ledger.read"))
	if err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	for _, p := range [][2]string{
		{"profiles", list},
		{"profile", profile},
		{"profile-edit", profile + "/edit"},
		{"profile-client", profile + "/client"},
		{"profile-remove", profile + "/remove"},
		{"access", access},
		{"access-choose", access + "?choose=1"},
		{"access-none", access + "?profile=none"},
	} {
		t.see(p[0], p[1])
	}
	return nil
}

// presetForm is the address of a new profile's form.
func (t *Tour) presetForm(ctx context.Context, query string) (string, error) {
	const list = "/northwind/profiles/new"
	page, err := t.ana.Page(ctx, list)
	if err != nil {
		return "", err
	}
	id, err := between(page, `href="`+list+"/", "?")
	return list + "/" + id + query, err
}
