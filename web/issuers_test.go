package web_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/issuers"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
)

type issuedFamily struct {
	TenantID, ID, ClientID, Subject, UpstreamID, Resource, Scope, Origin, ConsentID string
	CreatedAt, ExpiresAt                                                            time.Time
}

func (issuedFamily) TableName() string { return "token_families" }

func TestRemovingAnIssuer(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		b := setup(t, env)
		p, h := b.owner(t, "Ana", "acme")
		var id string
		require.NoError(t, env.DB.Write(t.Context(), h, func(tx *tenancy.Tx) error {
			one, err := issuers.Add(tx, b.config.URLs, issuers.Input{Name: "Company sign-in", Issuer: "http://127.0.0.1:9/id", JWKSURI: "http://127.0.0.1:9/jwks"})
			if err != nil {
				return err
			}
			id = one.ID
			return tx.DB().Create(&issuedFamily{TenantID: tx.Tenant(), ID: "fam_1", Origin: "jwt_bearer", ConsentID: id, CreatedAt: tx.Now(), ExpiresAt: tx.Now().Add(time.Hour)}).Error
		}))
		path := "/acme/authorization/issuers/" + id + "/remove"
		require.Contains(t, b.send(t, p, http.MethodGet, "/acme/authorization/issuers/"+id, nil, nil).body, path)
		page := b.send(t, p, http.MethodGet, path, nil, nil)
		require.Equal(t, http.StatusOK, page.status)
		require.Contains(t, page.body, "1 sign-in that it gave ends at once")
		require.Empty(t, b.ended, "looking ends nothing")
		done := b.send(t, p, http.MethodPost, path, url.Values{"csrf": {b.token(t, p, path)}}, nil)
		require.Equal(t, http.StatusSeeOther, done.status, done.body)
		require.Equal(t, []string{id}, b.ended)
	})
}
