package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/test/e2e/httpflow"
	fake "github.com/emcy/gateway/test/fakes/provider"
	"github.com/emcy/gateway/upstreams"
)

const profileSecret = "canary_downstream_secret"

// profileDesk is an owner who works on profiles.
type profileDesk struct {
	*testBundle
	t    *testing.T
	ana  *httpflow.Person
	h    tenancy.Handle
	csrf string
	fake *fake.Provider
}

func newProfileDesk(t *testing.T, env tenancytest.Env) *profileDesk {
	t.Helper()
	d := &profileDesk{testBundle: setup(t, env), t: t, fake: fake.New(t)}
	d.ana, d.h = d.owner(t, "Ana", "acme")
	d.csrf = d.token(t, d.ana, "/workspaces/new")
	return d
}

func (d *profileDesk) get(path string) *answer {
	return d.send(d.t, d.ana, http.MethodGet, path, nil, nil)
}

func (d *profileDesk) post(path string, form url.Values) *answer {
	form.Set("csrf", d.csrf)
	return d.send(d.t, d.ana, http.MethodPost, path, form, nil)
}

func (d *profileDesk) stored() (list []profiles.Profile) {
	d.t.Helper()
	require.NoError(d.t, d.DB.Read(d.t.Context(), d.h, func(tx *tenancy.Tx) (err error) {
		list, err = profiles.List(tx)
		return err
	}))
	return list
}

// form is the form of a profile of the fake; change names fields and values, "-" leaves one out.
func (d *profileDesk) form(change ...string) url.Values {
	v := url.Values{
		"kind": {"oauth"}, "preset": {"generic"}, "name": {"Todo API"}, "discovery": {"issuer"}, "issuer": {d.fake.Issuer}, "client_kind": {"preregistered"}, "client_id": {"gateway"},
		"auth_method": {"client_secret_basic"}, "client_secret": {profileSecret}, "key_alg": {"ES256"}, "match": {"any"}, "scope": {"openid"}, "scopes": {"todos.read  Read your <lists>\r\ntodos.write"},
		"authorize_params": {"prompt=consent\r\n"}, "keep_alive": {"7"}, "default_life": {"0"}, "refresh_life": {"30"}, "resource_on": {"authorize", "token", "refresh"}, "version": {"1"},
	}
	for i := 0; i < len(change); i += 2 {
		if v.Set(change[i], change[i+1]); change[i+1] == "-" {
			v.Del(change[i])
		}
	}
	return v
}

// fresh is the form's address of a new profile.
func (d *profileDesk) fresh(query string) (path, id string) {
	d.t.Helper()
	page := d.get("/acme/profiles/new")
	require.Equal(d.t, http.StatusOK, page.status)
	_, rest, found := strings.Cut(page.body, `href="/acme/profiles/new/`)
	require.True(d.t, found)
	id, _, _ = strings.Cut(rest, "?")
	return "/acme/profiles/new/" + id + query, id
}

