package provider_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/secret"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// vendorCase is a vendor with what a customer would type for it.
type vendorCase struct {
	vendor, preset string
	fields         map[string]string
	options        []fake.Option
	scopes         []string
	// noRefresh and noRevoke are what the vendor does not have.
	noRefresh, noRevoke bool
	// generic is the step at which the same life ends with the generic preset, and
	// genericResource where it sends the resource of the runtime, as MCP tells clients to.
	generic, genericResource string
}

const resource = "https://todo.example.com/mcp"

var vendorCases = []vendorCase{
	{vendor: "google", preset: "google", scopes: []string{"openid", "https://www.googleapis.com/auth/userinfo.email"}, generic: "refresh", genericResource: "authorize"},
	{vendor: "github", preset: "github", scopes: []string{"read:user", "repo"}, noRefresh: true, generic: "exchange", genericResource: "exchange"},
	{vendor: "github-app", preset: "github", generic: "exchange", genericResource: "exchange"},
	{vendor: "entra", preset: "entra", fields: map[string]string{"tenant": "11111111-2222-3333-4444-555555555555"}, scopes: []string{"openid", "api://todo/read"}, noRevoke: true, generic: "account", genericResource: "authorize"},
	{
		vendor: "auth0", preset: "auth0", fields: map[string]string{"domain": "acme.eu.auth0.com", "audience": "https://todo.example.com"}, options: []fake.Option{fake.Audience("https://todo.example.com")},
		scopes: []string{"openid", "todos:read"}, generic: "api", genericResource: "api",
	},
	{
		vendor: "auth0", preset: "auth0", fields: map[string]string{"domain": "acme.eu.auth0.com", "audience": "https://todo.example.com"}, options: []fake.Option{fake.Audience("https://todo.example.com"), fake.Rotate(true)},
		scopes: []string{"openid", "todos:read"}, generic: "api", genericResource: "api",
	},
	{vendor: "okta", preset: "okta", fields: map[string]string{"domain": "acme.okta.com"}, scopes: []string{"openid", "todos:read"}, generic: "refresh", genericResource: "refresh"},
	{vendor: "keycloak", preset: "keycloak", fields: map[string]string{"base": "https://sso.example.com", "realm": "acme"}, scopes: []string{"openid", "todos"}, generic: "refresh", genericResource: "refresh"},
	{vendor: "keycloak", preset: "keycloak", fields: map[string]string{"base": "https://sso.example.com", "realm": "acme"}, options: []fake.Option{fake.Rotate(true)}, scopes: []string{"openid", "todos"}, generic: "refresh", genericResource: "refresh"},
	{vendor: "generic", preset: "generic", scopes: []string{"openid", "todos"}},
}

// filled is the profile that somebody makes from a preset, with our client at the fake.
func (b *bundle) filled(id string, fields map[string]string) (provider.Config, error) {
	b.Helper()
	preset, ok := provider.PresetByID(id)
	require.True(b, ok)
	f, problems := preset.Fill(fields)
	require.Empty(b, problems)
	c := provider.Config{Endpoints: f.Endpoints, Style: f.Style, Client: b.client(), RedirectURI: callback}
	c.Client.AuthMethod = preset.AuthMethod
	if preset.Manual {
		return c, nil
	}
	issuer := f.Issuer
	if issuer == "" {
		issuer = b.fake.Issuer
	}
	found, err := b.provider.Discover(b.Context(), issuer)
	c.Endpoints = found
	return c, err
}

