package tour

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"

	"github.com/emcy/gateway/test/e2e/httpflow"
)

// provider is an OpenID provider at which nobody signs in: it only says where it is.
func provider() *httptest.Server {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{ // who does not read it is told so by the form
			"issuer": server.URL, "authorization_endpoint": server.URL + "/authorize", "token_endpoint": server.URL + "/token", "jwks_uri": server.URL + "/jwks",
			"id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	return server
}

// signIn adds the pages of a sign-in provider and of a trusted issuer, and what people see of the provider.
func (t *Tour) signIn(ctx context.Context, client *httpflow.Client) error {
	const settings, issuers = "/northwind/sign-in", "/northwind/authorization/issuers"
	t.see("provider-new", settings+"/new")
	answer, err := t.send(ctx, settings+"/new", map[string]string{"name": "Northwind SSO", "issuer": "http://127.0.0.1:1/", "client_id": "emcy", "client_secret": "not a secret"})
	if err != nil {
		return err
	}
	t.keep("provider-refused", answer, t.ana.Browser)
	if answer, err = t.send(ctx, settings+"/new", map[string]string{"name": "Northwind SSO", "issuer": t.idp.URL, "client_id": "emcy", "client_secret": "not a secret", "allowed_domains": "northwind.example"}); err != nil {
		return err
	}
	if answer.Location() == nil {
		return answer.Expect(http.StatusSeeOther)
	}
	at := answer.Location().Path
	t.see("sign-in-settings", settings)
	t.see("provider", at)
	t.see("provider-remove", at+"/remove")
	t.see("end-users", settings+"/users")

	b := httpflow.NewBrowser(nil)
	page, err := t.open(ctx, "tenant-sign-in-provider", client.AuthorizeURL(), b)
	if err != nil {
		return err
	}
	href, err := between(page, `href="/sign-in/`, `"`)
	if err != nil {
		return err
	}
	if _, err := t.open(ctx, "tenant-provider", client.Server.Issuer+"/sign-in/"+href, b); err != nil {
		return err
	}

	t.see("issuer-new", issuers+"/new")
	if answer, err = t.send(ctx, issuers+"/new", map[string]string{"name": "Northwind SSO", "issuer": "not an address", "jwks_uri": ""}); err != nil {
		return err
	}
	t.keep("issuer-refused", answer, t.ana.Browser)
	if answer, err = t.send(ctx, issuers+"/new", map[string]string{"name": "Northwind SSO", "issuer": "https://login.northwind.example", "jwks_uri": "https://login.northwind.example/oauth2/v1/keys"}); err != nil {
		return err
	}
	if err := answer.Expect(http.StatusSeeOther); err != nil {
		return err
	}
	if page, err = t.ana.Page(ctx, issuers); err != nil {
		return err
	}
	if href, err = between(page, `class="cell-link" href="`, `"`); err != nil {
		return err
	}
	t.see("issuers", issuers)
	t.see("issuer", href)
	return nil
}
