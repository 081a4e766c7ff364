package clients_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/clients"
	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/outbound"
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

// TestC11ReviewedAgain: who let a client in let in its name and its ways to a token. With
// others it waits again; what people gave it stays.
func TestC11ReviewedAgain(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		b.set(func(s *settings.Settings) { s.Review = true })
		for name, to := range map[string]string{
			"nothing":  `"client_name":"Notes","grant_types":["authorization_code"]`,
			"its name": `"client_name":"IT helpdesk","grant_types":["authorization_code"]`,
			"a grant":  `"client_name":"Notes","grant_types":["authorization_code","` + clients.GrantDevice + `"]`,
		} {
			r, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, `{"client_name":"Notes","redirect_uris":["https://app.example/cb"]}`))
			require.NoError(b.t, err)
			b.write(func(tx *tenancy.Tx) error { return b.clients.SetStatus(tx, r.ClientID, clients.Active) })
			family := b.family(r.ClientID)
			_, err = b.clients.UpdateRegistration(b.t.Context(), b.h, issuer, r.ClientID, r.RegistrationAccessToken, clients.Change{
				ClientID: r.ClientID, Metadata: metadata(b.t, `{"redirect_uris":["https://app.example/cb"],`+to+`}`),
			})
			require.NoError(b.t, err)
			c, ok := b.load(r.ClientID)
			require.True(b.t, ok)
			require.Equal(b.t, name != "nothing", c.Status == clients.Held, name)
			require.Equal(b.t, name != "nothing", slices.Contains(b.audited(), "client.changed "+r.ClientID), name)
			require.Empty(b.t, family(), name)
		}
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

// TestC1FloodKeepsNoVendorOut: who fills the room for clients that nobody signed in with
// keeps out those who are like them, and not the vendors that the catalogue knows.
func TestC1FloodKeepsNoVendorOut(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		rows := make([]floodRow, clients.MaxUnused)
		for i := range rows {
			rows[i] = floodRow{TenantID: b.h.Tenant(), ID: fmt.Sprintf("cli_%d", i), Name: "A flood", Kind: clients.KindDCR, RedirectURIs: "[]", GrantTypes: "[]", AuthMethod: clients.AuthNone, Status: clients.Active, ApplicationType: "native", CreatedAt: b.Clock.Now()}
		}
		b.write(func(tx *tenancy.Tx) error { return tx.DB().CreateInBatches(rows, 500).Error })
		_, err := b.clients.Register(b.t.Context(), b.h, issuer, metadata(b.t, `{"redirect_uris":["https://app.example/cb"]}`))
		require.Equal(b.t, errs.RateLimited, errs.KindOf(err))
		strict := b.node(b.DB, outbound.Config{}) // which reaches nobody: the catalogue's copy serves
		at := path(b.t, "known")
		_, err = b.clients.Find(b.t.Context(), b.h, web.publish(at, 200, document(web.url+at, map[string]any{"redirect_uris": []string{"https://vendor.example/cb/1"}})))
		require.Equal(b.t, errs.RateLimited, errs.KindOf(err), "anybody can make up such an address")
		c, err := strict.Find(b.t.Context(), b.h, web.url+"/whole/client.json")
		require.NoError(b.t, err)
		require.NotNil(b.t, c.Known)
	})
}

type floodRow struct {
	TenantID, ID, Name, GrantTypes, AuthMethod, ApplicationType string
	RedirectURIs                                                string `gorm:"column:redirect_uris"`
	Kind                                                        clients.Kind
	Status                                                      clients.Status
	CreatedAt                                                   time.Time
}

func (floodRow) TableName() string { return "clients" }