func TestProfilesInTheConsole(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		d := newProfileDesk(t, env)
		require.Contains(t, d.get("/acme/profiles").body, "No profile yet")
		path, id := d.fresh("?preset=generic")
		page := d.get(path)
		require.Contains(t, page.body, "https://acme.mcp.test/connect/callback/"+id, "the redirect URI is there before the profile is")
		create := strings.TrimSuffix(path, "?preset=generic")

		refused := d.post(create, d.form("issuer", d.fake.Issuer+"/x", "authorize_params", "state=1"))
		require.Equal(t, http.StatusUnprocessableEntity, refused.status)
		for _, shown := range []string{"“state” is not one that may be added", "Type the secret again", "todos.read  Read your &lt;lists&gt;", `value="openid" checked`} {
			require.Contains(t, refused.body, shown)
		}
		require.NotContains(t, refused.body, profileSecret)
		for field, wrong := range map[string]string{"issuer": "http://169.254.169.254/", "keep_alive": "soon", "authorize_params": "prompt", "scopes": "é", "default_life": "-1"} {
			refused = d.post(create, d.form(field, wrong))
			require.Equal(t, http.StatusUnprocessableEntity, refused.status, field)
			require.Contains(t, refused.body, `aria-invalid="true"`, field)
		}
		d.fake.Fail("metadata", fake.HTML(http.StatusOK), 3)
		refused = d.post(create, d.form())
		require.Contains(t, refused.body, "provider", "what the provider did wrong is said")
		d.fake.Heal()
		require.Empty(t, d.stored())

		saved := d.post(create, d.form())
		require.Equal(t, "/acme/profiles/"+id, saved.header.Get("Location"), saved.body)
		p := d.stored()[0]
		require.Equal(t, []string{"openid", "todos.read", "todos.write"}, p.Settings.Scopes)
		require.Equal(t, map[string]string{"openid": "Know who you are", "todos.read": "Read your <lists>"}, p.Settings.ScopeText)
		require.Equal(t, map[string]string{"prompt": "consent"}, p.Settings.Style.Authorize)
		require.Nil(t, p.Settings.Style.ResourceOn)
		page = d.get("/acme/profiles/" + id)
		for _, shown := range []string{
			"Test the sign-in before you attach it", "https://acme.mcp.test/connect/" + id + "?trial=ticket", d.fake.Token, "https://acme.mcp.test/connect/callback/" + id, "gateway",
			"a secret, in the Authorization header", "/acme/grants?profile=" + id + "&amp;state=needs_reconnect", "at least every 7 days",
		} {
			require.Contains(t, page.body, shown)
		}
		require.NotContains(t, page.body, profileSecret)
		require.Contains(t, d.get("/acme/profiles").body, "Todo API")

		edit := d.get("/acme/profiles/" + id + "/edit")
		require.Equal(t, http.StatusOK, edit.status)
		require.NotContains(t, edit.body, profileSecret)
		ticked := d.form("name", "Renamed", "client_secret", "-", "scopes", "")
		ticked["scope"] = []string{"openid", "todos.read"}
		saved = d.post("/acme/profiles/"+id+"/edit", ticked)
		require.Equal(t, http.StatusSeeOther, saved.status, saved.body)
		p = d.stored()[0]
		require.Equal(t, "Renamed", p.Name)
		require.Equal(t, map[string]string{"openid": "Know who you are", "todos.read": "Read your <lists>"}, p.Settings.ScopeText, "words stay with a scope that is ticked again")
		conflict := d.post("/acme/profiles/"+id+"/edit", d.form("client_secret", "-"))
		require.Equal(t, http.StatusConflict, conflict.status)
		require.Contains(t, conflict.body, `name="version" value="2"`)
		moved := d.post("/acme/profiles/"+id+"/edit", d.form("issuer", fake.New(t).Issuer, "client_secret", "-", "version", "2"))
		require.Equal(t, http.StatusUnprocessableEntity, moved.status)
		require.Contains(t, moved.body, "another host now")
		require.Contains(t, moved.body, `name="client_secret"`)

		require.Equal(t, http.StatusSeeOther, d.post("/acme/profiles/"+id+"/discover", url.Values{}).status)
		d.fake.Fail("metadata", fake.Status(http.StatusInternalServerError), 5)
		require.Equal(t, http.StatusSeeOther, d.post("/acme/profiles/"+id+"/discover", url.Values{}).status)
		require.Contains(t, d.get("/acme/profiles/"+id).body, "cannot be used")
		d.fake.Heal()

		require.Equal(t, http.StatusUnprocessableEntity, d.post("/acme/profiles/"+id+"/remove", url.Values{"confirm": {"x"}}).status)
		require.Equal(t, http.StatusSeeOther, d.post("/acme/profiles/"+id+"/remove", url.Values{"confirm": {"Renamed"}}).status)
		require.Empty(t, d.stored())
	})
}

func TestTheClientOfAProfileIsReplaced(t *testing.T) {
	t.Parallel()
	d := newProfileDesk(t, tenancytest.SQLite(t))
	path, id := d.fresh("")
	require.Equal(t, http.StatusSeeOther, d.post(path, d.form()).status)
	at := "/acme/profiles/" + id + "/client"
	require.Contains(t, d.get(at).body, `value="gateway"`)
	form := url.Values{"client_kind": {"preregistered"}, "client_id": {"gateway"}, "auth_method": {"client_secret_post"}, "client_secret": {""}, "key_alg": {"ES256"}, "version": {"1"}}
	refused := d.post(at, form)
	require.Equal(t, http.StatusUnprocessableEntity, refused.status)
	require.Contains(t, refused.body, "Type the client secret")
	form.Set("auth_method", "private_key_jwt")
	saved := d.post(at, form)
	require.Equal(t, http.StatusSeeOther, saved.status, saved.body)
	page := d.get("/acme/profiles/" + id)
	for _, shown := range []string{"a signature by the gateway&#39;s key", "https://acme.mcp.test/oauth/client/" + id + "/jwks", "&#34;kty&#34;:&#34;EC&#34;", "Generation 1 has no grant any more"} {
		require.Contains(t, page.body, shown)
	}
	require.NotContains(t, page.body, "&#34;d&#34;:", "the private part is shown to nobody")
	require.Equal(t, http.StatusConflict, d.post(at, form).status)
	form.Set("version", "2")
	form.Set("client_kind", "cimd")
	require.Equal(t, http.StatusSeeOther, d.post(at, form).status)
	require.Contains(t, d.get("/acme/profiles/"+id).body, "Metadata document")
	form.Set("version", "3")
	form.Set("client_kind", "dcr")
	d.fake.Fail("register", fake.Refuse(http.StatusBadRequest, "invalid_redirect_uri", "Nobody knows acme.mcp.test"), 1)
	refused = d.post(at, form)
	require.Contains(t, refused.body, "The provider does not accept the redirect URI.")
	require.Contains(t, refused.body, "Nobody knows acme.mcp.test", "the provider's own words stand with their meaning")
	require.Equal(t, http.StatusSeeOther, d.post(at, form).status)
	require.Equal(t, "dcr", d.stored()[0].Client.Kind)
}

