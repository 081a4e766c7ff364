package clients_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/tenancy"
)

// TestC1ListedHostsAreHosts: what stands where a private scheme has its host is anybody's
// to write, so no list of hosts lets it in.
func TestC1ListedHostsAreHosts(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		b.set(func(s *settings.Settings) { s.DCR, s.DCRHosts = settings.Listed, []string{"app.example"} })
		for _, uri := range []string{"com.evil.app://app.example/cb", "vscode://app.example/cb", "https://app.example.evil.example/cb", "https://evil.example/app.example", "http://localhost/cb"} {
			_, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, `{"redirect_uris":["`+uri+`"]}`))
			require.Equal(b.t, "invalid_redirect_uri", code(b.t, err), uri)
		}
		_, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, `{"redirect_uris":["https://app.example/cb"]}`))
		require.NoError(b.t, err)
	})
}

// TestB7NoVendorByDevice: a self-registered client is its vendor's because codes reach
// nobody else. One that may take a device's way to a token proves nothing by its redirects.
func TestB7NoVendorByDevice(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		known := func(grants string) bool {
			r, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, `{"client_name":"Wonder App","redirect_uris":["https://vendor.example/cb/1"],"grant_types":`+grants+`}`))
			require.NoError(b.t, err)
			c, ok := b.load(r.ClientID)
			require.True(b.t, ok)
			return c.Known != nil
		}
		require.True(b.t, known(`["authorization_code"]`))
		require.False(b.t, known(`["authorization_code","`+clients.GrantDevice+`"]`))
	})
}

// TestCeilingIsTyped: a ceiling with a name in it that is none is refused. To leave the
// name out could leave the client without a ceiling.
func TestCeilingIsTyped(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		for _, scope := range []string{"é", `a"b`, `a\\b`, "a b"} {
			err := b.DB.Write(b.t.Context(), b.h, func(tx *tenancy.Tx) error {
				_, _, err := b.clients.Preregister(tx, clients.Spec{Name: "Job", Service: true, AuthMethod: clients.AuthBasic, Scope: []string{scope}})
				return err
			})
			require.Contains(b.t, errs.FieldsOf(err), "scope", scope)
		}
	})
}
