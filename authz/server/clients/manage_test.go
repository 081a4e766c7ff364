package clients_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

func TestRegistrationMethods(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		for body, method := range map[string]string{
			`{"redirect_uris":["http://localhost/cb"]}`:                                                                                      "none",
			`{"redirect_uris":["cursor://anysphere.cursor-mcp/cb","http://127.0.0.1/"]}`:                                                     "none",
			`{"redirect_uris":["https://app.example/cb"]}`:                                                                                   "client_secret_basic",
			`{"redirect_uris":["http://localhost/cb","https://app.example/cb"]}`:                                                             "client_secret_basic",
			`{"redirect_uris":["https://claude.ai/cb"],"token_endpoint_auth_method":"client_secret_post"}`:                                   "client_secret_post",
			`{"redirect_uris":["http://localhost/cb"],"token_endpoint_auth_method":"client_secret_basic"}`:                                   "client_secret_basic",
			`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none"}`:                                               "none",
			`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"none","jwks_uri":"https://app.example/j"}`:            "none",
			`{"redirect_uris":["https://app.example/cb"],"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"https://app.example/j"}`: "private_key_jwt",
		} {
			out := b.register(body)
			require.Equal(b.t, method, out.TokenEndpointAuthMethod, body)
			secret := strings.HasPrefix(method, "client_secret")
			require.Equal(b.t, secret, out.ClientSecret != "", body)
			require.Equal(b.t, secret, out.ClientSecretExpiresAt != nil, body)
			require.Equal(b.t, method == "private_key_jwt", out.JWKSURI != "", body)
			raw, err := json.Marshal(out)
			require.NoError(b.t, err)
			require.Equal(b.t, secret, strings.Contains(string(raw), `"client_secret"`), string(raw))
			require.Equal(b.t, secret, strings.Contains(string(raw), `"client_secret_expires_at":0`), string(raw))
			require.NotContains(b.t, string(raw), "software_statement")
			require.NotContains(b.t, string(raw), `"jwks"`)
			if secret {
				require.Regexp(b.t, "^[A-Za-z0-9_-]+$", out.ClientSecret)
			}
		}
		const redirect = `{"redirect_uris":["https://app.example/cb"],`
		for body, want := range map[string]string{
			redirect + `"token_endpoint_auth_method":"client_secret_jwt"}`:                                                     "invalid_client_metadata",
			redirect + `"token_endpoint_auth_method":"tls_client_auth"}`:                                                       "invalid_client_metadata",
			redirect + `"token_endpoint_auth_method":"private_key_jwt"}`:                                                       "invalid_client_metadata",
			redirect + `"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]}}`:                                    "invalid_client_metadata",
			redirect + `"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"oct","k":"AA"}]}}`:              "invalid_client_metadata",
			redirect + `"token_endpoint_auth_method":"private_key_jwt","jwks":"x"}`:                                            "invalid_client_metadata",
			redirect + `"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"javascript:x"}`:                             "invalid_client_metadata",
			redirect + `"token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]},"jwks_uri":"https://app.example/j"}`: "invalid_client_metadata",
			redirect + `"jwks":{"keys":[]},"jwks_uri":"https://app.example/j"}`:                                                "invalid_client_metadata",
			redirect + `"software_statement":"eyJhbGciOiJub25lIn0.e30."}`:                                                      "unapproved_software_statement",
			redirect + `"software_statement":{}}`:                                                                              "unapproved_software_statement",
			`{"redirect_uris":["javascript:alert(1)","data:text/html,x"]}`:                                                     "invalid_redirect_uri",
		} {
			_, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, body))
			require.Equal(b.t, want, code(b.t, err), body)
		}
		b.register(redirect + `"software_statement":null,"jwks":null}`)
	})
}

