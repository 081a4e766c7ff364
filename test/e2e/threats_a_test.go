//go:build e2e

package e2e

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/internal/urltest"
)

// requireLocal is an answer to a person that never leaves the workspace.
func requireLocal(t *testing.T, got said, code, what string) {
	t.Helper()
	require.Equal(t, http.StatusBadRequest, got.status, "%q: %s", what, got.body)
	require.Empty(t, got.header.Get("Location"), what)
	require.Contains(t, got.header.Get("Content-Type"), "text/html", what)
	require.Contains(t, got.body, code, what)
}

// TestA1RedirectURIsAreComparedByTheByte: before sign-in and before consent, for the
// answer and for errors alike, and once more where the code is redeemed.
func TestA1RedirectURIsAreComparedByTheByte(t *testing.T) {
	t.Parallel()
	row(t, "a1", func(h *house) {
		const registered = "https://app.example/oauth/cb?b=2&a=1"
		client := h.client("Scripted client")
		client.RedirectURI = registered
		require.NoError(h.t, client.Register(h.t.Context()))
		require.Equal(h.t, http.StatusFound, h.authorize(client).status)

		mutations := urltest.Mutations(registered)
		require.Greater(h.t, len(mutations), 200)
		for _, mutation := range mutations {
			requireLocal(h.t, h.authorize(client, "redirect_uri", mutation), "invalid_redirect_uri", mutation)
		}
		for _, mutation := range mutations[:40] {
			requireLocal(h.t, h.authorize(client, "redirect_uri", mutation, "response_type", "token"), "invalid_redirect_uri", mutation)
		}
		requireLocal(h.t, h.authorize(client, "redirect_uri", "-"), "invalid_redirect_uri", "left out")
		requireLocal(h.t, h.authorize(client, "client_id", "cli_unknown"), "invalid_client", "nobody's")

		p := h.stranger()
		for _, mutation := range []string{registered + "/", strings.ToUpper(registered), "https://app.example/oauth/cb", "https://evil.example/cb"} {
			code := h.grant(p, client)
			require.Equal(h.t, "invalid_grant", h.redeem(client, code, "redirect_uri", mutation).code(), mutation)
			require.Equal(h.t, "invalid_grant", h.redeem(client, code).code(), "the code is burnt")
		}
		require.Equal(h.t, http.StatusOK, h.redeem(client, h.grant(p, client)).status)
	})
}

// TestA2OnlyThePortOfALoopbackURIVaries (RFC 8252, section 7.3).
func TestA2OnlyThePortOfALoopbackURIVaries(t *testing.T) {
	t.Parallel()
	row(t, "a2", func(h *house) {
		client := h.client("Scripted client")
		client.RedirectURI = "http://127.0.0.1:8899/callback"
		require.NoError(h.t, client.Register(h.t.Context()))
		for _, other := range []string{
			"http://localhost:8899/callback", "http://[::1]:8899/callback", "http://127.9.9.9:8899/callback", "https://127.0.0.1:8899/callback", "http://user@127.0.0.1:8899/callback",
			"http://127.0.0.1:8899/callback/", "http://127.0.0.1:8899/callback?x=1", "http://127.0.0.1:8899/callback#f", "http://127.0.0.1:8899/Callback", "http://127.1:8899/callback",
			"http://127.0.0.1.:8899/callback", "http://127.0.0.1:8899@evil.example/callback", "http://0x7f000001:8899/callback", "http://127.0.0.1:/callback", "http://127.0.0.1:099/callback", "http://127.0.0.1:99999/callback",
			"http://[::ffff:127.0.0.1]:8899/callback", "ws://127.0.0.1:8899/callback",
		} {
			requireLocal(h.t, h.authorize(client, "redirect_uri", other), "invalid_redirect_uri", other)
		}
		p := h.stranger()
		for _, port := range []string{"http://127.0.0.1:51234/callback", "http://127.0.0.1/callback", "http://127.0.0.1:8899/callback"} {
			require.Equal(h.t, http.StatusFound, h.authorize(client, "redirect_uri", port).status, port)
			code := h.grant(p, client, "redirect_uri", port)
			require.Equal(h.t, http.StatusOK, h.redeem(client, code, "redirect_uri", port).status, port)
		}
	})
}

