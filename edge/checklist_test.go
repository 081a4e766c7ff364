package edge_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestRS7_NoOfflineAccess: a runtime has no use for refresh tokens, so neither its
// metadata nor a challenge asks for them, also where the workspace's scopes are published.
func TestRS7_NoOfflineAccess(t *testing.T) {
	t.Parallel()
	b := setup(t, echoPong())
	look := func() {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.acme.Edges[slug].MetadataURL, nil)
		require.NoError(t, err)
		resp, body := b.do(req)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Contains(t, body, `"scopes_supported"`)
		require.NotContains(t, body, "offline_access")
		for _, authorization := range []string{"", "Bearer x", "Bearer " + b.token(b.acme, func(c claims) { c["scope"] = "other" })} {
			resp, body := b.do(b.request(http.MethodPost, ping, "Authorization", authorization))
			require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, resp.StatusCode, authorization)
			challenge := resp.Header.Get("WWW-Authenticate")
			require.Contains(t, challenge, `scope="`)
			require.NotContains(t, challenge+body, "offline_access")
		}
	}
	look()
	b.claim("read")
	look()
}
