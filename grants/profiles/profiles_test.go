package profiles_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

func TestAProfileIsDiscoveredAndItsSecretSealed(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		p := b.create()
		require.Equal(b, b.fake.Token, p.Endpoints().Token)
		require.NotNil(b, p.DiscoveredAt)
		require.Equal(b, profiles.ClientInfo{
			Kind: profiles.Preregistered, ID: "gateway", Generation: 1, AuthMethod: profiles.AuthBasic, HasSecret: true, CreatedAt: p.Client.CreatedAt,
		}, p.Client)
		require.Equal(b, p, b.get(p.ID))
		c, err := b.config(p.ID, 0)
		require.NoError(b, err)
		require.Equal(b, typedSecret, c.Client.Secret.Reveal())
		require.Equal(b, b.origin+"/connect/callback/"+p.ID, c.RedirectURI)
		require.Equal(b, b.fake.Token, c.Endpoints.Token)
		require.Empty(b, tenancytest.Find(b.T, b.Env, typedSecret), "sealed, and in no audit entry")
		require.Contains(b, b.audited(), "profile.create")

		_, err = b.profiles.Create(b.Context(), b.a, p.ID, b.input())
		b.kind(err, errs.Conflict)
		_, err = b.profiles.Create(b.Context(), b.a, "prf_x", b.input())
		b.kind(err, errs.NotFound)
	})
}

// TestAMovedRowDoesNotOpen: a secret is bound to its profile and generation (security.md, section 4).
func TestAMovedRowDoesNotOpen(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		one, two := b.create(), b.create(func(in *profiles.Input) { in.Client.Secret = secret.New("canary_second_secret") })
		var rows []sealedRow
		b.read(func(tx *tenancy.Tx) error {
			return tx.DB().Where("profile_id = ?", one.ID).Find(&rows).Error
		})
		require.Len(b, rows, 1)
		require.NoError(b, b.DB.Write(b.Context(), b.a, func(tx *tenancy.Tx) error {
			return tx.DB().Model(&sealedRow{}).Where("profile_id = ?", two.ID).Update("client_secret", rows[0].ClientSecret).Error
		}))
		_, err := b.config(two.ID, 0)
		b.kind(err, errs.Internal)
		require.NotContains(b, err.Error(), "canary")
		_, err = b.config(one.ID, 0)
		require.NoError(b, err)
	})
}

type sealedRow struct {
	TenantID, ProfileID string
	Generation          int
	ClientSecret        []byte
}

func (sealedRow) TableName() string { return "profile_clients" }