// TestA3SchemesThatRunCode are never registered, and none of them is ever a link.
func TestA3SchemesThatRunCode(t *testing.T) {
	t.Parallel()
	row(t, "a3", func(h *house) {
		bad := []string{
			"javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", " javascript:alert(1)", "javascript://app.example/%0aalert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:msgbox(1)", "file:///etc/passwd", "blob:https://app.example/x",
			"about:blank", "view-source:https://app.example/", "ws://app.example/cb", "wss://app.example/cb", "http://app.example/cb", "http://10.0.0.1/cb", "http://localhost.evil.example/cb", "ftp://app.example/cb", "foo:/cb", "intent://x", "https://", "//app.example/cb", "https:app.example/cb", "https://u:p@app.example/cb", "https://app.example/cb#f",
		}
		for _, uri := range bad {
			got := h.register(map[string]any{"redirect_uris": []string{uri}, "client_name": "x"})
			require.Equal(h.t, http.StatusBadRequest, got.status, "%q: %s", uri, got.body)
			require.Equal(h.t, "invalid_redirect_uri", got.code(), uri)
		}
		for _, uri := range []string{"https://app.example/cb", "http://127.0.0.1/cb", "http://[::1]:7000/cb", "http://localhost/cb", "com.example.app:/cb"} {
			require.Equal(h.t, http.StatusCreated, h.register(map[string]any{"redirect_uris": []string{uri}, "token_endpoint_auth_method": "none"}).status, uri)
		}
		// Beside a good one they are left out, and no page links to what a client says of itself.
		made := h.register(map[string]any{
			"redirect_uris": append([]string{"https://app.example/cb"}, "javascript:alert(1)", "data:text/html,x"), "token_endpoint_auth_method": "none", "client_name": "Linked",
			"client_uri": "javascript:alert(2)", "logo_uri": "javascript:alert(3)", "tos_uri": "data:text/html,x", "policy_uri": "vbscript:x",
		})
		require.Equal(h.t, http.StatusCreated, made.status, made.body)
		require.NotContains(h.t, made.body, "javascript:")
		client := h.client("Linked")
		client.ClientID, client.RedirectURI = made.field("client_id"), "https://app.example/cb"
		requireLocal(h.t, h.authorize(client, "redirect_uri", "javascript:alert(1)"), "invalid_redirect_uri", "as registered")
		p := h.stranger()
		h.grant(p, client)
		consent := h.open(p, h.origin+"/authorize?"+h.query(client).Encode())
		_, err := consent.Form("attempt", "decision")
		require.NoError(h.t, err)
		console := h.open(h.owner, h.gateway.Console+"/"+h.slug+"/clients")
		for _, page := range []string{string(consent.Body), string(console.Body), string(h.open(p, h.origin+"/me/apps").Body)} {
			for _, scheme := range []string{"javascript:", "vbscript:", "data:text"} {
				require.NotContains(h.t, strings.ToLower(page), scheme)
			}
		}
	})
}

// TestA4PKCEIsS256ForEverybody: what is missing is an error where the flow begins, and a
// verifier that does not fit burns the code.
func TestA4PKCEIsS256ForEverybody(t *testing.T) {
	t.Parallel()
	row(t, "a4", func(h *house) {
		public := h.client("Public")
		made := h.register(map[string]any{"redirect_uris": []string{public.RedirectURI}, "token_endpoint_auth_method": "client_secret_post"})
		require.Equal(h.t, http.StatusCreated, made.status, made.body)
		confidential := h.client("Confidential")
		confidential.ClientID = made.field("client_id")
		s256 := challengeOf(verifier)
		for _, client := range []string{public.ClientID, confidential.ClientID} {
			for _, change := range [][]string{
				{"code_challenge", "-", "code_challenge_method", "-"},
				{"code_challenge", "-"},
				{"code_challenge", ""},
				{"code_challenge_method", "-"},
				{"code_challenge_method", ""},
				{"code_challenge_method", "plain"},
				{"code_challenge_method", "plain", "code_challenge", verifier},
				{"code_challenge_method", "S512"},
				{"code_challenge_method", "s256"},
				{"code_challenge", "short"},
				{"code_challenge", s256[:42]},
				{"code_challenge", s256 + "A"},
				{"code_challenge", s256[:42] + "="},
				{"code_challenge", s256[:42] + "+"},
			} {
				got := h.authorize(public, append(change, "client_id", client)...)
				require.Equal(h.t, http.StatusFound, got.status, "%s: %s", change, got.body)
				to, err := url.Parse(got.header.Get("Location"))
				require.NoError(h.t, err)
				require.Equal(h.t, "127.0.0.1:33418", to.Host, "to the client, and to no sign-in page")
				require.Equal(h.t, "invalid_request", to.Query().Get("error"), change)
				require.Empty(h.t, to.Query().Get("code"))
			}
		}
		p := h.stranger()
		secret := []string{"client_secret", made.field("client_secret")}
		for _, wrong := range []string{"-", "", "short", verifier[:len(verifier)-1], strings.Repeat("x", 43), strings.Repeat("x", 129), s256} {
			code := h.grant(p, public)
			require.Equal(h.t, "invalid_grant", h.redeem(public, code, "code_verifier", wrong).code(), "%q", wrong)
			require.Equal(h.t, "invalid_grant", h.redeem(public, code).code(), "burnt by %q", wrong)
		}
		code := h.grant(p, confidential)
		require.Equal(h.t, "invalid_grant", h.redeem(confidential, code, append(secret, "code_verifier", "-")...).code(), "a secret does not replace it")
		require.Equal(h.t, "invalid_grant", h.redeem(confidential, code, secret...).code())
		require.Equal(h.t, http.StatusOK, h.redeem(confidential, h.grant(p, confidential), secret...).status)
	})
}
