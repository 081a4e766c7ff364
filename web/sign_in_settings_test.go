package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/idp"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/fakes/oidc"
)

const providerSecret = "client-secret-canary"

func TestSignInSettings(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		fake := oidc.New(t)
		ana, h := b.owner(t, "Ana", "acme")
		csrf := b.token(t, ana, "/workspaces/new")
		get := func(path string) *answer { return b.send(t, ana, http.MethodGet, path, nil, nil) }
		post := func(path string, form url.Values) *answer {
			form.Set("csrf", csrf)
			return b.send(t, ana, http.MethodPost, path, form, nil)
		}
		stored := func() (list []idp.Provider) {
			require.NoError(t, env.DB.Read(t.Context(), h, func(tx *tenancy.Tx) (err error) {
				list, err = idp.List(tx)
				return err
			}))
			return list
		}
		require.Contains(t, get("/acme/sign-in").body, "Only members sign in today")
		began := get("/acme/sign-in/new")
		require.Equal(t, http.StatusSeeOther, began.status)
		path := began.header.Get("Location")
		id := path[strings.LastIndex(path, "/")+1:]
		require.Contains(t, get(path).body, "https://acme.mcp.test/callback/"+id, "the callback is there before the provider is")
		form := func(change ...string) url.Values {
			v := url.Values{
				"name": {"Acme SSO"}, "issuer": {fake.Issuer}, "client_id": {"gateway"}, "client_secret": {providerSecret}, "enabled": {"on"}, "version": {"1"},
				"allowed_domains": {"example.com\r\nacme.example\r\n"}, "allowed_groups": {"all staff\r\n\r\nboard"},
			}
			for i := 0; i < len(change); i += 2 {
				v.Set(change[i], change[i+1])
			}
			return v
		}
		refused := post(path, form("issuer", fake.Issuer+"/x", "allowed_domains", "not a domain"))
		require.Equal(t, http.StatusUnprocessableEntity, refused.status)
		require.Contains(t, refused.body, "is not a domain")
		require.Contains(t, refused.body, "Type the secret again")
		require.NotContains(t, refused.body, providerSecret)
		refused = post(path, form("issuer", fake.Issuer+"/x"))
		require.Contains(t, refused.body, "status 404")
		require.Empty(t, stored())

		saved := post(path, form())
		require.Equal(t, "/acme/sign-in/"+id, saved.header.Get("Location"), saved.body)
		require.Equal(t, []string{"all staff", "board"}, stored()[0].AllowedGroups)
		page := get("/acme/sign-in/" + id)
		require.Contains(t, page.body, "Test it before you tell people")
		require.Contains(t, page.body, "https://acme.mcp.test/sign-in/"+id+"?trial=")
		require.NotContains(t, page.body, providerSecret)
		for _, shown := range []string{"Acme SSO", fake.Issuer, "example.com or acme.example, group all staff or board", "On"} {
			require.Contains(t, get("/acme/sign-in").body, shown)
		}

		saved = post("/acme/sign-in/"+id, form("name", "Renamed", "client_secret", "", "issuer", "https://evil.example"))
		require.Equal(t, http.StatusSeeOther, saved.status, saved.body)
		require.Equal(t, "Renamed", stored()[0].Name)
		require.Equal(t, fake.Issuer, stored()[0].Issuer)
		require.True(t, stored()[0].HasSecret)
		conflict := post("/acme/sign-in/"+id, form("client_secret", ""))
		require.Equal(t, http.StatusConflict, conflict.status)
		require.Contains(t, conflict.body, `name="version" value="2"`)

		// Another workspace's owner, and a member who may not.
		eve, _ := b.owner(t, "Eve", "evil")
		token := url.Values{"csrf": {b.token(t, eve, "/workspaces/new")}}
		for _, at := range []string{"/evil/sign-in/" + id, "/acme/sign-in/" + id} {
			require.Equal(t, http.StatusNotFound, b.send(t, eve, http.MethodGet, at, nil, nil).status)
			require.Equal(t, http.StatusNotFound, b.send(t, eve, http.MethodPost, at+"/remove", token, nil).status)
		}
		dev := b.person(t, "Dev")
		b.join(t, h, dev, "developer")
		looks := b.send(t, dev, http.MethodGet, "/acme/sign-in/"+id, nil, nil)
		require.Equal(t, http.StatusOK, looks.status)
		require.NotContains(t, looks.body, "?trial=")
		token = url.Values{"csrf": {b.token(t, dev, "/workspaces/new")}}
		for _, at := range []string{"/acme/sign-in/" + id, "/acme/sign-in/" + id + "/remove", "/acme/sign-in/users/eu_1"} {
			require.Equal(t, http.StatusForbidden, b.send(t, dev, http.MethodPost, at, token, nil).status)
		}

		require.Equal(t, http.StatusUnprocessableEntity, post("/acme/sign-in/"+id+"/remove", url.Values{"confirm": {"Acme"}}).status)
		require.Len(t, stored(), 1)
		require.Equal(t, http.StatusSeeOther, post("/acme/sign-in/"+id+"/remove", url.Values{"confirm": {"Renamed"}}).status)
		require.Empty(t, stored())
	})
}