// TestEveryPresetsFormCanBeSent: what a preset fills in is accepted as it is, but for what it asks.
func TestEveryPresetsFormCanBeSent(t *testing.T) {
	t.Parallel()
	d := newProfileDesk(t, tenancytest.SQLite(t))
	for _, preset := range provider.Presets() {
		path, _ := d.fresh("?preset=" + preset.ID)
		page := d.get(path)
		require.Equal(t, http.StatusOK, page.status, preset.ID)
		for _, f := range preset.Fields {
			if f.Required {
				require.Contains(t, page.body, `name="preset.`+f.Name+`"`, preset.ID)
			}
		}
		if preset.Console != "" {
			require.Contains(t, page.body, preset.ConsoleHelp, preset.ID)
		}
		refused := d.post(strings.TrimSuffix(path, "?preset="+preset.ID), url.Values{"kind": {"oauth"}, "preset": {preset.ID}})
		require.Equal(t, http.StatusUnprocessableEntity, refused.status, preset.ID)
		for _, f := range preset.Fields {
			if f.Required {
				require.Contains(t, refused.body, f.Label+" is needed.", preset.ID)
			}
		}
	}
	path, id := d.fresh("?preset=keycloak")
	saved := d.post(strings.TrimSuffix(path, "?preset=keycloak"), d.form("preset", "keycloak", "preset.base", d.fake.Origin, "preset.realm", "acme"))
	require.Equal(t, http.StatusUnprocessableEntity, saved.status)
	require.Contains(t, saved.body, `value="`+d.fake.Origin+`"`, "what was typed stays")
	realm := fake.New(t, fake.As("keycloak"), fake.Tenant("acme"))
	saved = d.post(strings.TrimSuffix(path, "?preset=keycloak"), d.form("preset", "keycloak", "preset.base", realm.Origin, "preset.realm", "acme"))
	require.Equal(t, http.StatusSeeOther, saved.status, saved.body)
	require.Equal(t, realm.Issuer, d.stored()[0].Issuer)
	require.Contains(t, d.get("/acme/profiles/"+id).body, "Where the provider departs from the standards")
	require.Equal(t, http.StatusSeeOther, d.get("/acme/profiles/new/"+id+"?preset=myspace").status)
}

func TestOtherKindsOfProfiles(t *testing.T) {
	t.Parallel()
	d := newProfileDesk(t, tenancytest.SQLite(t))
	path, id := d.fresh("?kind=api_key")
	require.Contains(t, d.get(path).body, "Header that carries it")
	form := url.Values{"kind": {"api_key"}, "name": {"Acme keys"}, "key_label": {"Acme API key"}, "key_header": {"cookie"}, "key_format": {"Bearer {key}"}}
	create := strings.TrimSuffix(path, "?kind=api_key")
	require.Contains(t, d.post(create, form).body, "The gateway sets this header itself.")
	form.Set("key_header", "authorization")
	require.Equal(t, http.StatusSeeOther, d.post(create, form).status)
	page := d.get("/acme/profiles/" + id)
	require.Contains(t, page.body, "sent as Authorization")
	require.NotContains(t, page.body, "trial=")
	require.Equal(t, http.StatusOK, d.get("/acme/profiles/"+id+"/edit").status)

	path, id = d.fresh("?kind=exchange")
	require.Contains(t, d.get(path).body, "RFC 8693")
	create = strings.TrimSuffix(path, "?kind=exchange")
	require.Contains(t, d.post(create, d.form("kind", "exchange")).body, "Name the audience or the resource")
	require.Equal(t, http.StatusSeeOther, d.post(create, d.form("kind", "exchange", "exchange_audience", "todo-api")).status)
	require.Contains(t, d.get("/acme/profiles/"+id).body, "todo-api")
}

