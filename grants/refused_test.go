package grants_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/grants"
	"github.com/emcy/gateway/internal/errs"
	fake "github.com/emcy/gateway/test/fakes/provider"
)

// TestARefusalOfOneConnectionIsItsOwn: providers have codes of their own for one person's
// refresh token. Nobody else's connection waits because of it, and it is not asked for
// with every call.
func TestARefusalOfOneConnectionIsItsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		for i, code := range []string{"inactive_user", "invalid_request", "invalid_scope", "unauthorized_client"} {
			g := b.connect(t, b.a, b.profile, ada)
			other := b.connect(t, b.a, b.profile, "acc_grace")
			b.pass(t, time.Hour)
			asked := b.provider.RefreshRequests()
			b.provider.Fail("refresh", fake.Refuse(http.StatusBadRequest, code, "No"), 1)
			for range 3 {
				_, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
				requireKind(t, err, errs.Unavailable)
			}
			require.Equal(t, asked+1, b.provider.RefreshRequests(), code)
			require.Equal(t, grants.StateRefreshFailing, b.get(t, b.a, g.ID).State, code)
			_, err := b.service.Refresh(t.Context(), b.a, other.ID, other.Generation, grants.ForCall)
			require.NoError(t, err, code)
			require.Empty(t, b.told.of(grants.EventMisconfigured), i)
			b.pass(t, 2*time.Second)
			require.True(t, b.works(t, b.token(t)), "it is kept, and may work again")
		}
	})
}

// TestARefusalWithoutACodeIsItsOwn as well, however often it comes.
func TestARefusalWithoutACodeIsItsOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		g := b.connect(t, b.a, b.profile, ada)
		other := b.connect(t, b.a, b.profile, "acc_grace")
		b.provider.Fail("refresh", fake.Status(http.StatusForbidden), 6)
		for range 6 {
			b.pass(t, 10*time.Minute)
			_, err := b.service.Refresh(t.Context(), b.a, g.ID, g.Generation, grants.ForCall)
			requireKind(t, err, errs.Unavailable)
		}
		require.Equal(t, 6, b.provider.RefreshRequests())
		_, err := b.service.Refresh(t.Context(), b.a, other.ID, other.Generation, grants.ForCall)
		require.NoError(t, err)
	})
}
