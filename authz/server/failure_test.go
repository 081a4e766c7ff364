package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	"github.com/emcy/gateway/ui/assets"
)

type keyRow struct{ TenantID, PublicJWK string }

func (keyRow) TableName() string { return "signing_keys" }

// requireQuiet is an answer to a fault of ours: a sentence, and no cause.
func requireQuiet(t testing.TB, p page) {
	t.Helper()
	require.Equal(t, 500, p.status, p.body)
	require.Contains(t, p.body, "server_error")
	for _, cause := range []string{"invalid character", "looking for", "sql", "SQL", "broken", "read ", "database", "pool", "key "} {
		require.NotContains(t, p.body, cause)
	}
}

func TestFaultsKeepTheirCause(t *testing.T) {
	t.Parallel()
	each(t, func(b *testBundle, tn *tenant) {
		a := tn.app()
		br := tn.browser()
		code := a.code(br)
		got := a.tokens(br)
		signing := func(jwk string) {
			tn.write(func(tx *tenancy.Tx) error {
				return tx.DB().Model(&keyRow{}).Where("1 = 1").Update("public_jwk", jwk).Error
			})
		}
		var whole keyRow
		require.NoError(b.t, b.env.DB.Read(b.t.Context(), tn.handle, func(tx *tenancy.Tx) error { return tx.DB().First(&whole).Error }))
		signing("broken")
		requireQuiet(b.t, tn.browser().get("/jwks"))
		requireQuiet(b.t, a.redeem(code).page)
		requireQuiet(b.t, a.refresh(got.Refresh).page)
		require.Contains(b.t, b.log.String(), "invalid character", "the log has the cause")
		signing(whole.PublicJWK)
		require.Equal(b.t, 200, a.redeem(code).status, "a fault of ours uses nothing up")
		require.Equal(b.t, 200, a.refresh(got.Refresh).status)

		tn.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&clientRow{}).Where("1 = 1").Update("redirect_uris", "broken").Error
		})
		p := a.authorize(br)
		requireQuiet(b.t, p)
		require.Regexp(b.t, `req_[0-9a-z]{26}`, p.body, "a number to quote")
	})
}

func TestFaultAfterTheRedirectIsProven(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		b.resourcesFail = true
		tn := b.tenant("acme")
		q := refused(t, tn, tn.app().authorize(tn.browser()))
		require.Equal(t, "server_error", q.Get("error"))
		require.NotContains(t, q.Get("error_description"), "resources")
		require.Equal(t, stateCanary, q.Get("state"))
		require.Contains(t, b.log.String(), "no such resources")
	})
}

// TestDatabaseAway closes the database under a running server.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	env := tenancytest.Postgres(t)
	b := setup(t, env)
	tn := b.tenant("acme")
	db, err := tenancy.Open(t.Context(), tenancy.Config{DatabaseURL: env.URL, KEK: tenancytest.KEK(t), Clock: env.Clock, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	s := server.New(server.Config{
		DB: db, People: people{b.people}, Resources: resources{new(bool)}, Outbound: outbound.New(outbound.Config{}), Assets: assets.Handler(), AssetsPrefix: assets.Prefix,
		ClientIP: func(*http.Request) netip.Addr { return netip.IPv4Unspecified() }, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, db.Close())
	for _, r := range s.Routes() {
		w := httptest.NewRecorder()
		s.Serve(w, httptest.NewRequest(r.Method, tn.issuer+r.Path, nil), tn.issuer)
		requireQuiet(t, page{status: w.Code, body: w.Body.String()})
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
	}
}
