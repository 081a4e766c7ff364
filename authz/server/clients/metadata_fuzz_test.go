package clients

import (
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"github.com/emcy/gateway/authz/server/settings"
	"github.com/emcy/gateway/internal/outbound"
)

// FuzzRegistration: whatever a client sends, what is stored of it can be used and
// shown safely.
func FuzzRegistration(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"redirect_uris":["http://localhost/"],"client_name":"x"}`, `{"redirect_uris":["javascript:alert(1)","https://a.example/"],"scope":"admin"}`,
		"{\"redirect_uris\":[\"com.a:/b\"],\"client_name\":\"\u202e<b>\",\"client_uri\":\"javascript:x\",\"software_id\":\"\u0000\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var asked Metadata
		if json.Unmarshal([]byte(body), &asked) != nil {
			return
		}
		out, refused := asked.accept(outbound.New(outbound.Config{}), settings.Defaults())
		if refused != nil {
			require.Contains(t, []string{"invalid_redirect_uri", "invalid_client_metadata", "unapproved_software_statement"}, refused.Code)
			return
		}
		require.NotEmpty(t, out.RedirectURIs)
		require.LessOrEqual(t, len(out.RedirectURIs), maxRedirects)
		for _, uri := range out.RedirectURIs {
			require.True(t, Registrable(uri))
			require.Contains(t, asked.RedirectURIs, uri, "as it was sent")
		}
		require.Contains(t, []string{AuthNone, AuthBasic, AuthPost, AuthPrivateKey}, out.TokenEndpointAuthMethod)
		require.Equal(t, usual, out.GrantTypes[:2])
		require.NotContains(t, out.GrantTypes, GrantClientCredentials)
		require.Equal(t, []string{"code"}, out.ResponseTypes)
		require.LessOrEqual(t, len([]rune(out.ClientName)), maxClientName)
		for _, text := range []string{out.ClientName, out.SoftwareID, out.SoftwareVersion} {
			require.True(t, Storable(text))
			require.False(t, strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs) }), "%q", text)
		}
		if out.ClientURI != "" {
			u, err := url.Parse(out.ClientURI)
			require.NoError(t, err)
			require.Equal(t, "https", u.Scheme)
		}
	})
}