// TestC1RegistrationModes is the workspace's word about who may register.
func TestC1RegistrationModes(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		const all = `{"redirect_uris":["https://app.example/cb","http://localhost:1/cb","cursor://anysphere.cursor-mcp/cb","https://evil-app.example/cb","https://app.example.evil/cb"]}`
		for _, c := range []struct {
			mode settings.Mode
			want []string
		}{
			{settings.On, []string{"https://app.example/cb", "http://localhost:1/cb", "cursor://anysphere.cursor-mcp/cb", "https://evil-app.example/cb", "https://app.example.evil/cb"}},
			{settings.Loopback, []string{"http://localhost:1/cb"}},
			{settings.Listed, []string{"https://app.example/cb"}},
		} {
			b.set(func(s *settings.Settings) { s.DCR, s.DCRHosts = c.mode, []string{"app.example"} })
			require.Equal(b.t, c.want, b.register(all).RedirectURIs, c.mode)
			if c.mode != settings.On {
				_, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, `{"redirect_uris":["https://evil.example/cb"]}`))
				require.Equal(b.t, "invalid_redirect_uri", code(b.t, err))
			}
		}
		b.set(func(s *settings.Settings) { s.DCR = settings.Off })
		_, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, all))
		require.ErrorIs(b.t, err, clients.ErrRegistrationOff)

		b.set(func(s *settings.Settings) { s.DCR, s.Review = settings.On, true })
		waits := b.register(all)
		_, err = b.clients.Find(b.t.Context(), b.h, waits.ClientID)
		require.Equal(b.t, clients.Waiting, refused(b.t, err).Reason)
		b.write(func(tx *tenancy.Tx) error { return b.clients.SetStatus(tx, waits.ClientID, clients.Active) })
		_, err = b.clients.Find(b.t.Context(), b.h, waits.ClientID)
		require.NoError(b.t, err)
		_, err = b.clients.Find(b.t.Context(), b.b, waits.ClientID)
		require.Equal(b.t, clients.Unknown, refused(b.t, err).Reason, "of another workspace")
	})
}

func change(t *testing.T, body string) clients.Change {
	t.Helper()
	var c clients.Change
	require.NoError(t, json.Unmarshal([]byte(body), &c))
	return c
}

