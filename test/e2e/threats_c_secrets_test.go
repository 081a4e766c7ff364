//go:build e2e

package e2e

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/test/fakes/oidc"
	"github.com/emcy/gateway/test/fakes/upstream"
)

// TestC10SecretsStayWithTheirHost: a runtime that moves gets another worker secret, a
// provider's issuer cannot be changed under its client secret, and that secret follows
// no redirect.
//
// The runtime's worker secret and the client secret at the sign-in provider are what the
// gateway holds for others today. A provider's token endpoint may be on another host than
// its issuer, because widely used providers have it so.
func TestC10SecretsStayWithTheirHost(t *testing.T) {
	t.Parallel()
	row(t, "c10", func(h *house) {
		moved := upstream.Start(upstream.Config{})
		h.t.Cleanup(moved.Close)
		first := h.runtime.Secret
		edit := "/" + h.slug + "/runtimes/billing/edit"
		form, err := h.open(h.owner, h.gateway.Console+edit).FormTo(edit)
		require.NoError(h.t, err)
		answer := h.post(h.owner, form.Set("url", moved.URL()))
		require.NoError(h.t, answer.Expect(http.StatusSeeOther))
		require.NoError(h.t, h.owner.ReadSecret(h.t.Context(), h.runtime))
		require.NotEqual(h.t, first, h.runtime.Secret)
		require.NoError(h.t, h.owner.StoredSecret(h.t.Context(), h.runtime))
		client := h.client("Scripted client")
		access := h.redeem(client, h.grant(h.stranger(), client)).field("access_token")
		require.Eventually(h.t, func() bool {
			h.ask(access)
			for _, got := range moved.Requests() {
				if got.Header.Get("X-Emcy-Worker-Secret") == h.runtime.Secret {
					return true
				}
			}
			return false
		}, patience, patience/400, "the new host is asked")
		for _, got := range moved.Requests() {
			require.NotContains(h.t, got.Header.Values("X-Emcy-Worker-Secret"), first)
			require.NotContains(h.t, got.Header.Get("Authorization"), access)
		}

		fake := oidc.New(h.t)
		provider := h.provider(fake)
		other := oidc.New(h.t)
		settings := h.open(h.owner, h.gateway.Console+"/"+h.slug+provider)
		form, err = settings.Form("client_id", "name")
		require.NoError(h.t, err)
		h.post(h.owner, form.Set("issuer", other.Issuer).Set("client_secret", ""))
		p := h.stranger()
		authorize := h.origin + "/authorize?" + h.query(client).Encode()
		callback := func() string {
			return h.origin + idpCallback(provider) + "?" + fake.Approve(h.leave(p, provider, authorize)).Encode()
		}
		require.Equal(h.t, http.StatusSeeOther, h.send(p, http.MethodGet, callback(), "").Status)
		header, _ := fake.Token()
		require.Equal(h.t, "Basic "+base64.StdEncoding.EncodeToString([]byte("gateway:secret")), header.Get("Authorization"), "to whom it was given for")
		require.Zero(h.t, other.Asked("/token"))

		var mu sync.Mutex
		var reached []string
		elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			reached = append(reached, r.Method+" "+r.URL.Path)
		}))
		h.t.Cleanup(elsewhere.Close)
		authorize += "&prompt=login"
		status := http.StatusTemporaryRedirect
		fake.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/token" {
				return false
			}
			http.Redirect(w, r, elsewhere.URL+"/token", status)
			return true
		}
		for _, status = range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			require.GreaterOrEqual(h.t, h.send(p, http.MethodGet, callback(), "").Status, 400)
		}
		mu.Lock()
		defer mu.Unlock()
		require.Empty(h.t, reached)

		// A document that speaks of another issuer is not this provider's.
		other.Metadata = func(m map[string]any) { m["issuer"] = fake.Issuer }
		form, err = h.open(h.owner, h.gateway.Console+"/"+h.slug+"/sign-in/new").Form("issuer", "client_id")
		require.NoError(h.t, err)
		refused := h.post(h.owner, form.Set("name", "Other").Set("issuer", other.Issuer).Set("client_id", "gateway").Set("client_secret", "secret"))
		require.Equal(h.t, http.StatusUnprocessableEntity, refused.Status)
		require.Zero(h.t, other.Asked("/token"))
	})
}
