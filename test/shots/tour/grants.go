package tour

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/emcy/gateway/test/e2e/httpflow"
	fakes "github.com/emcy/gateway/test/fakes/provider"
)

// people sign in with their accounts at a provider. Their names are as long as names are.
var people = []fakes.User{
	{ID: "101", Name: "Maximiliane von Hohenstaufen-Württemberg-Lichtenstein", Email: "maximiliane.von.hohenstaufen-wuerttemberg@subsidiary.northwind.example"},
	{ID: "102", Name: "Bo Li", Email: "bo@northwind.example"},
	{ID: "103", Name: "Chidi Okafor", Email: "chidi.okafor@northwind.example"},
	{ID: "104", Name: "Dana Whitfield", Email: "dana@northwind.example"},
	{ID: "105", Name: "Élodie Saint-Exupéry", Email: "elodie@northwind.example"},
}

// grants adds grants in every state and what can be done about them, for people who sign in with the provider.
func (t *Tour) grants(ctx context.Context) error {
	form := t.todoProfile("Northwind Workspace", t.provider)
	form.SignIn = true
	at, err := t.todos(ctx, "calendar", form)
	if err != nil {
		return err
	}
	for i, person := range people {
		t.provider.SignIn(person)
		b := httpflow.NewBrowser(nil)
		page, err := b.Open(ctx, at.client.AuthorizeURL())
		if err != nil {
			return err
		}
		if i == 0 {
			t.keep("tenant-sign-in-same-user", page, b) // the attempt goes on below
		}
		if page, err = t.chosen(ctx, b, page, "sign-in", at.client.RedirectURI); err != nil {
			return err
		}
		consent, err := page.Form("attempt", "decision")
		if err != nil {
			return err
		}
		if _, err := b.Submit(ctx, consent.Press("decision", "allow")); err != nil {
			return err
		}
	}
	rows, err := t.grantPages(ctx)
	if err != nil {
		return err
	}
	t.provider.TakeBack(people[0].ID)
	if err := t.refreshed(ctx, "grant-dead", rows[people[0].Name], "has to connect again"); err != nil {
		return err
	}
	t.provider.Fail("refresh", fakes.Status(http.StatusServiceUnavailable), 1)
	if err := t.refreshed(ctx, "grant-failing", rows[people[1].Name], "failed in a row"); err != nil {
		return err
	}
	revoke := rows[people[4].Name] + "/revoke"
	page, err := t.ana.Page(ctx, revoke)
	if err != nil {
		return err
	}
	confirm, err := page.FormTo(revoke)
	if err != nil {
		return err
	}
	answer, err := t.ana.Browser.Submit(ctx, confirm)
	if err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	for _, p := range [][2]string{
		{"grants", "/northwind/grants"},
		{"grants-none", "/northwind/grants?q=nobody"},
		{"grants-dead", "/northwind/grants?state=needs_reconnect"},
		{"grant", rows[people[2].Name]},
		{"grant-revoked", rows[people[4].Name]},
		{"grant-revoke", rows[people[2].Name] + "/revoke"},
	} {
		t.see(p[0], p[1])
	}
	return nil
}

// grantPages are the pages of the grants by their persons' names.
func (t *Tour) grantPages(ctx context.Context) (map[string]string, error) {
	page, err := t.ana.Page(ctx, "/northwind/grants")
	if err != nil {
		return nil, err
	}
	rows := map[string]string{}
	for _, person := range people {
		before, _, found := strings.Cut(string(page.Body), ">"+person.Name+"<")
		href := strings.LastIndex(before, `href="`)
		if !found || href < 0 {
			return nil, errors.New("the list does not show " + person.Name)
		}
		rows[person.Name], _, _ = strings.Cut(before[href+len(`href="`):], `"`)
	}
	return rows, nil
}

// refreshed asks for a refresh of a grant, and keeps the page when it says what came of it.
func (t *Tour) refreshed(ctx context.Context, name, grant, says string) error {
	page, err := t.ana.Page(ctx, grant)
	if err != nil {
		return err
	}
	form, err := page.FormTo(grant + "/refresh")
	if err != nil {
		return err
	}
	if _, err := t.ana.Browser.Submit(ctx, form); err != nil {
		return err
	}
	return until(ctx, func() error {
		page, err := t.ana.Page(ctx, grant)
		if err != nil {
			return err
		}
		if !strings.Contains(page.Text(), says) {
			return errors.New(grant + " does not say: " + says)
		}
		t.keep(name, page, t.ana.Browser)
		return nil
	})
}