func TestAccessOfARuntime(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		d := newProfileDesk(t, env)
		d.addRuntime(t, d.ana, "acme", "todos")
		runtime, err := d.config.Upstreams.Get(t.Context(), d.h, "todos")
		require.NoError(t, err)
		p, err := d.config.Profiles.Create(t.Context(), d.h, profiles.NewID(), profiles.Input{
			Name: "Todo API", Kind: profiles.KindOAuth, Preset: "generic", Issuer: d.fake.Issuer,
			Settings: profiles.Settings{Discovery: profiles.ByIssuer, Scopes: []string{"openid", "read", "write", "admin"}, ScopeText: map[string]string{"admin": "Do everything"}},
			Client:   profiles.ClientInput{Kind: profiles.Preregistered, ID: "gateway", AuthMethod: profiles.AuthBasic, Secret: secret.New(profileSecret)},
		})
		require.NoError(t, err)
		at := "/acme/runtimes/todos/access"
		require.Contains(t, d.get("/acme/runtimes/todos").body, `href="`+at+`"`)
		page := d.get(at)
		require.Contains(t, page.body, "No token")
		require.Contains(t, page.body, `value="`+p.ID+`"`)
		page = d.get(at + "?profile=" + p.ID)
		for _, shown := range []string{`value="openid" checked`, "Do everything", "Listing works, calls do not", "Scopes of single tools", upstreams.ToolID("echo") + " admin"} {
			require.Contains(t, page.body, shown)
		}
		require.Equal(t, http.StatusNotFound, d.get(at+"?profile="+profiles.NewID()).status)

		form := url.Values{"profile": {p.ID}, "scope": {"read", "root"}, "needed_for": {"everything"}, "tool_scope": {upstreams.ToolID("echo") + " admin", "tol_none write"}, "version": {"0"}}
		refused := d.post(at, form)
		require.Equal(t, http.StatusUnprocessableEntity, refused.status)
		require.Contains(t, refused.body, "does not allow the scope “root”")
		form["scope"] = []string{"read"}
		require.Equal(t, http.StatusSeeOther, d.post(at, form).status)
		attached := func() (a profiles.Attachment, ok bool) {
			require.NoError(t, d.DB.Read(t.Context(), d.h, func(tx *tenancy.Tx) (err error) {
				a, _, ok, err = profiles.Attached(tx, runtime.ID)
				return err
			}))
			return a, ok
		}
		a, _ := attached()
		require.Equal(t, profiles.Attachment{UpstreamID: runtime.ID, ProfileID: p.ID, Scopes: []string{"read"}, ToolScopes: map[string][]string{"echo": {"admin"}}, NeededFor: "everything", Version: 1}, a)
		page = d.get(at)
		require.Contains(t, page.body, `name="version" value="1"`)
		require.Contains(t, page.body, "Choose another")
		require.Contains(t, d.get("/acme/profiles/"+p.ID).body, "1 tool needs more")
		require.Contains(t, d.get(at+"?choose=1").body, `value="`+p.ID+`" checked`)
		require.Equal(t, http.StatusConflict, d.post(at, form).status, "it changed meanwhile")
		require.Contains(t, d.get("/acme/profiles/"+p.ID+"/remove").body, "It is attached to 1 runtime")
		require.Equal(t, http.StatusConflict, d.post("/acme/profiles/"+p.ID+"/remove", url.Values{"confirm": {"Todo API"}}).status)

		// Who may not say which runtime gets people's access does not send it to another host either.
		mover := d.person(t, "Mover")
		d.join(t, d.h, mover, "developer")
		moving, err := mustOpen(t, mover, "/acme/runtimes/todos/edit").Form("name", "url", "version")
		require.NoError(t, err)
		stays, err := mover.Browser.Submit(t.Context(), moving.Set("url", "http://127.0.0.1:9/elsewhere"))
		require.NoError(t, err)
		require.Equal(t, http.StatusUnprocessableEntity, stays.Status)
		require.Contains(t, string(stays.Body), "would go to another host")

		require.Contains(t, d.get(at+"?profile=none").body, "Todo API is attached now")
		require.Equal(t, http.StatusSeeOther, d.post(at, url.Values{"profile": {""}, "version": {"1"}}).status)
		_, ok := attached()
		require.False(t, ok)

		// A developer looks and does not change.
		dev := d.person(t, "Dev")
		d.join(t, d.h, dev, "developer")
		looks := d.send(t, dev, http.MethodGet, "/acme/profiles/"+p.ID, nil, nil)
		require.Equal(t, http.StatusOK, looks.status)
		require.NotContains(t, looks.body, "trial=")
		token := url.Values{"csrf": {d.token(t, dev, "/workspaces/new")}}
		for _, path := range []string{at, "/acme/profiles/" + p.ID + "/edit", "/acme/profiles/" + p.ID + "/discover", "/acme/profiles/" + p.ID + "/client", "/acme/profiles/" + p.ID + "/remove"} {
			require.Equal(t, http.StatusForbidden, d.send(t, dev, http.MethodPost, path, token, nil).status, path)
		}
	})
}