// TestC2Management: a registration is its client's own, and what it becomes ends what
// people agreed to.
func TestC2Management(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		ctx := b.t.Context()
		made := b.register(`{"redirect_uris":["https://app.example/cb"],"client_name":"An app","token_endpoint_auth_method":"client_secret_post"}`)
		other := b.register(`{"redirect_uris":["https://app.example/cb"]}`)
		id, token := made.ClientID, made.RegistrationAccessToken
		require.Equal(b.t, issuer+"/register/"+id, made.RegistrationClientURI)
		for name, c := range map[string]struct {
			h         tenancy.Handle
			id, token string
		}{
			"another client's token": {b.h, id, other.RegistrationAccessToken}, "no token": {b.h, id, ""}, "the secret": {b.h, id, made.ClientSecret}, "a made-up token": {b.h, id, "emc_rat_x"},
			"another workspace": {b.b, id, token}, "unknown client": {b.h, "cli_unknown", token}, "NUL": {b.h, id + "\x00", token},
		} {
			_, err := b.clients.ReadRegistration(ctx, c.h, issuer, c.id, c.token)
			require.ErrorIs(b.t, err, clients.ErrManagement, name)
			_, err = b.clients.UpdateRegistration(ctx, c.h, issuer, c.id, c.token, change(b.t, `{"client_id":"`+id+`","redirect_uris":["https://evil.example/cb"]}`))
			require.ErrorIs(b.t, err, clients.ErrManagement, name)
			require.ErrorIs(b.t, b.clients.DeleteRegistration(ctx, c.h, c.id, c.token), clients.ErrManagement, name)
		}
		read, err := b.clients.ReadRegistration(ctx, b.h, issuer, id, token)
		require.NoError(b.t, err)
		want := made
		want.ClientSecret = ""
		require.Equal(b.t, want, read, "all but the secret, of which only the hash is kept")

		for name, body := range map[string]string{
			"no client_id": `{}`, "another client_id": `{"client_id":"` + other.ClientID + `"}`, "a token": `{"client_id":"` + id + `","registration_access_token":"x"}`,
			"an address": `{"client_id":"` + id + `","registration_client_uri":"https://x"}`, "an expiry": `{"client_id":"` + id + `","client_secret_expires_at":0}`, "an issue time": `{"client_id":"` + id + `","client_id_issued_at":1}`,
			"a chosen secret": `{"client_id":"` + id + `","client_secret":"mine"}`,
		} {
			ch := change(b.t, body)
			ch.RedirectURIs = []string{"https://app.example/cb"}
			_, err := b.clients.UpdateRegistration(ctx, b.h, issuer, id, token, ch)
			require.Equal(b.t, "invalid_client_metadata", code(b.t, err), name)
		}
		_, err = b.clients.UpdateRegistration(ctx, b.h, issuer, id, token, change(b.t, `{"client_id":"`+id+`","redirect_uris":["javascript:x"]}`))
		require.Equal(b.t, "invalid_redirect_uri", code(b.t, err))

		family := b.family(id)
		renamed, err := b.clients.UpdateRegistration(ctx, b.h, issuer, id, token, change(b.t, `{"client_id":"`+id+`","client_secret":"`+made.ClientSecret+`","redirect_uris":["https://app.example/cb"],"client_name":"A better app","token_endpoint_auth_method":"client_secret_post"}`))
		require.NoError(b.t, err)
		require.Equal(b.t, "A better app", renamed.ClientName)
		require.Empty(b.t, renamed.ClientSecret)
		require.NotNil(b.t, renamed.ClientSecretExpiresAt)
		require.Equal(b.t, made.ClientIDIssuedAt, renamed.ClientIDIssuedAt)
		require.Empty(b.t, family(), "a name is no other client")
		_, err = b.authenticate(clients.Credentials{ClientID: id, Secret: made.ClientSecret})
		require.NoError(b.t, err)
		_, err = b.clients.ReadRegistration(ctx, b.h, issuer, id, token)
		require.ErrorIs(b.t, err, clients.ErrManagement, "the token was replaced")

		token = renamed.RegistrationAccessToken
		moved, err := b.clients.UpdateRegistration(ctx, b.h, issuer, id, token, change(b.t, `{"client_id":"`+id+`","redirect_uris":["https://evil.example/cb"],"token_endpoint_auth_method":"none"}`))
		require.NoError(b.t, err)
		require.Equal(b.t, "the client's metadata changed", family())
		require.Nil(b.t, moved.ClientSecretExpiresAt)
		require.Empty(b.t, moved.ClientName, "what is left out goes")
		_, err = b.authenticate(clients.Credentials{ClientID: id, Secret: made.ClientSecret})
		require.Equal(b.t, "invalid_client", code(b.t, err))
		back, err := b.clients.UpdateRegistration(ctx, b.h, issuer, id, moved.RegistrationAccessToken, change(b.t, `{"client_id":"`+id+`","redirect_uris":["https://evil.example/cb"],"token_endpoint_auth_method":"client_secret_basic"}`))
		require.NoError(b.t, err)
		require.NotEmpty(b.t, back.ClientSecret)
		require.NotEqual(b.t, made.ClientSecret, back.ClientSecret)
		_, err = b.authenticate(clients.Credentials{ClientID: id, Secret: back.ClientSecret, Basic: true})
		require.NoError(b.t, err)

		b.write(func(tx *tenancy.Tx) error { return b.clients.SetStatus(tx, id, clients.Blocked) })
		err = b.clients.DeleteRegistration(ctx, b.h, id, back.RegistrationAccessToken)
		require.Equal(b.t, "access_denied", code(b.t, err), "nobody gets rid of a block")
		b.write(func(tx *tenancy.Tx) error { return b.clients.SetStatus(tx, id, clients.Active) })
		family = b.family(id)
		require.NoError(b.t, b.clients.DeleteRegistration(ctx, b.h, id, back.RegistrationAccessToken))
		require.Equal(b.t, "the client deleted its registration", family())
		_, ok := b.load(id)
		require.False(b.t, ok)
		require.ErrorIs(b.t, b.clients.DeleteRegistration(ctx, b.h, id, back.RegistrationAccessToken), clients.ErrManagement)
	})
}