// life goes through everything that happens to a grant and names the step that failed.
func (b *bundle) life(c provider.Config, v vendorCase) (step string, err error) {
	b.Helper()
	ctx := b.Context()
	connect := func() (provider.Tokens, string, error) {
		address, err := b.provider.AuthorizeURL(c, v.scopes, "state-1", "nonce-1", verifier)
		if err != nil {
			return provider.Tokens{}, "authorize", err
		}
		back := b.fake.Approve(b, address)
		if back.Get("error") != "" || back.Get("state") != "state-1" {
			return provider.Tokens{}, "authorize", errors.New(back.Get("error"))
		}
		t, err := b.provider.Exchange(ctx, c, back.Get("code"), verifier)
		return t, "exchange", err
	}
	if _, step, err = connect(); err != nil { // the second time must be as good as the first
		return step, err
	}
	tokens, step, err := connect()
	if err != nil {
		return step, err
	}
	for _, scope := range v.scopes {
		if tokens.Scope != nil && !slices.Contains(tokens.Scope, scope) {
			return "scopes", fmt.Errorf("asked for %s and got %v", scope, tokens.Scope)
		}
	}
	account, err := b.provider.Account(ctx, c, tokens, "nonce-1")
	if err != nil || account.ID != fake.Ada.ID {
		return "account", fmt.Errorf("account %q: %w", account.ID, err)
	}
	if err := b.use(tokens.Access); err != nil {
		return "api", err
	}
	for range 3 {
		if v.noRefresh {
			break
		}
		b.clock.Advance(9 * time.Hour)
		if tokens.Refresh.Empty() {
			return "refresh", errors.New("there is no refresh token")
		}
		next, err := b.provider.Refresh(ctx, c, tokens.Refresh, v.scopes)
		if err != nil {
			return "refresh", err
		}
		if next.Refresh.Empty() {
			next.Refresh = tokens.Refresh
		}
		tokens = next
		if err := b.use(tokens.Access); err != nil {
			return "api", err
		}
	}
	_, err = b.provider.Exchange(ctx, c, "made-up", verifier)
	if provider.KindOf(err) != provider.Rejected {
		return "bad code", err
	}
	err = b.provider.Revoke(ctx, c, tokens.Refresh, tokens.Access)
	if v.noRevoke && provider.KindOf(err) == provider.Unsupported {
		return "", nil
	}
	if err != nil {
		return "revoke", err
	}
	if b.use(tokens.Access) == nil {
		return "revoke", errors.New("the access token still works")
	}
	if err := b.provider.Revoke(ctx, c, tokens.Refresh, tokens.Access); err != nil {
		return "revoke again", err
	}
	if !v.noRefresh {
		if _, err = b.provider.Refresh(ctx, c, tokens.Refresh, v.scopes); provider.KindOf(err) != provider.Rejected {
			return "after revoke", err
		}
	}
	return "", nil
}

// use calls the API behind the provider.
func (b *bundle) use(access secret.Text) error {
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, b.fake.API, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+access.Reveal())
	res, err := b.out.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || body["user"] != fake.Ada.ID {
		return fmt.Errorf("status %d", res.StatusCode)
	}
	return nil
}

func TestPresetsFitTheirVendors(t *testing.T) {
	t.Parallel()
	for _, v := range vendorCases {
		t.Run(v.vendor, func(t *testing.T) {
			t.Parallel()
			b := newVendor(t, v.vendor, v.options...)
			c, err := b.filled(v.preset, v.fields)
			require.NoError(t, err)
			if v.preset != "generic" && c.Style.OmitResource {
				c.Style.Resource = resource
			}
			step, err := b.life(c, v)
			require.Empty(t, step, "%v", err)
			require.NoError(t, err)
			require.Zero(t, b.fake.Reuses(), "no refresh token is sent twice, except the one that was revoked")
		})
	}
}

// TestGenericPresetFailsAtVendors: the quirks are there, and the presets are why the
// test above passes.
func TestGenericPresetFailsAtVendors(t *testing.T) {
	t.Parallel()
	for _, v := range vendorCases {
		if v.preset == "generic" {
			continue
		}
		for send, want := range map[string]string{"": v.generic, resource: v.genericResource} {
			b := newVendor(t, v.vendor, v.options...)
			c := provider.Config{Client: b.client(), RedirectURI: callback, Style: provider.Style{Resource: send}, Endpoints: provider.Endpoints{
				Authorization: b.fake.Authorization, Token: b.fake.Token, Revocation: b.fake.Revocation, UserInfo: b.fake.UserInfo,
			}}
			if b.fake.Issuer != "" {
				found, err := b.provider.Discover(t.Context(), b.fake.Issuer)
				require.NoError(t, err)
				c.Endpoints = found
			}
			generic := v
			generic.noRevoke = false
			step, err := b.life(c, generic)
			require.Equal(t, want, step, "%s with the resource %q: %v", v.vendor, send, err)
			require.Error(t, err)
		}
	}
}

