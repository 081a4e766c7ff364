package tour

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// scopes sorts the tools of a runtime into scopes and adds their pages.
func (t *Tour) scopes(ctx context.Context) error {
	const list, hints = "/northwind/scopes", "/northwind/scopes/hints/billing"
	page, err := t.ana.Page(ctx, hints)
	if err != nil {
		return err
	}
	form, err := page.FormTo(hints)
	if err != nil {
		return err
	}
	answer, err := t.ana.Browser.Submit(ctx, form)
	if err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	if page, err = t.ana.Page(ctx, list); err != nil {
		return err
	}
	all := strings.Split(string(page.Body), `href="`+list+`/scp_`)
	if len(all) < 4 {
		return errors.New("the list does not have three scopes")
	}
	id, _, _ := strings.Cut(all[3], `"`)
	scope := list + "/scp_" + id
	for _, p := range [][2]string{
		{"scopes", list},
		{"scope-new", list + "/new"},
		{"scope-hints", hints},
		{"scope", scope},
		{"scope-tools", scope + "/tools/billing"},
		{"scope-delete", scope + "/delete"},
	} {
		t.see(p[0], p[1])
	}
	return nil
}