func TestPreregistered(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		var c clients.Client
		var secret string
		b.write(func(tx *tenancy.Tx) (err error) {
			c, secret, err = b.clients.Preregister(tx, clients.Spec{Name: "Claude ", RedirectURIs: []string{"https://claude.ai/api/mcp/auth_callback"}, AuthMethod: clients.AuthPost, Scope: []string{"mcp"}, PARRequired: true})
			return err
		})
		require.Equal(b.t, "Claude", c.Name)
		require.Equal(b.t, clients.KindPreregistered, c.Kind)
		require.Equal(b.t, b.h.Actor().ID, c.CreatedBy)
		require.True(b.t, c.PARRequired)
		require.Nil(b.t, c.Known)
		require.Equal(b.t, []string{"mcp"}, []string(c.Scope))
		try := func(secret string, basic bool) error {
			_, err := b.authenticate(clients.Credentials{ClientID: c.ID, Secret: secret, Basic: basic})
			return err
		}
		require.NoError(b.t, try(secret, false))
		require.NoError(b.t, try(secret, true), "nobody knows beforehand which of the two an app uses")
		require.Error(b.t, try("", false))

		var next, last string
		b.write(func(tx *tenancy.Tx) (err error) {
			next, err = b.clients.RotateSecret(tx, c.ID)
			return err
		})
		b.Clock.Advance(clients.SecretOverlap - time.Second)
		require.NoError(b.t, try(secret, false))
		require.NoError(b.t, try(next, false))
		b.Clock.Advance(time.Second)
		require.Error(b.t, try(secret, false))
		require.NoError(b.t, try(next, false))
		b.write(func(tx *tenancy.Tx) (err error) {
			last, err = b.clients.RotateSecret(tx, c.ID)
			require.NoError(b.t, err)
			last, err = b.clients.RotateSecret(tx, c.ID)
			return err
		})
		require.Error(b.t, try(next, false), "only the one before")
		require.NoError(b.t, try(last, false))

		family := b.family(c.ID)
		got, ok := b.load(c.ID)
		require.True(b.t, ok)
		update := func(version int64, spec clients.Spec) (out clients.Client, secret string, err error) {
			err = b.DB.Write(b.t.Context(), b.h, func(tx *tenancy.Tx) (err error) {
				out, secret, err = b.clients.Update(tx, c.ID, version, spec)
				return err
			})
			return out, secret, err
		}
		spec := clients.Spec{Name: "Claude of ours", RedirectURIs: got.RedirectURIs, AuthMethod: clients.AuthPost}
		_, _, err := update(got.Version-1, spec)
		require.True(b.t, errs.Is(err, errs.Stale), "%v", err)
		updated, none, err := update(got.Version, spec)
		require.NoError(b.t, err)
		require.Empty(b.t, none)
		require.Equal(b.t, "Claude of ours", updated.Name)
		require.Nil(b.t, updated.Scope, "all")
		require.False(b.t, updated.PARRequired)
		require.Empty(b.t, family())
		require.NoError(b.t, try(last, false))
		spec.RedirectURIs = []string{"https://other.example/cb"}
		updated, _, err = update(updated.Version, spec)
		require.NoError(b.t, err)
		require.Equal(b.t, "the client was changed", family())
		spec.AuthMethod = clients.AuthNone
		updated, _, err = update(updated.Version, spec)
		require.NoError(b.t, err)
		require.Error(b.t, try(last, false))
		spec.AuthMethod = clients.AuthBasic
		_, fresh, err := update(updated.Version, spec)
		require.NoError(b.t, err)
		require.NoError(b.t, try(fresh, true))

		family = b.family(c.ID)
		b.write(func(tx *tenancy.Tx) error { return b.clients.SetStatus(tx, c.ID, clients.Blocked) })
		require.Equal(b.t, "an administrator blocked the client", family())
		require.Error(b.t, try(fresh, true))
		b.write(func(tx *tenancy.Tx) error { return b.clients.Delete(tx, c.ID) })
		_, ok = b.load(c.ID)
		require.False(b.t, ok)
		for _, action := range []string{"create", "rotate_secret", "update", "blocked", "delete"} {
			require.Contains(b.t, b.audited(), "client."+action+" "+c.ID)
		}
		b.read(func(tx *tenancy.Tx) error {
			_, err := b.clients.Get(tx, c.ID)
			require.True(b.t, errs.Is(err, errs.NotFound))
			return nil
		})
	})
}

