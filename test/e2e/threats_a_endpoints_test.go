//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestA15ParametersStandOnceAndInTheBody: a repeated parameter, credentials in a URL, two
// ways of proving oneself and another content type are refused, use nothing up, and what
// was in them is in no log.
func TestA15ParametersStandOnceAndInTheBody(t *testing.T) {
	t.Parallel()
	row(t, "a15", func(h *house) {
		client, p := h.client("Scripted client"), h.stranger()
		for name := range h.query(client) {
			if name == "resource" { // which RFC 8707 lets stand more than once
				continue
			}
			requireLocal(h.t, h.call(http.MethodGet, "/authorize?"+h.query(client).Encode()+"&"+name+"=x", ""), "invalid_request", name)
		}
		code := h.grant(p, client)
		good := redemption(client, code)
		made := h.register(map[string]any{"redirect_uris": []string{client.RedirectURI}, "token_endpoint_auth_method": "client_secret_basic"})
		secret := made.field("client_secret")
		basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(made.field("client_id")+":"+secret))
		refused := map[string]said{
			"all in the query":  h.call(http.MethodPost, "/token?"+good.Encode(), "", "Content-Type", formType),
			"code in the query": h.form("/token?code="+code, with(redemption(client, code), "code", "-")),
			"id in the query":   h.form("/token?client_id="+client.ClientID, good),
			"secret in query":   h.form("/token?client_secret="+secret, good),
			"JSON":              h.call(http.MethodPost, "/token", `{"grant_type":"authorization_code","code":"`+code+`"}`, "Content-Type", "application/json"),
			"no content type":   h.call(http.MethodPost, "/token", good.Encode()),
			"multipart":         h.call(http.MethodPost, "/token", good.Encode(), "Content-Type", "multipart/form-data; boundary=x"),
			"text":              h.call(http.MethodPost, "/token", good.Encode(), "Content-Type", "text/plain"),
			"Basic and post":    h.form("/token", with(redemption(client, code), "client_id", made.field("client_id"), "client_secret", secret), "Authorization", basic),
			"two ids":           h.form("/token", good, "Authorization", basic),
			"an assertion, too": h.form("/token", with(redemption(client, code), "client_assertion", "x"), "Authorization", basic),
			"unreadable":        h.call(http.MethodPost, "/token", good.Encode()+"&x=%zz", "Content-Type", formType),
		}
		for name := range good {
			refused[name+" twice"] = h.call(http.MethodPost, "/token", good.Encode()+"&"+name+"=x", "Content-Type", formType)
		}
		for what, got := range refused {
			require.Equal(h.t, http.StatusBadRequest, got.status, "%s: %s", what, got.body)
			require.Equal(h.t, "invalid_request", got.code(), what)
			require.NotContains(h.t, got.body, code, what)
			require.NotContains(h.t, got.body, secret, what)
		}
		require.Equal(h.t, http.StatusMethodNotAllowed, h.call(http.MethodGet, "/token?"+good.Encode(), "").status)
		require.Equal(h.t, http.StatusOK, h.redeem(client, code).status, "none of it used the code up")

		log, err := os.ReadFile(h.gateway.Log)
		require.NoError(h.t, err)
		for _, hidden := range []string{code, secret, strings.TrimPrefix(basic, "Basic "), verifier} {
			require.False(h.t, bytes.Contains(log, []byte(hidden)))
		}
		console := h.open(h.owner, h.gateway.Console+"/"+h.slug+"/connections")
		require.NotContains(h.t, string(console.Body), code)
	})
}

