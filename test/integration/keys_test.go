package integration_test

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/keys"
)

// TestKeysChangeUnderLivingTokens: through ordinary rotations no edge ever refuses a
// token that lives, and after an emergency every edge refuses all of them.
func TestKeysChangeUnderLivingTokens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.app(t)
		current, err := a.Token(t.Context(), a.grant(t))
		require.NoError(t, err)
		for range 5 {
			require.NoError(t, keys.Rotate(t.Context(), b.nodes[0].db, b.handle))
			b.alive(t, current.AccessToken)
			b.env.Clock.Advance(keys.Ahead)
			current, err = a.Token(t.Context(), a.refreshForm(current.RefreshToken))
			require.NoError(t, err)
			old := current
			require.NoError(t, keys.TurnAll(t.Context(), b.nodes[0].db))
			b.alive(t, old.AccessToken)
			current, err = a.Token(t.Context(), a.refreshForm(current.RefreshToken))
			require.NoError(t, err)
			require.NotEqual(t, kidOf(t, old.AccessToken), kidOf(t, current.AccessToken))
			b.alive(t, current.AccessToken)
			b.alive(t, old.AccessToken)
		}
		start := time.Now()
		require.NoError(t, keys.Emergency(t.Context(), b.nodes[0].db, b.handle))
		b.dead(t, current.AccessToken)
		require.Less(t, time.Since(start), 2*time.Second, "at every edge")
		current, err = a.Token(t.Context(), a.refreshForm(current.RefreshToken))
		require.NoError(t, err, "the client recovers by itself")
		b.alive(t, current.AccessToken)
	})
}

func kidOf(t *testing.T, token string) string {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	return parsed.Headers[0].KeyID
}