func TestServiceClients(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		try := func(spec clients.Spec) (c clients.Client, err error) {
			err = b.DB.Write(b.t.Context(), b.h, func(tx *tenancy.Tx) (err error) {
				c, _, err = b.clients.Preregister(tx, spec)
				return err
			})
			return c, err
		}
		c, err := try(clients.Spec{Name: "Nightly", Service: true, AuthMethod: clients.AuthBasic})
		require.NoError(b.t, err)
		require.True(b.t, c.Service())
		require.Equal(b.t, []string{clients.GrantClientCredentials}, c.GrantTypes)
		require.Empty(b.t, c.RedirectURIs)
		device, err := try(clients.Spec{Name: "CLI", Device: true, AuthMethod: clients.AuthNone})
		require.NoError(b.t, err)
		require.True(b.t, device.MayGrant(clients.GrantDevice))
		for field, spec := range map[string]clients.Spec{
			"name":          {Name: "\u200b", RedirectURIs: []string{"https://a.example/"}, AuthMethod: clients.AuthNone},
			"redirect_uris": {Name: "x", RedirectURIs: []string{"https://a.example/", "javascript:x"}, AuthMethod: clients.AuthNone},
			"auth_method":   {Name: "x", Service: true, AuthMethod: clients.AuthNone},
			"jwks":          {Name: "x", Service: true, AuthMethod: clients.AuthPrivateKey},
			"jwks_uri":      {Name: "x", Service: true, AuthMethod: clients.AuthPrivateKey, JWKS: "{}", JWKSURI: "https://a.example/"},
			"scope":         {Name: "x", Service: true, AuthMethod: clients.AuthBasic, Scope: []string{"é"}},
		} {
			_, err := try(spec)
			require.True(b.t, errs.Is(err, errs.Invalid), field)
			require.Contains(b.t, errs.FieldsOf(err), field)
			require.Len(b.t, errs.FieldsOf(err), 1, field)
		}
		for _, spec := range []clients.Spec{{Name: "x", AuthMethod: clients.AuthNone}, {Name: "x", Service: true, AuthMethod: clients.AuthBasic, RedirectURIs: []string{"https://a.example/"}}} {
			_, err := try(spec)
			require.Contains(b.t, errs.FieldsOf(err), "redirect_uris")
		}
		self := b.register(`{"redirect_uris":["http://localhost/"],"client_name":"50% off_er"}`)
		b.write(func(tx *tenancy.Tx) error {
			_, err := b.clients.RotateSecret(tx, self.ClientID)
			require.True(b.t, errs.Is(err, errs.Invalid))
			_, _, err = b.clients.Update(tx, self.ClientID, 1, clients.Spec{Name: "x", AuthMethod: clients.AuthNone, RedirectURIs: []string{"https://a.example/"}})
			require.True(b.t, errs.Is(err, errs.Invalid))
			return nil
		})
		b.read(func(tx *tenancy.Tx) error {
			for want, f := range map[int]clients.Filter{3: {}, 2: {Kind: clients.KindPreregistered}, 1: {Text: "NIGHT"}, 0: {Status: clients.Blocked}} {
				found, err := b.clients.List(tx, f)
				require.NoError(b.t, err)
				require.Len(b.t, found, want, f)
			}
			for text, want := range map[string]int{"0% o": 1, "f_e": 1, "fxe": 0, "%": 1, "\x00": 3} {
				found, err := b.clients.List(tx, clients.Filter{Text: text})
				require.NoError(b.t, err)
				require.Len(b.t, found, want, text)
			}
			found, err := b.clients.List(tx, clients.Filter{Limit: 2, Offset: 2})
			require.Len(b.t, found, 1)
			return err
		})
		b.Clock.Advance(30 * 24 * time.Hour)
		require.NoError(b.t, b.DB.System(b.t.Context(), tenancy.ReasonSweep, clients.Sweep))
		_, ok := b.load(self.ClientID)
		require.False(b.t, ok, "nobody signed in with it")
		_, ok = b.load(c.ID)
		require.True(b.t, ok, "what somebody entered stays")
	})
}