// massRevoke revokes the grants of a profile and adds the report.
func (t *Tour) massRevoke(ctx context.Context, at *todo) error {
	const revoke = "/northwind/grants/revoke"
	confirm := revoke + "?profile=" + at.profile.ID
	t.see("grants-revoke-all", revoke+"?all=1")
	answer, err := t.send(ctx, confirm, map[string]string{"reason": "", "confirm": "todo"})
	if err != nil {
		return err
	}
	t.keep("grants-revoke-refused", answer, t.ana.Browser)
	if answer, err = t.send(ctx, confirm, map[string]string{"reason": "A laptop was stolen", "confirm": "Todo API"}); err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	t.see("grants-report", answer.Location().Path)
	t.see("grants-revoke", revoke)
	return nil
}

// alerts adds what has happened, who is told, and a webhook at an address that takes nothing.
func (t *Tour) alerts(ctx context.Context) error {
	const list, hooks = "/northwind/alerts", "/northwind/alerts/webhooks"
	t.see("webhook-new", hooks+"/new")
	answer, err := t.send(ctx, hooks+"/new", map[string]string{"name": "", "url": "ftp://hooks.example"})
	if err != nil {
		return err
	}
	t.keep("webhook-refused", answer, t.ana.Browser)
	page, err := t.ana.Page(ctx, hooks+"/new")
	if err != nil {
		return err
	}
	form, err := page.FormTo(hooks + "/new")
	if err != nil {
		return err
	}
	if answer, err = t.ana.Browser.Submit(ctx, form.Set("name", "On-call").Set("url", t.idp.URL+"/hooks/emcy-alerts-of-northwind").Set("event", "grant.needs_reconnect", "grants.revoked")); err != nil {
		return err
	}
	if answer, err = t.ana.Browser.Follow(ctx, answer, nil); err != nil {
		return err
	}
	t.keep("webhook-secret", answer, t.ana.Browser)
	id, err := between(answer, `action="`+hooks+`/`, `/`)
	if err != nil {
		return err
	}
	if form, err = answer.FormTo(hooks + "/" + id + "/test"); err != nil {
		return err
	}
	if _, err = t.ana.Browser.Submit(ctx, form); err != nil {
		return err
	}
	err = until(ctx, func() error {
		if page, err = t.ana.Page(ctx, list); err != nil {
			return err
		}
		href, err := between(page, `class="cell-link" href="`, `"`)
		if err == nil {
			t.see("alert", href)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, p := range [][2]string{{"alerts", list}, {"alert-settings", list + "/settings"}, {"webhooks", hooks}, {"webhook", hooks + "/" + id}, {"webhook-remove", hooks + "/" + id + "/remove"}} {
		t.see(p[0], p[1])
	}
	return nil
}

// contract adds the worker contract of a runtime, with what the runtime answered.
func (t *Tour) contract(ctx context.Context) error {
	t.see("contract", "/northwind/runtimes/billing/contract")
	for name, slug := range map[string]string{"contract-verified": "billing", "contract-no-answer": "search"} {
		path := "/northwind/runtimes/" + slug + "/contract"
		page, err := t.ana.Page(ctx, path)
		if err != nil {
			return err
		}
		form, err := page.FormTo(path + "/verify")
		if err != nil {
			return err
		}
		answer, err := t.ana.Browser.Submit(ctx, form)
		if err != nil {
			return err
		}
		t.keep(name, answer, t.ana.Browser)
	}
	page, err := t.send(ctx, "/northwind/runtimes/billing/contract", map[string]string{"header.X-Emcy-Subject": "not a header"})
	if err != nil {
		return err
	}
	t.keep("contract-refused", page, t.ana.Browser)
	return nil
}

// connected are the steps about accounts that people connect.
func (t *Tour) connected(ctx context.Context) error {
	at, err := t.connect(ctx)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{t.grants, t.contract, func(ctx context.Context) error { return t.massRevoke(ctx, at) }, t.alerts} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// startProvider starts a provider at which everybody says yes.
func startProvider() (*fakes.Provider, func(), error) {
	return fakes.Start(fakes.AccessLife(time.Hour))
}
