package clients_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/tenancy"
)

// renew is what the queue does.
func (b *bundle) renew() {
	b.t.Helper()
	require.NoError(b.t, b.clients.Renew(b.t.Context()))
}

// TestC11Renewed: a document that was swapped ends the tokens of a client that only
// refreshes, though nobody comes by /authorize.
func TestC11Renewed(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		publish := func() (at, id string) {
			at = path(b.t, "renewed")
			return at, web.publish(at, 200, document(web.url+at, nil), "ETag", `"v1"`)
		}
		found := func(h tenancy.Handle, id string) {
			_, err := b.clients.Find(b.t.Context(), h, id)
			require.NoError(b.t, err)
		}
		swapped, swappedID := publish()
		found(b.h, swappedID)
		found(b.b, swappedID)
		ended := b.family(swappedID)
		same, sameID := publish()
		found(b.h, sameID)
		lives := b.family(sameID)
		unused, unusedID := publish()
		found(b.h, unusedID)
		over, overID := publish()
		found(b.h, overID)
		b.family(overID)
		b.write(func(tx *tenancy.Tx) error { return end(tx, overID, "signed out") })

		b.renew()
		require.Len(b.t, web.asked(swapped), 2, "it is fresh")

		web.publish(swapped, 200, document(swappedID, map[string]any{"redirect_uris": []string{"https://evil.example/cb"}}))
		web.publish(same, 304, "")
		b.Clock.Advance(59 * time.Minute) // the families live for an hour
		b.renew()
		require.Len(b.t, web.asked(swapped), 2, "it is fresh still")
		b.Clock.Advance(time.Minute)
		b.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&familyRow{}).Where("1 = 1").Update("expires_at", tx.Now().Add(time.Hour)).Error
		})
		b.renew()
		require.Equal(b.t, "the client's metadata changed", ended())
		require.Empty(b.t, lives())
		require.Contains(b.t, b.audited(), "client.changed "+swappedID)
		require.Len(b.t, web.asked(swapped), 3, "once: the other workspace has nothing that could end")
		require.Equal(b.t, `"v1"`, web.asked(same)[1].Get("If-None-Match"))
		require.Len(b.t, web.asked(unused), 1, "nobody is signed in with it")
		require.Len(b.t, web.asked(over), 1)

		b.renew()
		require.Len(b.t, web.asked(same), 2, "it is fresh again")
	})
}

// TestRenewLeavesAFailingHostAlone: it gets one request a run, and nothing ends.
func TestRenewLeavesAFailingHostAlone(t *testing.T) {
	t.Parallel()
	each(t, func(b *bundle) {
		down, asked := false, 0
		var host *httptest.Server
		host = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++ // one after the other
			if down {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(document(host.URL+r.URL.Path, nil)))
		}))
		b.t.Cleanup(host.Close)
		var reasons []func() string
		for i := range 5 {
			id := fmt.Sprintf("%s/%d", host.URL, i)
			_, err := b.clients.Find(b.t.Context(), b.h, id)
			require.NoError(b.t, err)
			reasons = append(reasons, b.family(id))
		}
		b.Clock.Advance(time.Hour)
		down, asked = true, 0
		b.write(func(tx *tenancy.Tx) error {
			return tx.DB().Model(&familyRow{}).Where("1 = 1").Update("expires_at", tx.Now().Add(24*time.Hour)).Error
		})
		b.renew()
		require.Equal(b.t, 1, asked)
		for _, reason := range reasons {
			require.Empty(b.t, reason(), "a host may be down")
		}
		down, asked = false, 0
		b.renew()
		require.Equal(b.t, 5, asked)

		b.Clock.Advance(time.Hour)
		asked = 0
		ctx, cancel := context.WithCancel(b.t.Context())
		cancel()
		require.Error(b.t, b.clients.Renew(ctx))
		require.Zero(b.t, asked)
	})
}
