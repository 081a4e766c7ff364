package integration_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// soon is how fast the end of a token reaches every edge, in the middle of several.
const soon = time.Second

func TestA5ReplayedCodeAtTheEdges(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.app(t)
		var took []time.Duration
		for range 5 {
			form := a.grant(t)
			first, err := a.Token(t.Context(), form)
			require.NoError(t, err)
			b.alive(t, first.AccessToken)
			_, err = a.Token(t.Context(), form)
			requireInvalidGrant(t, err)
			took = append(took, b.dead(t, first.AccessToken))
			_, err = a.Token(t.Context(), a.refreshForm(first.RefreshToken))
			requireInvalidGrant(t, err)
		}
		slices.Sort(took)
		t.Logf("dead at %d edges after %v", len(b.nodes), took)
		require.Less(t, took[len(took)/2], soon)
	})
}

func TestA5RacingRedemptions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.app(t)
		form := a.grant(t)
		won := a.atOnce(t, 200, form)
		require.Len(t, won, 1)
		b.dead(t, won[0].AccessToken)
		_, err := a.Token(t.Context(), a.refreshForm(won[0].RefreshToken))
		requireInvalidGrant(t, err)
	})
}

func TestA6AnotherClientsTry(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a, thief := b.app(t), b.app(t)
		form := a.grant(t)
		stolen := url.Values{}
		for name, values := range form {
			stolen[name] = values
		}
		stolen.Set("client_id", thief.ClientID)
		require.Empty(t, thief.atOnce(t, 30, stolen))
		first, err := a.Token(t.Context(), form)
		require.NoError(t, err, "the other's tries used nothing up")
		require.Empty(t, thief.atOnce(t, 30, thief.refreshForm(first.RefreshToken)))
		b.alive(t, first.AccessToken)
		_, err = a.Token(t.Context(), a.refreshForm(first.RefreshToken))
		require.NoError(t, err)
	})
}

func TestA7RacingRefreshes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.app(t)
		first, err := a.Token(t.Context(), a.grant(t))
		require.NoError(t, err)
		current := first
		for range 3 {
			won := a.atOnce(t, 30, a.refreshForm(current.RefreshToken))
			require.Len(t, won, 30, "one use and 29 within the grace")
			for _, got := range won {
				require.Equal(t, won[0].RefreshToken, got.RefreshToken, "the same successor for all")
				require.NotEqual(t, current.RefreshToken, got.RefreshToken)
			}
			current = won[0]
			b.alive(t, current.AccessToken)
		}
		// The first of the line ends them all, at every edge, whoever asks.
		_, err = a.Token(t.Context(), a.refreshForm(first.RefreshToken))
		requireInvalidGrant(t, err)
		b.dead(t, current.AccessToken)
		b.dead(t, first.AccessToken)
		require.Empty(t, a.atOnce(t, 30, a.refreshForm(current.RefreshToken)))
	})
}

// TestA7RaceOfGenerations: old and new refresh tokens of one line at once give
// either tokens of one line that lives, or nothing that does.
func TestA7RaceOfGenerations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		a := b.app(t)
		first, err := a.Token(t.Context(), a.grant(t))
		require.NoError(t, err)
		second, err := a.Token(t.Context(), a.refreshForm(first.RefreshToken))
		require.NoError(t, err)
		third, err := a.Token(t.Context(), a.refreshForm(second.RefreshToken))
		require.NoError(t, err)
		done := make(chan []string)
		for _, token := range []string{first.RefreshToken, third.RefreshToken} {
			go func() {
				var access []string
				for _, got := range a.atOnce(t, 15, a.refreshForm(token)) {
					access = append(access, got.AccessToken)
				}
				done <- access
			}()
		}
		for _, token := range append(<-done, <-done...) {
			b.dead(t, token)
		}
		b.dead(t, third.AccessToken)
		require.Empty(t, a.atOnce(t, 15, a.refreshForm(third.RefreshToken)))
	})
}

// TestHostEvil: the origin is looked up, never believed.
func TestHostEvil(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b *bundle) {
		b.app(t)
		client := &http.Client{Transport: b.transport(nil)}
		ask := func(path, host string, header ...string) (int, string) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.issuer+path, nil)
			require.NoError(t, err)
			if host != "" {
				r.Host = host
			}
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			res, err := client.Do(r)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			return res.StatusCode, string(body)
		}
		paths := []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration", "/authorize", "/token", "/jwks", "/sign-in", "/tickets/mcp"}
		for _, path := range paths {
			for _, host := range []string{"evil.example", "acme.mcp.test.evil.example", "acme.mcp.test:8443", "acme.mcp.test.", "evil.example#acme.mcp.test"} {
				status, body := ask(path, host)
				require.Contains(t, []int{421, 400}, status, "%s at %s", path, host) // 400 where net/http refuses the name
				require.NotContains(t, body, "evil")
			}
		}
		for _, header := range [][]string{{"X-Forwarded-Host", "evil.example"}, {"Forwarded", "host=evil.example;proto=http"}, {"X-Forwarded-Proto", "http"}, {"X-Original-Host", "evil.example"}} {
			status, body := ask("/.well-known/oauth-authorization-server", "", header...)
			require.Equal(t, 200, status)
			require.Contains(t, body, `"issuer":"`+b.issuer+`"`)
			require.NotContains(t, body, "evil")
		}
	})
}