func TestEndUsers(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		fake := oidc.New(t)
		ana, h := b.owner(t, "Ana", "acme")
		p, err := b.config.Providers.Create(t.Context(), h, idp.NewID(), idp.Input{Name: "Acme SSO", Issuer: fake.Issuer, ClientID: "gateway", Enabled: true})
		require.NoError(t, err)
		subject := ""
		for _, name := range []string{"ada", "<b>bob"} {
			fake.Claims = func(c map[string]any) {
				c["sub"], c["email"], c["name"], c["groups"] = name, name+"@example.com", name, []string{"staff"}
			}
			browser := ids.Secret("emc_br")
			address, err := b.config.Providers.Begin(t.Context(), h, idp.Start{ProviderID: p.ID, Attempt: "att_1", Browser: browser, Origin: "https://acme.mcp.test"})
			require.NoError(t, err)
			result, err := b.config.Providers.Finish(t.Context(), h, idp.Answer{ProviderID: p.ID, Query: fake.Approve(address), Browser: browser, Origin: "https://acme.mcp.test"})
			require.NoError(t, err)
			subject = result.User.ID
		}
		page := b.send(t, ana, http.MethodGet, "/acme/sign-in/users", nil, nil)
		for _, shown := range []string{"2 people", "ada@example.com", "&lt;b&gt;bob@example.com", "staff", "Acme SSO"} {
			require.Contains(t, page.body, shown)
		}
		require.NotContains(t, b.send(t, ana, http.MethodGet, "/acme/sign-in/users?q=ada", nil, nil).body, "bob@")
		require.Contains(t, b.send(t, ana, http.MethodGet, "/acme/sign-in/users?q=%25", nil, nil).body, "nobody")
		require.Equal(t, http.StatusOK, b.send(t, ana, http.MethodGet, "/acme/sign-in/users?q=%ff", nil, nil).status)

		csrf := b.token(t, ana, "/workspaces/new")
		blocked := b.send(t, ana, http.MethodPost, "/acme/sign-in/users/"+subject, url.Values{"csrf": {csrf}, "blocked": {"1"}}, nil)
		require.Equal(t, http.StatusSeeOther, blocked.status)
		require.Equal(t, []string{subject}, b.ended)
		page = b.send(t, ana, http.MethodGet, "/acme/sign-in/users", nil, nil)
		require.Contains(t, page.body, "signed out everywhere")
		require.Contains(t, page.body, "Unblock")
		require.Contains(t, b.send(t, ana, http.MethodGet, "/acme/sign-in/"+p.ID+"/remove", nil, nil).body, "2 end users are forgotten")
		require.Equal(t, http.StatusSeeOther, b.send(t, ana, http.MethodPost, "/acme/sign-in/users/"+subject, url.Values{"csrf": {csrf}}, nil).status)
		require.NotContains(t, b.send(t, ana, http.MethodGet, "/acme/sign-in/users", nil, nil).body, "Unblock")
	})
}

// providerID is of addProvider's.
var providerID = "idp_" + strings.Repeat("0", 26)

// addProvider adds a sign-in provider.
func (b *testBundle) addProvider(t *testing.T, h tenancy.Handle, name string) {
	t.Helper()
	_, err := b.config.Providers.Create(t.Context(), h, providerID, idp.Input{Name: name, Issuer: oidc.New(t).Issuer, ClientID: "gateway", Enabled: true})
	require.NoError(t, err)
}