// TestA16EveryPOSTIsAnswered303 where it redirects: any other status could make a browser
// send the password, or the decision, once more and elsewhere.
func TestA16EveryPOSTIsAnswered303(t *testing.T) {
	t.Parallel()
	row(t, "a16", func(h *house) {
		client, p := h.client("Scripted client"), h.stranger()
		posted := 0
		check := func(status int, location string) {
			h.t.Helper()
			require.Equal(h.t, http.StatusSeeOther, status)
			require.NotEmpty(h.t, location)
			posted++
		}
		start := h.form("/authorize", h.query(client))
		check(start.status, start.header.Get("Location"))

		signIn := h.open(p, h.origin+"/authorize?"+h.query(client).Encode())
		form, err := signIn.Form("attempt", "email", "password")
		require.NoError(h.t, err)
		answer := h.post(p, form.Set("email", p.Email).Set("password", p.Password))
		check(answer.Status, answer.Header.Get("Location"))
		consent := h.open(p, answer.Location().String())
		form, err = consent.Form("attempt", "decision")
		require.NoError(h.t, err)
		answer = h.post(p, form.Press("decision", "allow"))
		check(answer.Status, answer.Header.Get("Location"))
		require.Equal(h.t, http.StatusOK, h.redeem(client, answer.Location().Query().Get("code")).status)
		form, err = h.open(p, h.origin+"/authorize?"+h.query(client).Encode()).Form("attempt", "decision")
		require.NoError(h.t, err)
		answer = h.post(p, form.Press("decision", "deny"))
		check(answer.Status, answer.Header.Get("Location"))

		// The person's own page and the console: every form of theirs that stands there.
		form, err = h.open(p, h.origin+"/me/apps").FormTo("/me/apps/revoke")
		require.NoError(h.t, err)
		answer = h.post(p, form)
		check(answer.Status, answer.Header.Get("Location"))
		form, err = h.open(p, h.origin+"/me/apps").FormTo("/me/sign-out")
		require.NoError(h.t, err)
		require.Equal(h.t, http.StatusOK, h.post(p, form).Status, "a page, and no redirect")
		for path, target := range map[string]string{"/authorization": "/authorization", "/authorization/keys": "/authorization/keys", "/runtimes/billing": "/runtimes/billing/probe"} {
			page := h.open(h.owner, h.gateway.Console+"/"+h.slug+path)
			form, err = page.FormTo("/" + h.slug + target)
			require.NoError(h.t, err)
			answer = h.post(h.owner, form)
			check(answer.Status, answer.Header.Get("Location"))
		}
		console := elsewhere(h.owner)
		for _, path := range []string{"/sign-in", "/sign-out"} {
			form, err = h.open(console, h.gateway.Console+map[string]string{"/sign-in": "/sign-in", "/sign-out": "/workspaces"}[path]).FormTo(path)
			require.NoError(h.t, err)
			if path == "/sign-in" {
				form.Set("email", h.owner.Email).Set("password", h.owner.Password)
			}
			answer = h.post(console, form)
			check(answer.Status, answer.Header.Get("Location"))
		}
		require.Equal(h.t, 10, posted)
	})
}

// TestA17WhatIsOffIsNotThere: no grant and no response type but those that the workspace
// has on, and the metadata lists just these.
func TestA17WhatIsOffIsNotThere(t *testing.T) {
	t.Parallel()
	row(t, "a17", func(h *house) {
		client := h.client("Scripted client")
		for _, grant := range []string{
			"password", "implicit", "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
			"urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba", "urn:ietf:params:oauth:grant-type:uma-ticket", "AUTHORIZATION_CODE", " authorization_code", "authorization_code refresh_token", "nonsense", "\"\r\n", "\x00",
		} {
			got := h.form("/token", url.Values{"grant_type": {grant}, "client_id": {client.ClientID}, "assertion": {"x"}, "subject_token": {"x"}, "device_code": {"x"}, "username": {h.owner.Email}, "password": {h.owner.Password}})
			require.Equal(h.t, http.StatusBadRequest, got.status, grant)
			require.Equal(h.t, "unsupported_grant_type", got.code(), grant)
		}
		for _, kind := range []string{"token", "id_token", "id_token token", "code id_token", "code token", "code id_token token", "none", "device_code", "CODE", "code code", "nonsense"} {
			got := h.authorize(client, "response_type", kind)
			require.Equal(h.t, http.StatusFound, got.status, kind)
			to, err := url.Parse(got.header.Get("Location"))
			require.NoError(h.t, err)
			require.Equal(h.t, "unsupported_response_type", to.Query().Get("error"), kind)
			require.Empty(h.t, to.Fragment)
		}
		for _, path := range []string{"/device", "/device_authorization", "/userinfo", "/end_session", "/oauth/token", "/keys", "/introspect", "/.well-known/webfinger"} {
			require.NotEqual(h.t, http.StatusOK, h.call(http.MethodGet, path, "").status, path)
		}
		require.NotEqual(h.t, http.StatusOK, h.form("/device_authorization", url.Values{"client_id": {client.ClientID}}).status)

		golden, err := os.ReadFile(filepath.Join(root(), "authz/server/testdata/metadata.golden.json"))
		require.NoError(h.t, err)
		want := strings.ReplaceAll(string(golden), "https://acme.mcp.test", h.origin)
		for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/billing/mcp"} {
			var got bytes.Buffer
			require.NoError(h.t, json.Indent(&got, []byte(h.call(http.MethodGet, path, "").body), "", "  "))
			require.Equal(h.t, strings.TrimSpace(want), got.String(), path)
		}
		require.NoError(h.t, h.owner.Authorization(h.t.Context(), h.slug, url.Values{"device": {"on"}, "client_credentials": {"on"}, "dcr": {"off"}, "cimd": {"off"}}))
		var now map[string]any
		require.NoError(h.t, json.Unmarshal([]byte(h.call(http.MethodGet, "/.well-known/oauth-authorization-server", "").body), &now))
		require.ElementsMatch(h.t, []any{"authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code"}, now["grant_types_supported"])
		require.NotContains(h.t, now, "registration_endpoint")
		require.Contains(h.t, now, "device_authorization_endpoint")
		require.NotEqual(h.t, true, now["client_id_metadata_document_supported"])
	})
}