func TestProfileFieldsAreRefused(t *testing.T) {
	t.Parallel()
	b := newBundle(t, tenancytest.SQLite(t))
	for name, c := range map[string]struct {
		change func(in *profiles.Input)
		field  string
		text   string
	}{
		"no name":                    {func(in *profiles.Input) { in.Name = " \u200b" }, "name", "needed"},
		"no kind":                    {func(in *profiles.Input) { in.Kind = "saml" }, "kind", "Choose"},
		"no preset":                  {func(in *profiles.Input) { in.Preset = "myspace" }, "preset", "Choose a preset"},
		"issuer that is no URL":      {func(in *profiles.Input) { in.Issuer = "login.example.com" }, "issuer", "refused"},
		"issuer of another scheme":   {func(in *profiles.Input) { in.Issuer = "ftp://login.example.com" }, "issuer", "only https"},
		"issuer with a query":        {func(in *profiles.Input) { in.Issuer = "https://login.example.com?x" }, "issuer", "no query"},
		"issuer with the well-known": {func(in *profiles.Input) { in.Issuer = "https://x.example/.well-known/openid-configuration" }, "issuer", "without /.well-known/"},
		"issuer with a password":     {func(in *profiles.Input) { in.Issuer = "https://u:p@login.example.com" }, "issuer", "password"},
		"issuer with braces":         {func(in *profiles.Input) { in.Issuer = "https://{tenant}.example.com" }, "issuer", "braces"},
		"metadata address":           {func(in *profiles.Input) { in.Issuer = "http://169.254.169.254" }, "issuer", "refused"},
		"no way of discovery":        {func(in *profiles.Input) { in.Discovery = "guess" }, "discovery", "Choose"},
		"manual without a token endpoint": {func(in *profiles.Input) {
			in.Discovery, in.Settings.Endpoints.Authorization = profiles.Manual, "https://login.example.com/authorize"
		}, "token_endpoint", "needed"},
		"manual endpoint that is none": {func(in *profiles.Input) {
			in.Discovery, in.Settings.Endpoints = profiles.Manual, provider.Endpoints{Authorization: "javascript:alert(1)", Token: "https://x.example/token"}
		}, "authorization_endpoint", "refused"},
		"manual with a fragment": {func(in *profiles.Input) {
			in.Discovery, in.Settings.Endpoints = profiles.Manual, provider.Endpoints{Authorization: "https://x.example/a#b", Token: "https://x.example/token"}
		}, "authorization_endpoint", "fragment"},
		"an ID token that nobody can check": {func(in *profiles.Input) {
			in.Discovery, in.Issuer = profiles.Manual, ""
			in.Settings.Endpoints = provider.Endpoints{Authorization: "https://x.example/a", Token: "https://x.example/token"}
			in.Style.Identity.From = provider.FromIDToken
		}, "issuer", "only where the issuer is known"},
		"a scope with a blank":     {func(in *profiles.Input) { in.Scopes = []string{"a b"} }, "scopes", "no scope"},
		"a scope with a quote":     {func(in *profiles.Input) { in.Scopes = []string{`a"b`} }, "scopes", "no scope"},
		"a scope with a letter":    {func(in *profiles.Input) { in.Scopes = []string{"é"} }, "scopes", "no scope"},
		"a separator":              {func(in *profiles.Input) { in.Style.ScopeSeparator = "&" }, "scope_separator", "one of"},
		"a resource that is none":  {func(in *profiles.Input) { in.Style.Resource = "https://api.example/#x" }, "resource", "fragment"},
		"resource and no resource": {func(in *profiles.Input) { in.Style.Resource, in.Style.OmitResource = "https://api.example/", true }, "resource", "not both"},
		"a long keep-alive":        {func(in *profiles.Input) { in.KeepAlive = 1 << 62 }, "keep_alive", "180"},
		"an unknown match":         {func(in *profiles.Input) { in.Match = "name" }, "match", "Choose"},
		"sign-in without identity": {func(in *profiles.Input) { in.SignIn, in.Style.Identity.From = true, provider.FromNone }, "identity_from", "cannot sign in"},
		"e-mail without identity":  {func(in *profiles.Input) { in.Match, in.Style.Identity.From = profiles.MatchEmail, provider.FromNone }, "identity_from", "compared"},
		"identity of an odd URL":   {func(in *profiles.Input) { in.Style.Identity.URL = "file:///etc/passwd" }, "identity_url", "refused"},
		"no client kind":           {func(in *profiles.Input) { in.Client.Kind = "" }, "client_kind", "Choose"},
		"no client id":             {func(in *profiles.Input) { in.Client.ID = "" }, "client_id", "needed"},
		"no way of proof":          {func(in *profiles.Input) { in.Client.AuthMethod = "tls_client_auth" }, "auth_method", "Choose"},
		"no secret":                {func(in *profiles.Input) { in.Client.Secret = secret.Text{} }, "client_secret", "Type the client secret"},
		"a secret for nothing":     {func(in *profiles.Input) { in.Client.AuthMethod = profiles.AuthNone }, "client_secret", "uses no secret"},
		"a secret of two lines":    {func(in *profiles.Input) { in.Client.Secret = secret.New("a\nb") }, "client_secret", "cannot be"},
		"an exchange for nobody":   {func(in *profiles.Input) { in.Kind = profiles.KindExchange }, "exchange_audience", "audience or the resource"},
		"a key without a header": {func(in *profiles.Input) {
			in.Kind, in.APIKey = profiles.KindAPIKey, profiles.KeyRule{Label: "Key"}
		}, "key_header", "Name the header"},
		"a key in a header of ours": {func(in *profiles.Input) {
			in.Kind, in.APIKey = profiles.KindAPIKey, profiles.KeyRule{Label: "Key", Header: "x-emcy-subject"}
		}, "key_header", "sets this header itself"},
		"a key in a cookie": {func(in *profiles.Input) {
			in.Kind, in.APIKey = profiles.KindAPIKey, profiles.KeyRule{Label: "Key", Header: "Cookie"}
		}, "key_header", "sets this header itself"},
		"a format without the key": {func(in *profiles.Input) {
			in.Kind, in.APIKey = profiles.KindAPIKey, profiles.KeyRule{Label: "Key", Header: "Authorization", Format: "Bearer"}
		}, "key_format", "{key}"},
		"a format of two lines": {func(in *profiles.Input) {
			in.Kind, in.APIKey = profiles.KindAPIKey, profiles.KeyRule{Label: "Key", Header: "Authorization", Format: "{key}\r\nX: y"}
		}, "key_format", "header"},
		"a check at an odd URL": {func(in *profiles.Input) {
			in.Kind, in.APIKey = profiles.KindAPIKey, profiles.KeyRule{Label: "Key", Header: "Authorization", CheckURL: "gopher://x"}
		}, "key_check_url", "refused"},
	} {
		_, err := b.profiles.Create(t.Context(), b.a, profiles.NewID(), b.input(c.change))
		require.Error(t, err, name)
		require.Contains(t, errs.FieldsOf(err)[c.field], c.text, "%s: %v", name, errs.FieldsOf(err))
	}
	for _, reserved := range []string{
		"client_id", "redirect_uri", "state", "code_challenge", "response_type", "scope", "nonce", "code", "grant_type", "refresh_token", "client_secret",
		"client_assertion", "request_uri", "response_mode", "State", "x y", "",
	} {
		for field, set := range map[string]func(*provider.Style, map[string]string){
			"authorize_params": func(s *provider.Style, p map[string]string) { s.Authorize = p },
			"token_params":     func(s *provider.Style, p map[string]string) { s.Token = p },
		} {
			_, err := b.profiles.Create(t.Context(), b.a, profiles.NewID(), b.input(func(in *profiles.Input) { set(&in.Style, map[string]string{reserved: "x"}) }))
			require.NotEmpty(t, errs.FieldsOf(err)[field], "%s as one of %s", reserved, field)
		}
	}
	require.Zero(t, b.fake.Asked("metadata"), "nobody is asked about a form that will not do")
}