// TestEachQuirkIsNeeded takes one part of a preset away at a time.
func TestEachQuirkIsNeeded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		vendor string
		change func(c *provider.Config, v *vendorCase)
		want   string
	}{
		"google without access_type":        {"google", func(c *provider.Config, _ *vendorCase) { delete(c.Style.Authorize, "access_type") }, "refresh"},
		"google without prompt":             {"google", func(c *provider.Config, _ *vendorCase) { delete(c.Style.Authorize, "prompt") }, "refresh"},
		"google with a resource":            {"google", func(c *provider.Config, _ *vendorCase) { c.Style.OmitResource = false }, "authorize"},
		"google with short scopes":          {"google", func(_ *provider.Config, v *vendorCase) { v.scopes = []string{"openid", "email"} }, "scopes"},
		"github without Accept":             {"github", func(c *provider.Config, _ *vendorCase) { c.Style.AcceptJSON = false }, "exchange"},
		"github with Basic":                 {"github", func(c *provider.Config, _ *vendorCase) { c.Client.AuthMethod = provider.AuthBasic }, "exchange"},
		"github without errors in 200":      {"github", func(c *provider.Config, _ *vendorCase) { c.Style.ErrorsWith200 = false }, "bad code"},
		"github with sub":                   {"github", func(c *provider.Config, _ *vendorCase) { c.Style.Identity = provider.Identity{} }, "account"},
		"github with RFC 7009":              {"github", func(c *provider.Config, _ *vendorCase) { c.Style.RevokeWith = "" }, "revoke"},
		"github app with RFC 7009":          {"github-app", func(c *provider.Config, _ *vendorCase) { c.Style.RevokeWith = "" }, "revoke"},
		"entra with a resource":             {"entra", func(c *provider.Config, _ *vendorCase) { c.Style.OmitResource = false }, "authorize"},
		"entra without scopes at a refresh": {"entra", func(c *provider.Config, _ *vendorCase) { c.Style.ScopeOnRefresh = false }, "refresh"},
		"entra without offline_access":      {"entra", func(c *provider.Config, _ *vendorCase) { c.Style.OfflineScope = "" }, "refresh"},
		"entra by sub":                      {"entra", func(c *provider.Config, _ *vendorCase) { c.Style.Identity.ID = "sub" }, "account"},
		"auth0 without audience":            {"auth0", func(c *provider.Config, _ *vendorCase) { c.Style.Audience = "" }, "api"},
		"auth0 without offline_access":      {"auth0", func(c *provider.Config, _ *vendorCase) { c.Style.OfflineScope = "" }, "refresh"},
		"auth0 by the access token":         {"auth0", func(c *provider.Config, _ *vendorCase) { c.Style.RevokeWith = "access_token" }, "revoke"},
		"okta without offline_access":       {"okta", func(c *provider.Config, _ *vendorCase) { c.Style.OfflineScope = "" }, "refresh"},
		"keycloak without offline_access":   {"keycloak", func(c *provider.Config, _ *vendorCase) { c.Style.OfflineScope = "" }, "refresh"},
		"keycloak's userinfo without openid": {"keycloak", func(c *provider.Config, v *vendorCase) {
			v.scopes = []string{"todos"}
			c.Style.Identity.From = provider.FromUserInfo
		}, "account"},
		"keycloak with the wrong audience":    {"keycloak-key", func(c *provider.Config, _ *vendorCase) { c.Style.AssertionAudience = "" }, "exchange"},
		"okta's assertion for the issuer":     {"okta-key", func(c *provider.Config, _ *vendorCase) { c.Style.AssertionAudience = "issuer" }, "exchange"},
		"entra's assertion for the issuer":    {"entra-key", func(c *provider.Config, _ *vendorCase) { c.Style.AssertionAudience = "issuer" }, "exchange"},
		"keycloak by its key as the preset":   {"keycloak-key", func(*provider.Config, *vendorCase) {}, ""},
		"okta by its key as the preset":       {"okta-key", func(*provider.Config, *vendorCase) {}, ""},
		"entra by its key as the preset":      {"entra-key", func(*provider.Config, *vendorCase) {}, ""},
		"github app as the preset":            {"github-app", func(*provider.Config, *vendorCase) {}, ""},
		"google, asked again, as the preset":  {"google", func(*provider.Config, *vendorCase) {}, ""},
		"a code challenge that nobody sends":  {"generic", func(c *provider.Config, _ *vendorCase) { c.Style.NoPKCE = true }, "authorize"},
		"the standards, at who keeps to them": {"generic", func(*provider.Config, *vendorCase) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			name, byKey := c.vendor, false
			if n := len(name) - len("-key"); n > 0 && name[n:] == "-key" {
				name, byKey = name[:n], true
			}
			v := vendorCases[slices.IndexFunc(vendorCases, func(v vendorCase) bool { return v.vendor == name })]
			options := v.options
			key, public := newKey(t)
			if byKey {
				options = append(slices.Clone(options), fake.ClientKeys(public))
			}
			b := newVendor(t, name, options...)
			config, err := b.filled(v.preset, v.fields)
			require.NoError(t, err)
			config.Style.Resource = resource
			if name != "google" && name != "entra" {
				config.Style.Resource = ""
			}
			if byKey {
				config.Client = provider.Client{ID: b.fake.ClientID, AuthMethod: provider.AuthPrivateKey, Key: key}
			}
			c.change(&config, &v)
			step, err := b.life(config, v)
			require.Equal(t, c.want, step, "%v", err)
		})
	}
}
