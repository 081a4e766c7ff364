package edge_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/edge/snapshot"
)

// TestAnAssertionIsItsCallersAlone: all tokens of a caller share one, and nobody else
// gets it.
func TestAnAssertionIsItsCallersAlone(t *testing.T) {
	t.Parallel()
	runtime := echoPong()
	b := setup(t, runtime)
	sent := func(changes ...func(claims)) string {
		t.Helper()
		resp, body := b.do(b.request("POST", ping, "Authorization", "Bearer "+b.token(b.acme, changes...)))
		require.Equal(t, http.StatusOK, resp.StatusCode, body)
		seen := runtime.requests()
		return seen[len(seen)-1].Header.Get("X-Emcy-Assertion")
	}
	claim := func(name, value string) func(claims) { return func(c claims) { c[name] = value } }
	first := sent()
	require.NotEmpty(t, first)
	require.Equal(t, first, sent(claim("jti", "jti_2"), claim("fid", "fam_2")), "another token of the same caller")
	told := map[string]bool{first: true}
	for name, value := range map[string]string{"sub": "acc_bob", "client_id": "cli_2", "scope": "mcp"} {
		other := sent(claim(name, value))
		require.False(t, told[other], name)
		told[other] = true
	}
	resp, _ := b.do(b.requestTo(b.globex, "POST", ping))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	seen := runtime.requests()
	require.False(t, told[seen[len(seen)-1].Header.Get("X-Emcy-Assertion")], "the same names in another tenant")

	b.publish(func(acme *snapshot.Tenant) {
		edges, changed := map[string]*snapshot.Edge{}, *acme.Edges[slug]
		target, err := url.Parse(b.upstream.URL + "/elsewhere")
		require.NoError(t, err)
		changed.Upstream = target
		edges[slug] = &changed
		acme.Edges = edges
	})
	require.NotEqual(t, first, sent(claim("jti", "jti_3")), "the runtime has moved")
	b.clock.Advance(31 * time.Second)
	require.NotEqual(t, first, sent(claim("jti", "jti_4")))
}