// TestPlainHTTPAndPrivateAddressesAreTheInstallations: a gateway that is not on a person's own machine refuses both.
func TestPlainHTTPAndPrivateAddressesAreTheInstallations(t *testing.T) {
	t.Parallel()
	b := newBundle(t, tenancytest.SQLite(t))
	strict := profiles.New(profiles.Options{DB: b.DB, Outbound: outbound.New(outbound.Config{}), Origin: func(*tenancy.Tx) (string, error) { return b.origin, nil }})
	_, err := strict.Create(t.Context(), b.a, profiles.NewID(), b.input(func(in *profiles.Input) { in.Issuer = "http://login.example.com" }))
	b.field(err, "issuer", "only https")
	_, err = strict.Create(t.Context(), b.a, profiles.NewID(), b.input(func(in *profiles.Input) {
		in.Discovery, in.Settings.Endpoints = profiles.Manual, provider.Endpoints{Authorization: "https://10.0.0.1/a", Token: "https://[::1]/t"}
	}))
	b.field(err, "authorization_endpoint", "refused")
	b.field(err, "token_endpoint", "refused")
}

func TestTheProvidersErrorIsSaidWithItsMeaning(t *testing.T) {
	t.Parallel()
	b := newBundle(t, tenancytest.SQLite(t))
	for name, c := range map[string]struct {
		issuer string
		fault  *fake.Fault
		text   string
	}{
		"another issuer":  {issuer: b.fake.Issuer + "/", text: "ssuer"},
		"nobody there":    {issuer: "http://127.0.0.1:1", text: "provider"},
		"no metadata":     {fault: ptr(fake.Status(http.StatusNotFound)), text: "metadata"},
		"a page":          {fault: ptr(fake.HTML(http.StatusOK)), text: "rovider"},
		"it has problems": {fault: ptr(fake.Status(http.StatusServiceUnavailable)), text: "rovider"},
	} {
		b.fake.Heal()
		if c.fault != nil {
			b.fake.Fail("metadata", *c.fault, -1)
		}
		_, err := b.profiles.Create(t.Context(), b.a, profiles.NewID(), b.input(func(in *profiles.Input) {
			if c.issuer != "" {
				in.Issuer = c.issuer
			}
		}))
		require.Error(t, err, name)
		require.Contains(t, errs.FieldsOf(err)["issuer"], c.text, name)
	}
	b.read(func(tx *tenancy.Tx) error {
		list, err := profiles.List(tx)
		require.Empty(t, list)
		return err
	})
}

func ptr[T any](v T) *T { return &v }

// TestTheAuthorizationServerOfARuntimeIsFound: RFC 9728 from a runtime that asks for OAuth tokens itself.
func TestTheAuthorizationServerOfARuntimeIsFound(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		runtime := resourceServer(b)
		p := b.create(func(in *profiles.Input) {
			in.Issuer, in.Discovery, in.ResourceURL, in.Scopes = "", profiles.ByResource, runtime.URL+"/mcp", nil
		})
		require.Equal(b, b.fake.Issuer, p.Issuer)
		require.Equal(b, runtime.URL+"/mcp", p.Settings.Style.Resource)
		require.Equal(b, []string{"todos.read"}, p.Settings.Scopes)
		require.Equal(b, b.fake.Authorization, p.Endpoints().Authorization)

		in := b.input(func(in *profiles.Input) { in.Settings = p.Settings })
		in.Name, in.Issuer = "Renamed", ""
		changed, err := b.profiles.Update(b.Context(), b.a, p.ID, in, p.Version)
		require.NoError(b, err, "%v", errs.FieldsOf(err))
		require.Equal(b, b.fake.Issuer, changed.Issuer, "the issuer is not typed and stays")

		_, err = b.profiles.Create(b.Context(), b.a, profiles.NewID(), b.input(func(in *profiles.Input) {
			in.Discovery, in.ResourceURL = profiles.ByResource, b.fake.API
		}))
		b.field(err, "resource_url", "metadata")
	})
}

// resourceServer is a runtime that asks for tokens of the fake.
func resourceServer(b *bundle) *httptest.Server {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	mux.HandleFunc("/mcp", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+server.URL+`/meta"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("/meta", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"resource":"` + server.URL + `/mcp","authorization_servers":["` + b.fake.Issuer + `"],"scopes_supported":["todos.read"]}`))
	})
	return server
}
