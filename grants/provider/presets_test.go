package provider_test

import (
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants/provider"
)

func TestPresets(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range provider.Presets() {
		require.False(t, seen[p.ID], p.ID)
		seen[p.ID] = true
		require.Empty(t, p.Style.Problems(), p.ID)
		require.NotEmpty(t, p.Help, p.ID)
		require.NotEmpty(t, p.ConsoleHelp, p.ID)
		for _, q := range p.Quirks {
			u, err := url.Parse(q.Page)
			require.NoError(t, err)
			require.Equal(t, "https", u.Scheme, "%s: %s", p.ID, q.What)
			require.NotEmpty(t, u.Path, "%s: %s", p.ID, q.What)
		}
		if p.ID != "generic" {
			require.GreaterOrEqual(t, len(p.Quirks), 4, p.ID)
			require.NotEmpty(t, p.Console, p.ID)
		}
	}
	for _, id := range []string{"generic", "google", "github", "entra", "auth0", "okta", "keycloak"} {
		require.True(t, seen[id], id)
	}
	_, ok := provider.PresetByID("nothing")
	require.False(t, ok)
	one, _ := provider.PresetByID("google")
	one.Style.Authorize["prompt"] = "changed"
	two, _ := provider.PresetByID("google")
	require.Equal(t, "consent", two.Style.Authorize["prompt"], "nobody changes what others read")
	require.Equal(t, float64(180*24), two.Style.RefreshLife.Hours())
}

func TestFill(t *testing.T) {
	t.Parallel()
	entra, _ := provider.PresetByID("entra")
	_, problems := entra.Fill(nil)
	require.Contains(t, problems["tenant"], "is needed")
	for _, bad := range []string{"a/b", "a b", "a?b", "a#b", "a@b", "{x}", "a\\b", "ä"} {
		_, problems = entra.Fill(map[string]string{"tenant": bad})
		require.NotEmpty(t, problems["tenant"], bad)
	}
	f, problems := entra.Fill(map[string]string{"tenant": " 1-2 "})
	require.Empty(t, problems)
	require.Equal(t, "https://login.microsoftonline.com/1-2/v2.0", f.Issuer)

	okta, _ := provider.PresetByID("okta")
	f, problems = okta.Fill(map[string]string{"domain": "acme.okta.com"})
	require.Empty(t, problems)
	require.Equal(t, "https://acme.okta.com/oauth2/default", f.Issuer)

	auth0, _ := provider.PresetByID("auth0")
	f, problems = auth0.Fill(map[string]string{"domain": "acme.eu.auth0.com", "audience": "https://api.example.com/"})
	require.Empty(t, problems)
	require.Equal(t, "https://acme.eu.auth0.com/", f.Issuer)
	require.Equal(t, "https://api.example.com/", f.Style.Audience)

	keycloak, _ := provider.PresetByID("keycloak")
	f, problems = keycloak.Fill(map[string]string{"base": "https://sso.example.com/auth/", "realm": "acme"})
	require.Empty(t, problems)
	require.Equal(t, "https://sso.example.com/auth/realms/acme", f.Issuer)
}
