//go:build e2e

package e2e

import (
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/e2e/httpflow"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// consentService is a runtime behind a gateway, and a client that is registered there.
func consentService(t *testing.T) (*gateway, *httpflow.Person, *httpflow.Client) {
	t.Helper()
	g := newGateway(t, sqlite, freePorts(t, 4))
	up := upstream.Start(upstream.Config{})
	t.Cleanup(up.Close)
	ana := httpflow.NewPerson(g.Console, "Ana Ferreira", nil)
	require.NoError(t, ana.SignUp(t.Context()))
	require.NoError(t, ana.CreateWorkspace(t.Context(), "Northwind", "northwind"))
	runtime, err := ana.AddRuntime(t.Context(), "northwind", httpflow.RuntimeForm{Name: "Billing", Slug: "billing", URL: up.URL()})
	require.NoError(t, err)
	up.SetSecrets(runtime.Secret)
	client := httpflow.NewClient(runtime.MCPURL, nil)
	require.Eventually(t, func() bool { return client.Discover(t.Context()) == nil }, 20*time.Second, 20*time.Millisecond)
	client.RedirectURI = "http://127.0.0.1:" + strconv.Itoa(freePorts(t, 1)[0]) + "/callback"
	require.NoError(t, client.Register(t.Context()))
	return g, ana, client
}

// TestConsentInABrowser is B2, B4 and B5 in Chromium without scripts: what one browser
// started another one cannot go on with, what another site sends or frames is refused,
// and the keyboard decides nothing by accident.
func TestConsentInABrowser(t *testing.T) {
	t.Parallel()
	_, ana, client := consentService(t)
	runDriver(t, "consent.mjs", map[string]any{
		"authorize": client.AuthorizeURL(),
		"redirect":  client.RedirectURI,
		"email":     ana.Email,
		"password":  ana.Password,
		"chromium":  requireProgram(t, "chromium", "chromium-browser", "google-chrome"),
	})
}

// TestA20AppsEndedByTheirPerson: what a person ends on their own page is dead at the edge
// within two seconds, at the token endpoint at once.
func TestA20AppsEndedByTheirPerson(t *testing.T) {
	t.Parallel()
	_, ana, client := consentService(t)
	callback, err := ana.Allow(t.Context(), client.AuthorizeURL(), client.RedirectURI)
	require.NoError(t, err)
	require.NoError(t, client.Redeem(t.Context(), callback))
	require.NoError(t, client.Initialize(t.Context()))
	_, err = client.Tools(t.Context())
	require.NoError(t, err)

	at, err := url.Parse(client.AuthorizeURL())
	require.NoError(t, err)
	own := at.ResolveReference(&url.URL{Path: "/me/apps"}).String()
	page, err := ana.Browser.Open(t.Context(), own)
	require.NoError(t, err)
	form, err := page.FormTo("/me/apps/revoke")
	require.NoError(t, err)
	answer, err := ana.Browser.Submit(t.Context(), form)
	require.NoError(t, err)
	ended := time.Now()
	require.NotNil(t, answer.Location())
	require.Eventually(t, func() bool { _, err := client.Tools(t.Context()); return err != nil }, 2*time.Second, 10*time.Millisecond)
	t.Logf("dead at the edge after %s", time.Since(ended))
	require.Error(t, client.Refresh(t.Context()))
	page, err = ana.Browser.Open(t.Context(), own)
	require.NoError(t, err)
	require.Contains(t, string(page.Body), "No app can act for you")
}
