package integration_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/keys"
	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/grants/profiles"
	"github.com/emcy/gateway/grants/provider"
	"github.com/emcy/gateway/internal/errs"
	"github.com/emcy/gateway/internal/ids"
	"github.com/emcy/gateway/internal/jwks"
	"github.com/emcy/gateway/internal/outbound"
	"github.com/emcy/gateway/internal/secret"
	"github.com/emcy/gateway/jobs"
	"github.com/emcy/gateway/tenancy"
	"github.com/emcy/gateway/tenancy/tenancytest"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

const exchangeIssuer = "https://alpha.mcp.test"

// tenantKeys signs with the tenant's active key, as the gateway does.
type tenantKeys struct{ db *tenancy.DB }

func (k tenantKeys) Assertion(ctx context.Context, h tenancy.Handle, subject, audience string) (secret.Text, error) {
	var set keys.Set
	err := k.db.Read(ctx, h, func(tx *tenancy.Tx) (err error) {
		set, err = keys.LoadAll(tx)
		return err
	})
	if err != nil {
		return secret.Text{}, err
	}
	signer, err := set.Active.JWS("JWT")
	if err != nil {
		return secret.Text{}, err
	}
	now := k.db.Clock().Now()
	claims, err := json.Marshal(map[string]any{"iss": exchangeIssuer, "sub": subject, "aud": audience, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": ids.New("ast")})
	if err != nil {
		return secret.Text{}, err
	}
	signed, err := signer.Sign(claims)
	return secret.New(signed), err
}

// Record takes no notice.
func (tenantKeys) Record(*tenancy.Tx, grants.Notice) error { return nil }

// TestOurKeysChangeWhileTokensAreExchanged is F17 for our own keys: a provider that takes
// our assertions (RFC 8693) accepts every one of them while the keys are turned, the
// emergency way included, and refuses them only while it cannot read our keys.
func TestOurKeysChangeWhileTokensAreExchanged(t *testing.T) {
	t.Parallel()
	tenancytest.Each(t, func(t *testing.T, env tenancytest.Env) {
		h := tenancytest.Tenant(t, env, "alpha")
		idp := fake.New(t, fake.Now(env.Clock.Now))
		reachable := true
		published := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var set keys.Set
			if err := env.DB.Read(r.Context(), h, func(tx *tenancy.Tx) (err error) { set, err = keys.LoadAll(tx); return err }); err != nil || !reachable {
				http.Error(w, "not now", http.StatusServiceUnavailable)
				return
			}
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: set.Public})
		}))
		defer published.Close()
		idp.Trust(exchangeIssuer, published.URL)
		require.NoError(t, env.DB.Write(t.Context(), h, keysOf))

		out := outbound.New(outbound.Config{AllowPrivate: true})
		speaks := provider.New(out, jwks.New(out, env.Clock), env.Clock)
		queue, err := jobs.New(env.DB, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		signs := tenantKeys{env.DB}
		service, err := grants.New(grants.Config{DB: env.DB, Provider: speaks, Signer: signs, Queue: queue, Notify: signs, Log: quiet})
		require.NoError(t, err)
		all := profiles.New(profiles.Options{DB: env.DB, Provider: speaks, Outbound: out, Origin: func(*tenancy.Tx) (string, error) { return exchangeIssuer, nil }})
		in := profiles.Input{
			Name: "Reports", Kind: profiles.KindExchange, Preset: "generic", Issuer: idp.Issuer,
			Client: profiles.ClientInput{Kind: profiles.Preregistered, ID: idp.ClientID, AuthMethod: profiles.AuthBasic, Secret: secret.New(idp.ClientSecret)},
		}
		in.Discovery, in.Style.Identity = profiles.Manual, provider.Identity{From: "none"}
		in.Endpoints = provider.Endpoints{Issuer: idp.Issuer, Authorization: idp.Authorization, Token: idp.Token}
		in.Exchange = profiles.ExchangeRule{SubjectToken: profiles.SubjectAssertion, Audience: "https://reports.example.com"}
		p, err := all.Create(t.Context(), h, profiles.NewID(), in)
		require.NoErrorf(t, err, "%v", errs.FieldsOf(err))

		exchange := func() error {
			env.Clock.Advance(2 * time.Hour) // what was exchanged before is over
			_, err := service.Resolve(t.Context(), h, grants.Query{ProfileID: p.ID, Subject: "acc_ada"})
			return err
		}
		require.NoError(t, exchange())
		for range 3 {
			require.NoError(t, keys.Rotate(t.Context(), env.DB, h))
			require.NoError(t, exchange())
			env.Clock.Advance(keys.Ahead)
			require.NoError(t, keys.TurnAll(t.Context(), env.DB))
			require.NoError(t, exchange())
		}
		require.NoError(t, keys.Emergency(t.Context(), env.DB, h))
		require.NoError(t, exchange())
		reachable = false
		require.Error(t, exchange())
		reachable = true
		require.NoError(t, exchange())
	})
}

// keysOf gives a tenant its first key where it has none.
func keysOf(tx *tenancy.Tx) error {
	if _, err := keys.LoadAll(tx); err == nil {
		return nil
	}
	return keys.Create(tx)
}
