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
)

var scopeName = regexp.MustCompile(`class="cell-link mono" href="[^"]+">([^<]+)<`)

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

// stepUp adds the consent page of a client that comes back for more.
func (t *Tour) stepUp(ctx context.Context, client *httpflow.Client) error {
	page, err := t.ana.Page(ctx, "/northwind/scopes")
	if err != nil {
		return err
	}
	address, err := url.Parse(client.AuthorizeURL())
	if err != nil {
		return fmt.Errorf("read authorization address: %w", err)
	}
	query := address.Query()
	scopes := []string{query.Get("scope")}
	for _, name := range scopeName.FindAllStringSubmatch(string(page.Body), -1) {
		scopes = append(scopes, name[1])
	}
	query.Set("scope", strings.Join(scopes, " "))
	address.RawQuery = query.Encode()
	return t.asked(ctx, "tenant-consent-more", address.String())
}
